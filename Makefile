# `make` lists what there is. Every target prepares .venv first; prepared once, that costs nothing.

PYTHON ?= python3
UV ?= uv
BIN := .venv/bin
SETUP := $(PYTHON) scripts/setup.py
LOCK := $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-package saga-journey

.DEFAULT_GOAL := help
.NOTPARALLEL:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## see an order fail and undo itself
	@$(SETUP) examples
	@$(BIN)/python examples/order_processing/demo.py

.PHONY: test
test: ## run the tests
	@$(SETUP) dev
	@$(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: thorough
thorough: ## run every test on every store (many minutes)
	@$(SETUP) dev
	@SAGA_TEST_THOROUGH=1 $(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: check
check: ## all that must hold before a change goes in: style, types, imports, tests, coverage of the pure rooms
	@$(SETUP) dev
	@$(BIN)/python scripts/check.py

.PHONY: format
format: ## format the code and apply the safe fixes
	@$(SETUP) dev
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

.PHONY: types
types: ## check the types with mypy
	@$(SETUP) dev
	@$(BIN)/python scripts/check.py types

.PHONY: pyright
pyright: ## check the types with basedpyright: sources, public names, wrong usage (a big download)
	@$(SETUP) dev pyright
	@PATH="$(CURDIR)/$(BIN):$$PATH" basedpyright
	@PATH="$(CURDIR)/$(BIN):$$PATH" basedpyright --ignoreexternal --verifytypes saga_journey
	@$(BIN)/python -m tests.typing.pyright_check

.PHONY: bench
bench: ## measure the speed on SQLite and on PostgreSQL, beside peers (minutes)
	@$(SETUP) bench
	@$(BIN)/python -m bench

.PHONY: analytics-check
analytics-check: ## every figure in less than a second on a million runs, on either store (two minutes)
	@$(SETUP) dev
	@$(BIN)/python -m tests.figures.crowd

.PHONY: plans
plans: ## the plans of PostgreSQL with a million runs, and what a claim costs then (a minute)
	@$(SETUP) dev
	@SAGA_PLANS_RUNS=1000000 $(BIN)/python -m pytest -q -s tests/postgres/test_plans.py

.PHONY: crash
crash: ## kill the process at every boundary of a saga, and recover (minutes)
	@$(SETUP) dev
	@$(BIN)/python -m tests.crash.matrix

.PHONY: chaos
chaos: ## workers killed and frozen for half an hour, then the server killed again and again, and its standby promoted
	@$(SETUP) dev
	@$(BIN)/python -m tests.chaos.workers --seconds 1800 --sagas 24000 --workers 8
	@$(BIN)/python -m tests.chaos.server
	@$(BIN)/python -m tests.chaos.failover
	@$(BIN)/python -m tests.chaos.colliding_keys

# All locks share one .venv: what two of them name has one version, the one that dev.lock chose.
.PHONY: lock
lock: ## re-create the lock files with today's versions (needs uv)
	@command -v $(UV) >/dev/null || { echo "make lock needs uv on the PATH (pip install uv), or UV=/path/to/uv"; exit 2; }
	$(LOCK) requirements/build.in -o requirements/build.lock
	$(LOCK) requirements/dev.in -c requirements/build.lock -o requirements/dev.lock
	$(LOCK) requirements/standard.in -c requirements/dev.lock -o requirements/standard.lock
	$(LOCK) requirements/examples.in -c requirements/dev.lock -o requirements/examples.lock
	$(LOCK) requirements/bench.in -c requirements/dev.lock -o requirements/bench.lock
	$(LOCK) requirements/pyright.in -c requirements/dev.lock -o requirements/pyright.lock

.PHONY: clean
clean: ## remove .venv and all that the tools have left behind
	@rm -rf .venv .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
