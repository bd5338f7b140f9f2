# The commands of this project. `make demo` and `make test` need nothing but make and Python 3.11 or newer with venv.

.PHONY: help demo test test-fast install install-dev install-engines install-validators soak clean
.DEFAULT_GOAL := help

# Nothing from the caller's own Python may leak in.
unexport PYTHONPATH
unexport PYTHONHOME
unexport PYTHONSTARTUP
unexport VIRTUAL_ENV
# Each of the hundreds of processes that the tests start would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONNOUSERSITE := 1

python := .venv/bin/python

help:
	@echo 'make demo       plays a story at one prison and prints who got what, what was withheld and why'
	@echo 'make test       every check and every test that this machine can run'
	@echo 'make test-fast  the inner loop: no slow tests'
	@echo 'make soak       the bench on both engine pairs, then the fault tests with their long numbers (many hours); results stay in docs/evidence/'
	@echo 'make install    makes .venv (locked, hashed) with the throughgate command in it'

demo: install
	@$(python) -m gateway demo

test: install-dev install-engines install-validators
	@$(python) tests/all_checks.py

test-fast: install-dev
	@$(python) tests/all_checks.py --fast

soak: install-dev install-engines
	@$(python) tests/soak.py

install:
	@requirements/install.sh runtime

install-dev:
	@requirements/install.sh dev

install-engines:
	@requirements/install-engines.sh

install-validators:
	@requirements/install-validators.sh

clean:
	rm -rf .venv .validators .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
