# Needs Python >= 3.11 and make, nothing else: everything goes into .venv, once.
.DEFAULT_GOAL := help
.PHONY: help demo up test test-thorough check test-all faults endurance bench lock clean

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/runtime.stamp
DEV := $(VENV)/dev.stamp
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCK := --generate-hashes --universal --python-version 3.11 --no-emit-index-url --custom-compile-command 'make lock'

# Without compiled files every process that a target starts compiles what it imports anew,
# and takes twice as long to start. So they are written, whatever the caller's environment says.
unexport PYTHONDONTWRITEBYTECODE

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1#/' | awk -F'#' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: $(RUNTIME)  ## See a lead become hot, on a Kafka of your own
	@$(BIN)/leadheat demo

up: $(RUNTIME)  ## Run Kafka, a worker and the gateway here until Ctrl-C
	@$(BIN)/leadheat up

test: $(DEV)  ## Run the tests (a real Kafka is started for them)
	$(BIN)/pytest -n 4 --dist worksteal -m "not thorough"

test-thorough: $(DEV)  ## Run the tests that take long, about rare cases, and all examples
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest -n 3 --dist worksteal -m "thorough or hypothesis or share"

check: $(DEV)  ## Check format, style, types, the direction of imports and the examples in docstrings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --quiet --durations=0 --durations-min=5 --doctest-modules --ignore-glob="*/test_*.py" scoring streams tests

test-all: check  ## Check, and run every test
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest -n 2

faults: $(DEV)  ## Kill, stop, fill up and lie to a whole leadheat, and hold it to its promises (20 minutes)
	$(BIN)/python -m tests.faults $(FAULTS)

endurance: $(DEV)  ## Run a whole leadheat at a steady load for an hour, and see what grows
	$(BIN)/python -m tests.faults.endurance $(ENDURANCE)

bench: $(DEV)  ## Measure everything on this machine, beside its peers (half an hour; see docs/performance.md)
	$(BIN)/python -m tests.benchmarks $(BENCH)

lock: $(DEV)  ## Pin and hash the newest requirements (needs uv)
	uv pip compile --upgrade --quiet $(LOCK) --extra install -o requirements.txt pyproject.toml
	uv pip compile --upgrade --quiet $(LOCK) --extra install --extra dev -o requirements-dev.txt pyproject.toml

clean:  ## Remove .venv and what the tools left behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing what leadheat needs into $(VENV), once; this takes a minute or two ..."
	@$(PIP) install --quiet --no-compile --require-hashes -r requirements.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.txt $(RUNTIME)
	@echo "Installing the tools for tests and checks into $(VENV), once; this takes a minute or two ..."
	@$(PIP) install --quiet --no-compile --require-hashes -r requirements-dev.txt
	@touch $@

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Creating $(VENV) with $$($$python --version) ..."; \
	    $$python -m venv $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    exit 1; \
	  fi; \
	done; \
	echo "leadheat needs Python 3.11 or newer: install one, or name it with make PYTHON=/path/to/python3" >&2; \
	exit 1
