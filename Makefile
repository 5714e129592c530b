# Everything a person types. `make` alone lists it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Compiled bytecode halves every start-up; some shells switch it off.
export PYTHONDONTWRITEBYTECODE :=
# Dagster keeps runs and events where the data is.
export SCAN_DATA_DIR ?= $(CURDIR)/data
export DAGSTER_HOME ?= $(SCAN_DATA_DIR)/dagster_home

.PHONY: help setup demo test ui lint bench clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.complete ## make .venv and install everything into it

# Anew when what is asked for changes; a setup that was cut short is not complete, and starts again.
$(VENV)/.complete: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else f"scan_pipeline needs Python 3.11 to 3.13; {sys.executable} is {sys.version.split()[0]}. Try: make PYTHON=python3.11 setup")'
	@echo "Setting up $(VENV) (about a minute, once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --compile -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m compileall -q scan_pipeline
	@touch $@

demo: setup ## make a demo market, scan its last session in Dagster, and show the hits
	@$(BIN)/scan-pipeline demo

test: setup ## run all tests
	$(BIN)/pytest

ui: setup ## the Dagster UI with its daemon, on http://localhost:3000
	@$(BIN)/scan-pipeline ui

lint: setup ## ruff and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup ## the benchmarks, in full
	$(BIN)/python benchmarks/nightly.py
	$(BIN)/python benchmarks/fetch.py
	$(BIN)/python benchmarks/scripts.py
	$(BIN)/python benchmarks/incremental.py
	$(BIN)/python benchmarks/authoring.py

clean: ## remove .venv; data/ stays
	rm -rf $(VENV) *.egg-info
