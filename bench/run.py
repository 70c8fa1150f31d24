#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: the relay beside Debian's Postfix, in one run, with our own source and sink.

bench/run.py BUILD [--quick] [--runs N] [--only NAME,...] [--no-postfix] [--out FILE]

Names: direct (source to sink, no relay), 4k, 100k (1, 20 and 100 sessions), syncs, refused, silent.
Prints a table and writes JSON. Every rate is messages that reached the sink, divided by the time from the
source's first connection to the last arrival. CPU is user and system time over all processes of the relay.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))

TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pids):
    """User and system seconds of the processes and of their children that have ended."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as handle:
                fields = handle.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(fields[i]) for i in (11, 12, 13, 14))
    return total / TICK


def memory_of(pids):
    """Proportional set size in MB."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as handle:
                total += int(re.search(r"^Pss:\s+(\d+)", handle.read(), re.M).group(1))
        except (OSError, AttributeError):
            continue
    return total / 1024


class Sink:
    def __init__(self, port, *arguments):
        self.port = port
        self.process = subprocess.Popen([f"{BUILD}/bench/sink", "--port", str(port), *arguments],
                                        stdout=subprocess.PIPE, text=True)
        time.sleep(0.2)

    def counts(self):
        self.process.send_signal(signal.SIGUSR1)
        messages, size, first, last = self.process.stdout.readline().split()
        return int(messages), int(size), int(first), int(last)

    def stop(self):
        self.process.kill()
        self.process.wait()


def run_source(port, *arguments):
    done = subprocess.run([f"{BUILD}/bench/source", "--port", str(port), *map(str, arguments)],
                          stdout=subprocess.PIPE, text=True, check=False, timeout=300)
    return json.loads(done.stdout)


class Postrider:
    name = "postrider"

    def __init__(self, sink_port, dead=None, max_connections=20):
        self.folder = tempfile.mkdtemp(prefix="postrider-bench-", dir=WORK)
        os.chmod(self.folder, 0o755)  # the relay does not stay root
        self.port = free_port()
        self.sink_port = sink_port
        config = (f'hostname = "bench.test"\ndata = "{self.folder}/data"\n'
                  f'listen "bench" {{ address = "127.0.0.1:{self.port}" }}\n'
                  'max_sessions = 20000\nmax_sessions_per_client = 20000\n'
                  f'connector "healthy" {{ domains = {{ "example.net" }} smart_hosts = {{ "127.0.0.1:{sink_port}" }} '
                  f'max_connections = {max_connections} max_messages_per_connection = 10000 }}\n')
        config += dead_connectors(dead)
        with open(f"{self.folder}/conf", "w", encoding="ascii") as handle:
            handle.write(config)

    def start(self):
        self.process = subprocess.Popen([f"{BUILD}/postrider", "serve", "-c", f"{self.folder}/conf"],
                                        stdout=subprocess.DEVNULL,
                                        stderr=open(f"{self.folder}/log", "wb"), cwd=self.folder)
        wait_port(self.port, self.process)
        return self

    def pids(self):
        return [self.process.pid]

    def trace_command(self):
        return ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", f"{self.folder}/syncs", "-p",
                str(self.process.pid)]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def dead_connectors(dead):
    """`dead`: (address:port, COUNT of sites). Domains d1.dead.test ... map to their own smart host each."""
    if not dead:
        return ""
    port, count = dead
    text = ""
    for i in range(1, count + 1):
        host = f"127.1.{i // 250}.{i % 250 + 1}"
        text += (f'connector "dead{i}" {{ domains = {{ "d{i}.dead.test" }} '
                 f'smart_hosts = {{ "{host}:{port}" }} }}\n')
    return text


class Postfix:
    def __init__(self, sink_port, is_tuned, dead=None):
        import postfix
        self.name = "postfix tuned" if is_tuned else "postfix stock"
        self.folder = tempfile.mkdtemp(prefix="postrider-bench-", dir=WORK)
        self.port = free_port()
        settings = {"transport_maps": f"texthash:{self.folder}/transport", "smtp_dns_support_level": "disabled"}
        if is_tuned:
            settings.update({
                "in_flow_delay": "0", "default_destination_concurrency_limit": "50",
                "initial_destination_concurrency": "50", "smtpd_peername_lookup": "no",
                "smtpd_client_connection_count_limit": "0", "smtpd_client_connection_rate_limit": "0",
                "default_process_limit": "200", "smtp_connection_cache_on_demand": "yes",
                "qmgr_message_active_limit": "20000"})
        self.instance = postfix.Postfix(self.folder, self.port, settings,
                                        processes=200 if is_tuned else 100)
        with open(f"{self.folder}/transport", "w", encoding="ascii") as handle:
            handle.write(f"example.net smtp:[127.0.0.1]:{sink_port}\n")
            if dead:
                port, count = dead
                for i in range(1, count + 1):
                    handle.write(f"d{i}.dead.test smtp:[127.1.{i // 250}.{i % 250 + 1}]:{port}\n")

    def start(self):
        self.instance.start()
        return self

    def pids(self):
        return self.instance.pids()

    def trace_command(self):
        command = ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", f"{self.folder}/syncs"]
        for pid in self.pids():
            command += ["-p", str(pid)]
        return command

    def stop(self):
        self.instance.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port():
    import harness
    return harness.free_port()


