# Everything is installed into .venv; nothing but Python 3.11 or 3.12 is assumed (PYTHON=… chooses one).
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9
STAMP := $(VENV)/installed
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
PYTEST := $(BIN)/python -m pytest --durations=20
# Two processes, each with one module after the other.
BESIDE := --numprocesses=2 --dist=loadfile

.PHONY: help setup demo test test-long check format bench lock clean distclean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## install everything that requirements.lock names into .venv

demo: setup  ## compose a small catalogue, ingest it, serve it and recognise spoilt clips of it
	$(BIN)/python -m scripts.demo

test: setup  ## unit tests, then integration tests on real services
	$(PYTEST) $(BESIDE) -m "not integration and not long"
	$(PYTEST) $(BESIDE) -m "integration and not long"

test-long: setup  ## the full matrices, fuzzing and soak
	$(PYTEST) -m long

check: setup  ## what CI runs: formatting, lint, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

format: setup  ## format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## measure this machine, step by step
	$(BIN)/python -m scripts.bench write=true

lock: $(UV)  ## resolve pyproject.toml anew into the two locks (upgrades nothing: remove a pin to move it)
	$(COMPILE) --extra dev pyproject.toml --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock pyproject.toml --output-file k8s/requirements.lock

clean:  ## remove what tests, demo and tools left behind; the installation stays
	rm -rf .demo .bench build dist outputs .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find conf ingest serve scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## clean, and remove the installation as well
	rm -rf $(VENV) *.egg-info

# Debian's python3 may come without ensurepip: its own pip then fills the environment.
$(UV):
	for python in $(or $(PYTHON),python3.11 python3.12 python3) none; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && break; \
	done; \
	test "$$python" != none || { echo "Python 3.11 or 3.12 is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; }; \
	if "$$python" -c 'import ensurepip' 2>/dev/null; \
	then "$$python" -m venv $(VENV); \
	else "$$python" -m venv --without-pip $(VENV); "$$python" -m pip --python $(BIN)/python install --quiet pip; \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# The lock holds the build tools too, so the project itself installs without a download.
$(STAMP): requirements.lock pyproject.toml | $(UV)
	$(UV) pip sync --python $(BIN)/python --require-hashes --build-constraints requirements.lock requirements.lock
	$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@
