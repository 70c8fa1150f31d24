#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Style and layering as a test: who may include whom, sizes, banned calls.

Usage: tools/tidy.py [--list]   (from anywhere in the repository)
"""
import os
import re
import sys

# The house (docs/ARCHITECTURE.md): a folder may include only folders in rows above its own.
ROWS = {
    "base": 0,
    "io": 1, "catalog": 1,
    "capture": 2, "dns": 2, "tls": 2, "fetch": 2, "sts": 2, "smtp": 2, "mail": 2, "config": 2,
    "spool": 3, "ledger": 3, "route": 3, "talk": 3, "spf": 3,
    "schedule": 4, "readers": 4, "cluster": 4,
    "serve": 5, "deliver": 5, "probe": 5,
    "relay": 6,
    "insight": 7,
    "control": 8, "admin": 8,
    "cmd": 9,
}
# Headers of a folder that others may include beside FOLDER/FOLDER.h.
PUBLIC_EXTRA = {"io/sim.h", "dns/zone.h"}
TEST_ONLY = {"io/sim.h", "dns/zone.h"}

LINE_MAX, FILE_MAX, HEADER_MAX, FUNCTION_MAX, PARAMETERS_MAX, NESTING_MAX = 100, 700, 300, 70, 5, 3

BANNED = {
    "strcpy", "strcat", "sprintf", "vsprintf", "strtok", "gets", "atoi", "atol", "atof", "rand", "srand",
    "random", "alloca", "setjmp", "longjmp", "mktemp", "tmpnam", "gethostbyname", "inet_ntoa", "system",
    "popen", "ctime", "asctime", "localtime", "gmtime", "strncpy", "strncat",
}
# Clocks and randomness stand behind io (and the log lines of base).
CLOCKS = {"clock_gettime", "gettimeofday", "time", "getrandom", "getentropy", "RAND_bytes", "nanosleep",
          "sleep", "usleep"}
CLOCK_FOLDERS = {"io"}
# Raw waiting belongs to io alone.
RAW = {"epoll_wait", "poll", "select", "fdatasync", "fsync", "accept4", "accept", "connect"}

# Signatures that a library imposes on its callbacks.
IMPOSED = {("src/dns/engine.c", "on_result"), ("src/tls/openssl.c", "tls_pad_hello")}

FOLDERS = ("src", "tests", "fuzz", "bench", "tools")

problems = []


def problem(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def strip_code(text):
    """Comments and literals blanked, same length and lines."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text, flags=re.S)


def check_includes(path, text):
    folder = path.split("/")[1]
    if folder not in ROWS:
        problem(path, 1, f"folder src/{folder} has no row in tools/tidy.py")
        return
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        target = match.group(1)
        other = target.split("/")[0]
        if "/" not in target or other not in ROWS:
            problem(path, number, f'include "{target}" from the source root: "folder/file.h"')
            continue
        if target in TEST_ONLY and folder != other:
            problem(path, number, f"{target} is for tests only")
        if other == folder:
            continue
        if ROWS[other] >= ROWS[folder]:
            problem(path, number, f"{folder} (row {ROWS[folder]}) may not include {other} (row {ROWS[other]})")
        if other != "base" and target != f"{other}/{other}.h" and target not in PUBLIC_EXTRA \
                and not target.endswith(".inc"):
            problem(path, number, f"{target} is private to {other}: include {other}/{other}.h")


def check_calls(path, code):
    folder = path.split("/")[1] if path.startswith("src/") else ""
    for match in re.finditer(r"(?<![\w.>])([A-Za-z_]\w*)\s*\(", code):
        name = match.group(1)
        line = code.count("\n", 0, match.start()) + 1
        if name in BANNED:
            problem(path, line, f"{name}() is banned")
        if folder and folder not in CLOCK_FOLDERS and name in CLOCKS:
            problem(path, line, f"{name}(): clocks and randomness come from io/io.h")
        if folder and folder not in ("io", "cmd") and name in RAW:
            problem(path, line, f"{name}(): waiting and syncing belong to io/")


def check_functions(path, code):
    """A function is a brace at depth zero after a closing parenthesis."""
    depth, start, head = 0, 0, ""
    lines = code.split("\n")
    for number, line in enumerate(lines, 1):
        for char in line:
            if char == "{":
                if depth == 0:
                    start = number
                    head = "\n".join(lines[max(0, number - 8):number])
                depth += 1
            elif char == "}":
                depth -= 1
                if depth == 0:
                    end_function(path, start, number, head, lines)
    if depth != 0:
        problem(path, len(lines), "braces do not match")


def end_function(path, start, end, head, lines):
    upto = head[:head.rfind("{")].rstrip()
    if not upto.endswith(")"):
        return
    if end - start > FUNCTION_MAX:
        problem(path, start, f"function of {end - start} lines (at most {FUNCTION_MAX})")
    open_at, level = len(upto) - 1, 0
    for at in range(len(upto) - 1, -1, -1):
        level += (upto[at] == ")") - (upto[at] == "(")
        if level == 0:
            open_at = at
            break
    parameters, level = upto[open_at + 1:-1], 0
    count = 1 if parameters.strip() not in ("", "void") else 0
    for char in parameters:
        level += (char == "(") - (char == ")")
        count += char == "," and level == 0
    name = re.search(r"(\w+)\s*$", upto[:open_at])
    if name and (path, name.group(1)) in IMPOSED:
        return
    if count > PARAMETERS_MAX and not path.startswith(("tests/", "fuzz/", "bench/")):
        problem(path, start, f"{count} parameters (at most {PARAMETERS_MAX}; pass a struct)")


def check_file(path):
    with open(path, encoding="utf-8", errors="replace") as handle:
        text = handle.read()
    lines = text.split("\n")
    if "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
        problem(path, 1, "first line must be the SPDX line")
    limit = HEADER_MAX if path.endswith(".h") and path.startswith("src/") else FILE_MAX
    if len(lines) > limit and not path.endswith(".inc"):
        problem(path, len(lines), f"{len(lines)} lines (at most {limit})")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX and not path.endswith(".inc") and "://" not in line:
            problem(path, number, f"{len(line)} columns (at most {LINE_MAX})")
        if "\t" in line:
            problem(path, number, "tab")
        if re.search(r"\b(TODO|FIXME|XXX)\b[: ]", line):
            problem(path, number, "unfinished work belongs in an issue")
    code = strip_code(text)
    if path.startswith("src/"):
        check_includes(path, text)
    if not path.endswith(".inc"):
        check_calls(path, code)
        if path.endswith(".c"):
            check_functions(path, code)
    if re.search(r'#\s*include\s+"[^"]+\.c"', text):
        problem(path, 1, "includes a .c file")


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    paths = [os.path.join(folder, name) for top in FOLDERS for folder, _, names in os.walk(top)
             for name in sorted(names) if name.endswith((".c", ".h", ".inc"))]
    for path in paths:
        check_file(path)
    for folder in ROWS:
        if os.path.isdir(f"src/{folder}") and not os.path.exists(f"src/{folder}/README.md"):
            problem(f"src/{folder}", 1, "has no README.md")
    for line in problems:
        print(line)
    print(f"tidy: {len(paths)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
