# SPDX-License-Identifier: Apache-2.0
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
FAST := -n auto tests/unit --timeout 300 -m "not served"
# Thousands of tests and hundreds of commands import the same files.
unexport PYTHONDONTWRITEBYTECODE
# Two targets at once, each with its output in one piece.
PAIR := $(MAKE) --no-print-directory --jobs=2 --output-sync=target

.PHONY: help setup demo test test-aarch64 test-forges test-fast test-faults test-matrix test-model check _code _fast _lab _others analyze fuzz helper wheel bench catalogue clean

help:  ## list what can be done
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## install system packages and .venv (quick the second time)
	@scripts/setup

demo: setup  ## watch the main job on a lab of three real virtual machines (KEEP=1 leaves it up)
	@$(BIN)/python scripts/demo.py

test: check  ## check, plus the installed wheel and the tests on real parts: kernels, virtual machines, sshd
	@scripts/setup chromium
	@$(PAIR) _lab _others

# Its output is shown as it comes: `+` excepts it from being kept together.
_lab:
	+$(PYTEST) tests/real -m "lab and not faults and not matrix and not model and not aarch64" --durations=15

# What runs while the others wait for their machines. It gives way to them: one that is starved condemns
# innocent policies. The one test of the wheel that needs a machine waits for the lab's lock, so it comes last.
_others:
	nice $(PYTEST) tests/unit --timeout 300 -m served
	nice $(PYTEST) tests/real -m "not lab and not faults and not aarch64"
	nice $(PYTEST) tests/packaging --durations=5

test-faults: setup  ## the fault table on real kernels, written to docs/safety.md (not in CI)
	$(PYTEST) -q --tb=short -n 2 --dist worksteal tests/faults --durations=10
	$(PYTEST) -n 2 --dist worksteal --share-lab tests/real -m faults --durations=10

test-matrix: setup  ## every policy through all gates on all kernels, into policies/matrix.json (not in CI)
	$(BIN)/python scripts/matrix.py
	@$(MAKE) --no-print-directory catalogue
	$(PYTEST) tests/real -m matrix

test-forges: setup  ## proposals on a real Pagure, in a Debian of its own (as root; not in CI)
	$(PYTEST) -q --durations=3 tests/forges

test-model: setup  ## the agent on real machines: the catalogue, and a scripted model that writes a policy (not in CI)
	$(PYTEST) tests/real -m model

test-aarch64: setup  ## the helper for aarch64 on an emulated arm64 machine (not in CI)
	@scripts/setup qemu-system-arm
	$(PYTEST) tests/real/test_aarch64.py -m aarch64

test-fast: setup  ## unit, property and golden tests: no network, root or virtual machine
	$(PYTEST) $(FAST)

check: setup  ## format, lint, types, import contracts, policy locks, fast tests
	@$(PAIR) _code _fast

_code:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/fleetsched lock --check
	@$(MAKE) --no-print-directory analyze

_fast:
	$(PYTEST) $(FAST)

analyze:  ## let gcc look for leaks and misuse of memory in the helper's C
	@$(MAKE) --no-print-directory -C bpf/helper analyze OUT=build $$($(BIN)/python -m fleetsched.helper.build --toolchain)

fuzz:  ## a million hostile inputs for each parser of the helper (a few minutes; installs clang)
	@scripts/setup clang libclang-rt-dev libjansson-dev libmd-dev
	@$(BIN)/python scripts/fuzz.py $(TARGETS)

helper: setup  ## build the host's helper
	$(BIN)/python -m fleetsched.helper.build

wheel: setup  ## build dist/: the wheel, with the helpers of all architectures in it, and the sdist
	rm -rf build/helpers
	$(BIN)/python -m fleetsched.helper.build --prebuilt build/helpers
	$(BIN)/python -m hatchling build -t wheel -t sdist

bench: setup  ## run the benchmarks (not in CI)
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

catalogue: setup  ## write docs/catalogue.md from policies, their evidence and the results of gates
	@$(BIN)/python scripts/catalogue.py

clean:  ## remove what was built here (caches of the user stay)
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
