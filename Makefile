# SPDX-License-Identifier: Apache-2.0
# Two commands carry a newcomer: `make run` and `make test`. The rest is for people who work here.
.PHONY: help build run test unit sim crash system lab tidy asan tsan valgrind fuzz-smoke corpus bench format install clean

BUILD ?= build
SEEDS ?= 300
MESON_ARGS ?=
PREFIX ?= /usr/local

help:
	@echo "make run         build and start the relay here (SMTP on 127.0.0.1:2525, data in ./postrider-data)"
	@echo "make test        install what the tests need and run all of them"
	@echo "make build       build/postrider, nothing else"
	@echo "make sim         days of simulated mail: SEEDS=1000 for a thousand, SEED=7 for the seventh alone"
	@echo "make crash       kill -9 under load, then look for what was acknowledged"
	@echo "make lab         an internet of its own with every fault (root); LAB='--only NAME' for one"
	@echo "make bench       relay and queue figures beside Postfix"
	@echo "make asan tsan   the tests under AddressSanitizer and UBSan, under ThreadSanitizer"
	@echo "make valgrind    the program under valgrind, with real mail"
	@echo "make fuzz-smoke  every fuzz target for a short while"
	@echo "make corpus CORPUS=DIR   bounces of a folder against its labels.json"
	@echo "make tidy        layers, sizes, banned calls; make format: clang-format"
	@echo "make install     program, man pages, unit file and examples below PREFIX (/usr/local); starts nothing"

$(BUILD)/build.ninja:
	@tools/need build
	@meson setup -Dtests=false --prefix=$(PREFIX) $(MESON_ARGS) $(BUILD) >/dev/null
build: $(BUILD)/build.ninja
	@ninja -C $(BUILD) postrider

run:
	@tools/need build run
	@$(MAKE) --no-print-directory build
	@tools/first_message
	@exec $(BUILD)/postrider serve

build-test/build.ninja:
	@meson setup -Dbench=true build-test >/dev/null
test:
	@tools/need build run test
	@$(MAKE) --no-print-directory build-test/build.ninja
	@ninja -C build-test
	@tools/run_tests

unit: build-test/build.ninja
	@ninja -C build-test
	@meson test -C build-test --no-rebuild --print-errorlogs --suite unit
sim: build-test/build.ninja
	@ninja -C build-test
	@build-test/tests/sim/day $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
crash: build-test/build.ninja
	@ninja -C build-test
	@python3 tests/crash/kill_loop.py build-test/postrider
system: build-test/build.ninja
	@ninja -C build-test
	@python3 tests/system/run.py build-test/postrider
lab: build-test/build.ninja
	@tools/need build run test
	@ninja -C build-test postrider
	@python3 tests/lab/run.py --program build-test/postrider $(LAB)
tidy:
	@python3 tools/tidy.py

# The simulated crashes of the spool are many; under a sanitizer some of them do.
build-asan/build.ninja:
	@meson setup -Db_sanitize=address,undefined -Db_lundef=false build-asan >/dev/null
asan: build-asan/build.ninja
	@ninja -C build-asan
	@SPOOL_SEEDS=20 ASAN_OPTIONS=detect_stack_use_after_return=0 \
	    meson test -C build-asan --no-rebuild --print-errorlogs --quiet --timeout-multiplier 4

build-tsan/build.ninja:
	@CC=clang meson setup -Dbench=true -Db_sanitize=thread -Db_lundef=false build-tsan >/dev/null
tsan: build-tsan/build.ninja
	@ninja -C build-tsan
	@SPOOL_SEEDS=5 meson test -C build-tsan --no-rebuild --print-errorlogs --quiet --suite unit --timeout-multiplier 8
	@tools/watched tsan python3 tests/crash/kill_loop.py build-tsan/postrider 3
	@tools/watched tsan python3 tests/system/run.py build-tsan/postrider test_first_mile test_tls

# The program itself under valgrind, with real mail.
valgrind: build-test/build.ninja
	@ninja -C build-test
	@tools/watched valgrind python3 tests/system/run.py tools/valgrind_postrider test_first_mile

build-fuzz/build.ninja:
	@CC=clang meson setup -Dfuzz=true -Dtests=false -Db_sanitize=address,undefined -Db_lundef=false build-fuzz >/dev/null
FUZZ_SECONDS ?= 10
fuzz-smoke: build-fuzz/build.ninja
	@ninja -C build-fuzz
	@tools/fuzz_smoke build-fuzz $(FUZZ_SECONDS)

corpus: build-test/build.ninja
	@ninja -C build-test tools/corpus >/dev/null
	@build-test/tools/corpus $(CORPUS)

bench:
	@tools/need build run test
	@$(MAKE) --no-print-directory build-bench/build.ninja
	@ninja -C build-bench
	@python3 bench/run.py build-bench
build-bench/build.ninja:
	@meson setup -Dtests=false -Dbench=true -Dbuildtype=release -Db_lto=true build-bench >/dev/null

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i
install: $(BUILD)/build.ninja
	@meson configure --prefix=$(PREFIX) $(BUILD)
	@ninja -C $(BUILD) postrider
	@meson install -C $(BUILD) --no-rebuild
clean:
	@rm -rf build build-test build-asan build-tsan build-fuzz build-bench