def wait_port(port, process):
    import socket
    for _ in range(200):
        if process.poll() is not None:
            sys.exit("the relay ended at once: see its log in the temporary folder")
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.05)
    sys.exit("the relay does not answer")


def wait_arrivals(sink, wanted, seconds):
    end = time.monotonic() + seconds
    last, still_since = -1, time.monotonic()
    while time.monotonic() < end:
        counts = sink.counts()
        if counts[0] >= wanted:
            return counts
        if counts[0] != last:
            last, still_since = counts[0], time.monotonic()
        if time.monotonic() - still_since > 20:
            break
        time.sleep(0.05)
    return sink.counts()


def one_load(relay, sink, messages, size, sessions):
    before = sink.counts()[0]
    cpu = cpu_of(relay.pids())
    source = run_source(relay.port, "--sessions", sessions, "--messages", messages, "--size", size)
    counts = wait_arrivals(sink, before + messages, 120)
    arrived = counts[0] - before
    seconds = (counts[3] - source["start_us"]) / 1e6
    return {"relay": relay.name, "size": size, "sessions": sessions, "messages": arrived,
            "per_second": round(arrived / seconds), "accepted_per_second": source["rate"],
            "p50_ms": source["p50_us"] / 1000, "p99_ms": source["p99_us"] / 1000,
            "cpu_us": round((cpu_of(relay.pids()) - cpu) * 1e6 / max(arrived, 1)),
            "memory_mb": round(memory_of(relay.pids()), 1), "failed": source["failed"]}


def relays(sink_port, dead=None):
    yield Postrider(sink_port, dead)
    if HAS_POSTFIX:
        yield Postfix(sink_port, True, dead)
        yield Postfix(sink_port, False, dead)


