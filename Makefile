# `make demo` and `make test` are all that a new user types: each builds .venv first.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# Two workers with one thread each: more threads than cores make small models several times slower.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# `make test COVER='--cov --cov-report=term:skip-covered'` also says which lines no test runs.
COVER ?=

.PHONY: help demo test test-slow lint clean

help:
	@echo 'make demo       train the demonstration models and draw their pictures into demo/'
	@echo 'make test       run the tests that take seconds'
	@echo 'make test-slow  run the tests that train for longer'
	@echo 'make lint       check style and types'
	@echo 'make clean      remove .venv and everything that was built'

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Plausible needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...'; exit 1; }
	@echo 'Installing Plausible into .venv: a minute or two, once.'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/plausible demo --out demo

test: $(INSTALLED)
	$(PYTEST) $(COVER)

# Pytest ends with 5 when it finds no test to run, which is no failure of this target.
test-slow: $(INSTALLED)
	$(PYTEST) -m 'slow and not gpu' || { status=$$?; [ $$status -eq 5 ] && echo 'There are no slow tests.' || exit $$status; }

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
