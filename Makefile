# The habits of this project, one target each. Everything a target needs it installs itself, into
# folders of its own (.venv for serving, .venv-dev for the rest); nothing else on the machine changes.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
SERVE := .venv/bin
DEV := .venv-dev/bin
PIP := -m pip install --quiet --disable-pip-version-check
export PYTHONWARNINGS := ignore::DeprecationWarning:pip
# One thread a library: more only get in each other's way.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

# Tests of one file share what is slow to make, so whole files go to each of so many processes.
TEST_PROCESSES ?= 2

# Said at the end of what takes long: seconds since make began.
BEGAN := $(shell date +%s)
AFTER = after $$(( $$(date +%s) - $(BEGAN) )) s

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-cascade bundle docs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(SERVE)/sievert: pyproject.toml
	@echo "sievert: making .venv with what serving needs, no torch (about a minute)"
	@test -n "$(PYTHON)" || { echo "sievert: Python 3.11 or newer is needed; install it and try again"; exit 2; }
	@$(PYTHON) -m venv .venv
	@$(SERVE)/python $(PIP) --editable .
	@touch $@
	@echo "sievert: ready $(AFTER)"

# pip learned dependency groups in 25.1.
.venv-dev/.made: pyproject.toml
	@echo "sievert: making .venv-dev with what tests, checks and training need, torch among it (about three minutes)"
	@test -n "$(PYTHON)" || { echo "sievert: Python 3.11 or newer is needed; install it and try again"; exit 2; }
	@$(PYTHON) -m venv .venv-dev
	@$(DEV)/python $(PIP) --upgrade 'pip>=25.1'
	@$(DEV)/python $(PIP) --editable '.[train,media,rules,scale,trace,cluster]' --group test --group check
	@touch $@
	@echo "sievert: ready $(AFTER)"

demo: $(SERVE)/sievert ## watch a simulated network being moderated, live, by a real model
	@$(SERVE)/sievert demo $(DEMO); code=$$?; echo "sievert: ended $(AFTER)"; exit $$code

test: .venv-dev/.made ## run all tests
	@echo "sievert: running the tests (about a quarter of an hour on two cores)"
	@$(DEV)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(TEST); code=$$?; echo "sievert: ended $(AFTER)"; exit $$code

check: .venv-dev/.made ## format, lint, types, architecture, documents
	@echo "sievert: format";       $(DEV)/ruff format --check .
	@echo "sievert: lint";         $(DEV)/ruff check .
	@echo "sievert: types";        $(DEV)/mypy
	@echo "sievert: architecture"; $(DEV)/lint-imports
	@echo "sievert: documents";    $(DEV)/python tests/generated_docs.py --check

bench: .venv-dev/.made ## measure the whole path of a post
	@$(DEV)/python benchmarks/path.py $(BENCH)

bench-cascade: .venv-dev/.made ## measure what the heavy model adds, at several shares
	@$(DEV)/python $(PIP) --group bench
	@$(DEV)/python benchmarks/cascade.py $(BENCH)

bundle: .venv-dev/.made ## train the text part of a bundle anew, from the corpora in $$SIEVERT_DATA, into var/bundle
	@OMP_NUM_THREADS=$$(getconf _NPROCESSORS_ONLN) $(DEV)/sievert train heavy-text --data "$${SIEVERT_DATA:?name the folder of the corpora}" --out var/heavy
	@$(DEV)/sievert train light-linear --data "$$SIEVERT_DATA" --heavy var/heavy --out var/bundle
	@echo "sievert: update model, forecasts of views and the lane of pictures join it by"
	@echo "  sievert train update|views|lane --history HISTORY --bundle var/bundle --out OTHER"
	@echo "sievert: the fusion model joins last, since it learns for one bundle (docs/train-fusion.md), by"
	@echo "  sievert data material --history HISTORY --bundle OTHER --out MATERIAL"
	@echo "  sievert train chain --material MATERIAL --bundle OTHER --out var/fusion"

docs: .venv-dev/.made ## write the generated parts of the documents anew
	@$(DEV)/python tests/generated_docs.py --write

clean: ## remove what the targets made
	@rm -rf .venv .venv-dev .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
