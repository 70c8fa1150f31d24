# SPDX-License-Identifier: Apache-2.0
"""Shows the fibers of a live postrider in gdb.

    gdb -p PID -x tools/gdb_fibers.py -ex 'fibers' -ex detach -ex quit

`fibers` lists each loop with its fibers: number, name, what it waits for, how long until the deadline.
`fibers bt` adds the backtrace of each parked fiber; `fibers bt NUMBER` shows one. A parked fiber is
seen by putting its saved registers in place of the running thread's for the time of the backtrace, so
it needs a process that can be written to, not a core file.
"""
import gdb

WORD = 8
# Saved registers from the stack pointer up, as context.c pushes them; the last is the return address.
FRAMES = {
    "i386:x86-64": (["r15", "r14", "r13", "r12", "rbx", "rbp", "rip"], "rsp", 7 * WORD),
    "aarch64": (["x%d" % n for n in range(19, 30)] + ["pc"], "sp", 20 * WORD),
}
NEVER = (1 << 63) - 1


def each(head, of_type, member):
    """The objects of an intrusive list."""
    pointer = gdb.lookup_type(of_type).pointer()
    fields = gdb.lookup_type(of_type).fields()
    offset = next(f.bitpos // 8 for f in fields if f.name == member)
    node = head["next"]
    while int(node) != int(head.address):
        yield gdb.Value(int(node) - offset).cast(pointer).dereference()
        node = node["next"]


def word_at(address):
    return int(gdb.Value(address).cast(gdb.lookup_type("unsigned long").pointer()).dereference())


def backtrace(fiber):
    names, stack_register, size = FRAMES[gdb.selected_frame().architecture().name()]
    stack = int(fiber["context"]["stack_pointer"])
    values = dict((name, word_at(stack + WORD * i)) for i, name in enumerate(names))
    values[stack_register] = stack + size
    kept = dict((name, int(gdb.parse_and_eval("(unsigned long)$" + name))) for name in values)
    gdb.execute("select-frame 0")
    try:
        for name, value in values.items():
            gdb.execute("set $%s = %d" % (name, value))
        gdb.execute("backtrace")
    finally:
        gdb.execute("select-frame 0")
        for name, value in kept.items():
            gdb.execute("set $%s = %d" % (name, value))


def describe(fiber, loop):
    text = "%6d  %-24s " % (int(fiber["serial"]), fiber["name"].string())
    if int(fiber.address) == int(loop["real"]["current"]):
        return text + "runs"
    if int(fiber["waits_for"]) == 0:
        return text + "ready"
    text += fiber["waits_for"].string()
    if int(fiber["deadline"]) != NEVER:
        text += ", deadline in %d ms" % (int(fiber["deadline"]) - int(loop["real"]["now"]))
    return text


class Fibers(gdb.Command):
    """List the fibers of each loop; `fibers bt [NUMBER]` with backtraces."""

    def __init__(self):
        super().__init__("fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = argument.split()
        is_deep = words[:1] == ["bt"]
        wanted = int(words[1]) if len(words) > 1 else None
        for loop in each(gdb.parse_and_eval("io_all_loops"), "struct io_loop", "everywhere"):
            name = loop["options"]["name"]
            print("loop %s: %d fibers" % (name.string() if int(name) else "(no name)",
                                          int(loop["n_fibers"])))
            for fiber in each(loop["fibers"], "struct io_fiber", "sibling"):
                if wanted is not None and int(fiber["serial"]) != wanted:
                    continue
                print(describe(fiber, loop))
                is_running = int(fiber.address) == int(loop["real"]["current"])
                if is_deep and not is_running and int(fiber["context"]["stack_pointer"]):
                    backtrace(fiber)


Fibers()
