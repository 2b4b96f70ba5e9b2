# Each command sets up what it needs in .venv, once; a machine with python3, pip and make is enough.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TIDY_PATHS := src tests $(wildcard scripts benchmarks examples)

.PHONY: help demo test check bench format clean

help:
	@echo "make demo    measure techniques on a small network and write the report"
	@echo "make test    run the tests"
	@echo "make check   format, lint, types, layers, doctests, generated tables"
	@echo "make bench   run the benchmarks"
	@echo "make format  format the code and mend what the linter can"
	@echo "make clean   remove .venv and all caches"

demo: $(VENV)/.installed
	$(BIN)/potentiate study cnn/digits --full --profile quick

test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n logical --maxprocesses=8

check: $(VENV)/.dev $(VENV)/.test
	$(BIN)/ruff format --check $(TIDY_PATHS)
	$(BIN)/ruff check $(TIDY_PATHS)
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q --doctest-modules --ignore-glob='*_triton.py' src/potentiate
	$(BIN)/python scripts/tables.py --check

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/surrogate_gradient.py
	$(BIN)/python benchmarks/stdp.py
	$(BIN)/python benchmarks/brain_accuracy.py
	$(BIN)/python benchmarks/brain_mnist.py
	$(BIN)/python benchmarks/sparse_products.py
	$(BIN)/python benchmarks/sparse_scaling.py
	$(BIN)/python benchmarks/plastic_accuracy.py
	$(BIN)/python benchmarks/plastic_memory.py
	$(BIN)/python benchmarks/structural_rules.py
	$(BIN)/python benchmarks/large_mlp.py
	$(BIN)/python benchmarks/timehut_steps.py
	$(BIN)/python benchmarks/timehut_training.py
	$(BIN)/python benchmarks/timehut_heads.py

format: $(VENV)/.dev
	$(BIN)/ruff format $(TIDY_PATHS)
	$(BIN)/ruff check --fix $(TIDY_PATHS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "potentiate needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: its venv or ensurepip is missing;" \
	    "install it (Debian: apt-get install python3-venv) and try again" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# torch first and alone: the one large download, and the one a user may want to choose beforehand.
$(VENV)/.torch: constraints.txt | $(VENV)/bin/python
	$(INSTALL) torch
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.torch
	$(INSTALL) -e .
	@touch $@

$(VENV)/.test $(VENV)/.dev $(VENV)/.bench: $(VENV)/.%: $(VENV)/.installed
	$(INSTALL) -e ".[$*]"
	@touch $@
