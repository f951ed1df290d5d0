# Everything runs in .venv, made on first use with PYTHON and renewed when setup.cfg changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/fokkerplanck

# `make case=NAME` needs no target; plain `make` explains itself.
.DEFAULT_GOAL := $(if $(case),run,help)
.PHONY: help run cases study test check nojit coverage bench docs wheel clean clean-cache
.DELETE_ON_ERROR:

# A case of this checkout; anything else (a path, a misspelt name) is for the program to judge.
CASE = $(or $(wildcard cases/$(case).toml),$(case))

help:
	@echo "make case=NAME         solve cases/NAME.toml; results in runs/NAME (args=\"--set density.end=2\")"
	@echo "make cases             solve all of cases/"
	@echo "make study case=NAME   the case on a ladder of grids: observed orders"
	@echo "make test              the whole test suite"
	@echo "make check             lint, types, layers and the unit tests"
	@echo "make nojit             the fast tests with compilation switched off"
	@echo "make coverage          lines that the tests reach, kernels included"
	@echo "make wheel             build dist/*.whl and run a case from it in an environment of its own"
	@echo "make bench             our solver and others side by side, into benchmarks/results/summary.md"
	@echo "make docs              the documentation, in docs/_build/html (only=\"quadratic hopf\": of these cases)"
	@echo "make clean             remove .venv and everything built; results in runs stay"
	@echo "make clean-cache       remove compiled kernels"
	@echo
	@echo "cases: $(sort $(basename $(notdir $(wildcard cases/*.toml))))"

run: $(VENV)/.test
	@$(RUN) run "$(CASE)" --resume $(args)

# 130 is the user's interrupt: stop there instead of going on with the next case.
cases: $(VENV)/.test
	@missed=; for file in cases/*.toml; do \
	  $(RUN) run $$file --resume $(args) \
	    || { status=$$?; [ $$status -ne 130 ] || exit 130; missed="$$missed $$file"; }; \
	done; \
	[ -z "$$missed" ] || { echo "not as expected:$$missed" >&2; exit 1; }

study: $(VENV)/.test
	@$(if $(case),,echo "say which: make study case=NAME" >&2; exit 2;) \
	$(RUN) study "$(CASE)" $(args)

# Kernels have threads of their own: more workers than two would only wait for each other.
WORKERS := -n 2 --dist loadfile

test: $(VENV)/.test
	$(BIN)/python -m pytest $(WORKERS) $(args)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py
	$(BIN)/python -m pytest -q -m unit $(WORKERS) $(args)

nojit: $(VENV)/.test
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q -m "not slow" $(WORKERS) $(args)

# Compiled kernels hide their lines; the second run counts them.
coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -q $(WORKERS) --cov $(args)
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q -m "not slow" $(WORKERS) --cov --cov-append \
	  --cov-fail-under=95 $(args)

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(args)

# Warnings are errors. The gallery takes results of cases from runs where they fit.
docs: $(VENV)/.docs
	DOCS_CASES="$(only)" $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html $(args)
	@echo "docs/_build/html/index.html"

wheel: | $(BIN)/python
	rm -rf dist build
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@trial=$$(mktemp -d) && trap 'rm -rf "$$trial"' EXIT && \
	  $(PYTHON) -m venv "$$trial/venv" && "$$trial/venv/bin/pip" install --quiet dist/*.whl && \
	  cd "$$trial" && venv/bin/fokkerplanck list && venv/bin/fokkerplanck run quadratic

clean: clean-cache
	rm -rf $(VENV) build dist docs/_build docs/pages *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# numba does not see a change in a function that a cached kernel calls from another file.
clean-cache:
	find . -name '*.nb[ic]' -delete

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or later is needed and $(PYTHON) is not; say which one to take," \
	       "as in: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

define install
	@echo "installing into $(VENV), the first time this takes some minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e "$(1)"
	@touch $@
endef

$(VENV)/.test: setup.cfg pyproject.toml | $(BIN)/python
	$(call install,.[test])

$(VENV)/.dev: setup.cfg pyproject.toml | $(BIN)/python
	$(call install,.[test$(comma)dev])

$(VENV)/.bench: setup.cfg pyproject.toml | $(BIN)/python
	$(call install,.[test$(comma)peers])

$(VENV)/.docs: setup.cfg pyproject.toml | $(BIN)/python
	$(call install,.[test$(comma)docs])

comma := ,