def bench_direct():
    rows = []
    for size, messages in ((4096, 100000), (102400, 20000)):
        for sessions in (1, 20, 100):
            sink = Sink(free_port())
            source = run_source(sink.port, "--sessions", sessions, "--messages",
                                messages // (10 if sessions == 1 else 1) // SCALE, "--size", size)
            sink.stop()
            rows.append({"relay": "none", "size": size, "sessions": sessions, "per_second": round(source["rate"]),
                         "p99_ms": source["p99_us"] / 1000})
    return rows


def bench_load(size, budget):
    """`budget`: messages for (postrider, postfix)."""
    rows = []
    for sessions in (1, 20, 100):
        sink = Sink(free_port())
        for relay in relays(sink.port):
            relay.start()
            own = budget[0] if relay.name == "postrider" else budget[1]
            messages = max(own // SCALE // (4 if sessions == 1 else 1), 200)
            one_load(relay, sink, messages // 10, size, sessions)  # warm
            runs = [one_load(relay, sink, messages, size, sessions) for _ in range(RUNS)]
            row = sorted(runs, key=lambda r: r["per_second"])[len(runs) // 2]
            row["runs"] = [r["per_second"] for r in runs]
            rows.append(row)
            print_row(row)
            relay.stop()
        sink.stop()
    return rows


def bench_syncs():
    rows = []
    sink = Sink(free_port())
    for relay in relays(sink.port):
        relay.start()
        run_source(relay.port, "--sessions", 20, "--messages", 200)
        command = relay.trace_command()
        tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(1.5)
        messages = 4000 if relay.name == "postrider" else 1000
        before = sink.counts()[0]
        source = run_source(relay.port, "--sessions", 20, "--messages", messages)
        wait_arrivals(sink, before + messages, 60)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
        with open(f"{relay.folder}/syncs", encoding="ascii", errors="replace") as handle:
            calls = sum(int(line.split()[3]) for line in handle
                        if line.rstrip().endswith(("fsync", "fdatasync")))
        rows.append({"relay": relay.name, "messages": source["messages"],
                     "syncs_per_message": round(calls / max(source["messages"], 1), 3)})
        print_row(rows[-1])
        relay.stop()
    sink.stop()
    return rows


def healthy_rate(relay, sink, count):
    """Bounded in time: a relay that delivers nothing must not hang the run."""
    before = sink.counts()[0]
    source = run_source(relay.port, "--sessions", 20, "--messages", count, "--size", 4096, "--seconds", 45)
    arrived = wait_arrivals(sink, before + count, 45)
    if arrived[0] == before:
        return 0
    return (arrived[0] - before) / max((arrived[3] - source["start_us"]) / 1e6, 0.001)


def bench_starvation(kind, due, site_counts):
    """Healthy rate beside `due` messages for dead hosts, against the rate without them."""
    rows = []
    for sites in site_counts:
        sink = Sink(free_port())
        port = free_port()
        silent = Sink(port, "--silent", "--address", "0.0.0.0") if kind == "silent" else None
        for relay in relays(sink.port, (port, sites)):
            if relay.name == "postfix stock":
                relay.stop()
                continue
            relay.start()
            is_ours = relay.name == "postrider"
            count = (40000 if is_ours else 3000) // SCALE
            one_load(relay, sink, count // 5, 4096, 20)
            alone = [healthy_rate(relay, sink, count) for _ in range(RUNS)]
            run_source(relay.port, "--sessions", 50, "--messages", due // SCALE, "--size", 1024, "--domains",
                       sites, "--domain", "dead.test", "--seconds", 120)
            time.sleep(2)
            beside = [healthy_rate(relay, sink, count) for _ in range(RUNS)]
            alone, beside = (sorted(rates)[RUNS // 2] for rates in (alone, beside))
            rows.append({"relay": relay.name, "kind": kind, "due": due // SCALE, "sites": sites,
                         "alone_per_second": round(alone), "beside_per_second": round(beside),
                         "falls_percent": round(100 * (1 - beside / alone), 1) if alone else None})
            print_row(rows[-1])
            relay.stop()
        sink.stop()
        if silent:
            silent.stop()
    return rows


def print_row(row):
    print("  " + "  ".join(f"{key}={value}" for key, value in row.items()), flush=True)


def ratios(results):
    """Against tuned Postfix, where both ran."""
    lines = []
    for name in ("4k", "100k"):
        rows = results.get(name, [])
        for ours in (r for r in rows if r["relay"] == "postrider"):
            for theirs in (r for r in rows if r["relay"] == "postfix tuned" and r["sessions"] == ours["sessions"]):
                lines.append({
                    "what": name, "sessions": ours["sessions"],
                    "rate": round(ours["per_second"] / theirs["per_second"], 1),
                    "cpu": round(theirs["cpu_us"] / max(ours["cpu_us"], 1), 1),
                    "p99": round(theirs["p99_ms"] / max(ours["p99_ms"], 0.001), 1)})
    return lines


def main():
    global BUILD, WORK, SCALE, RUNS, HAS_POSTFIX
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, one run")
    parser.add_argument("--only", default="direct,4k,100k,syncs,refused,silent")
    parser.add_argument("--no-postfix", action="store_true")
    parser.add_argument("--runs", type=int, default=3, help="of each load; the median counts")
    parser.add_argument("--work", default="", help="folder for queues (default: the temporary folder)")
    parser.add_argument("--out", default="bench-results.json")
    options = parser.parse_args()
    BUILD, SCALE, RUNS = os.path.abspath(options.build), 10 if options.quick else 1, 1 if options.quick else options.runs
    WORK = options.work or tempfile.gettempdir()
    import postfix
    reason = "not wanted" if options.no_postfix else postfix.available()
    HAS_POSTFIX = not reason
    if reason:
        print(f"without Postfix: {reason}")
    jobs = {
        "direct": bench_direct,
        "4k": lambda: bench_load(4096, (60000, 8000)),
        "100k": lambda: bench_load(102400, (12000, 3000)),
        "syncs": bench_syncs,
        "refused": lambda: bench_starvation("refused", 100000, (1, 100, 2000)),
        "silent": lambda: bench_starvation("silent", 2000, (1, 100, 2000)),
    }
    results = {}
    for name in options.only.split(","):
        print(f"== {name}", flush=True)
        results[name] = jobs[name]()
        if name == "direct":
            for row in results[name]:
                print_row(row)
    results["against tuned Postfix"] = ratios(results)
    print("== against tuned Postfix (times as fast, times less CPU, times shorter p99)")
    for row in results["against tuned Postfix"]:
        print_row(row)
    with open(options.out, "w", encoding="ascii") as handle:
        json.dump(results, handle, indent=1)
    return 0


BUILD = WORK = ""
SCALE = RUNS = 1
HAS_POSTFIX = False
if __name__ == "__main__":
    sys.exit(main())
