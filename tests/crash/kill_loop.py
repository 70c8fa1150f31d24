#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load: kill_loop.py PROGRAM [ROUNDS [SEED]]

Each round submits mail on several sessions, kills the relay at a random moment and starts it again. At
the end every message that got its 250 must have arrived. Copies are counted: one more than once is allowed
only where a kill fell between a final dot and its settlement, so their number is bounded by what can be
in flight at the kills.
"""
import collections
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
program = os.path.abspath(sys.argv[1])
os.environ["POSTRIDER"] = program
from harness import Relay, free_port, smart_host, wait_for  # noqa: E402

ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 12
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30)
SESSIONS, LANE_SESSIONS, PER_ROUND = 20, 20, 1_000_000
BENCH = os.path.join(os.path.dirname(program), "bench")


def numbers(path):
    try:
        with open(path, encoding="ascii") as handle:
            return [int(line) for line in handle if line.strip().isdigit()]
    except OSError:
        return []


def main():
    chance = random.Random(SEED)
    print(f"kill loop: {ROUNDS} rounds, seed {SEED}")
    sink_port = free_port()
    retry = 'retry { first = "1s" factor = 1 longest = "1s" }\n'
    relay = Relay(retry + smart_host(sink_port, f"max_connections = {LANE_SESSIONS}"))
    acks, got = os.path.join(relay.folder, "acks"), os.path.join(relay.folder, "got")
    sink = subprocess.Popen([f"{BENCH}/sink", "--port", str(sink_port), "--log", got],
                            stdout=subprocess.DEVNULL)
    try:
        for number in range(ROUNDS):
            relay.start()
            size = chance.choice((300, 4096, 20000, 400000))
            source = subprocess.Popen(
                [f"{BENCH}/source", "--port", str(relay.port), "--sessions", str(SESSIONS), "--messages",
                 str(PER_ROUND - 1), "--size", str(size), "--acks", acks, "--first-number",
                 str(number * PER_ROUND), "--seconds", "30"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.05, 1.5))
            relay.kill()
            source.wait(40)
        relay.start()
        wanted = set(numbers(acks))
        wait_for(lambda: relay.settled() and wanted <= set(numbers(got)), 120, 0.5)
        arrived = collections.Counter(numbers(got))
        relay.stop()
    finally:
        relay.kill()
        sink.kill()
    lost = wanted - set(arrived)
    copies = sum(count - 1 for count in arrived.values())
    allowed = ROUNDS * LANE_SESSIONS * 64
    print(f"acknowledged {len(wanted)}, arrived {len(arrived)}, lost {len(lost)}, copies {copies} "
          f"(at most {allowed})")
    if lost or copies > allowed or not wanted:
        print(f"FAILED: seed {SEED}, data in {relay.folder}; first lost: {sorted(lost)[:10]}")
        print(relay.log()[-3000:])
        return 1
    import shutil
    shutil.rmtree(relay.folder, ignore_errors=True)
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
