#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# gdb_test.sh TARGET SCRIPT: gdb with SCRIPT (tools/gdb_fibers.py) sees the parked fibers of a living
# TARGET, which goes on unharmed. Skipped (77) without gdb or where it may not attach.
set -u
target=$1 script=$2
command -v gdb >/dev/null || exit 77
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/input"
"$target" <"$folder/input" >"$folder/output" &
pid=$!
exec 3>"$folder/input"
for _ in $(seq 100); do
    grep -q stands "$folder/output" && break
    sleep 0.1
done
gdb -batch -nx -p $pid -x "$script" -ex 'fibers bt' -ex detach >"$folder/seen" 2>&1
exec 3>&-
wait $pid
status=$?
if grep -qi 'not permitted\|could not attach\|no python' "$folder/seen"; then
    exit 77
fi
failed=0
expect() {
    grep -Eq "$1" "$folder/seen" && return
    echo "not seen: $1"
    failed=1
}
expect '^loop first: 2 fibers'
expect '^loop second: 1 fibers'
expect ' root +pool$'
expect ' waiter +event, deadline in [0-9]+ ms$'
expect ' sleeper +sleep$'
expect 'wait_event_deep'
expect 'sleep_on'
expect 'io_context_entry'
if grep -q '0x0000000000000000 in' "$folder/seen"; then
    echo "a backtrace does not end cleanly"
    failed=1
fi
[ $status = 0 ] && grep -q ended "$folder/output" || { echo "the program was harmed"; failed=1; }
[ $failed = 0 ] || cat "$folder/seen"
exit $failed
