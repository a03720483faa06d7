# Every verb of the project, for people and for CI. 'make' alone lists them.

PYTHON ?= $(shell for name in python3.11 python3.12 python3 python; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $$name && break; done)
DEMO ?= complete-journey
CUSTOMERS ?= $(if $(filter subscriptions,$(DEMO)),2000,5000)
BIN := .venv/bin
READY := .venv/.ready
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
# a demo with a project of its own keeps it in a home of its own
export CHURN_HOME ?= $(CURDIR)/var$(if $(filter subscriptions,$(DEMO)),-subscriptions)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check lint types sql imports docs docs-site bench chaos clean spark test-spark

help: ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: $(READY) ## Make .venv from the lock file.

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: install it, or say make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY) ## From raw tables to scores and pages (DEMO=complete-journey, shop or subscriptions; CUSTOMERS=5000 of a simulation).
	$(BIN)/churn ingest --demo $(DEMO) $(if $(filter-out complete-journey,$(DEMO)),--customers $(CUSTOMERS))
	$(BIN)/churn build
	$(BIN)/churn train
	$(BIN)/churn evaluate
	$(BIN)/churn materialize
	$(BIN)/churn score --out $(CHURN_HOME)/scores.csv
	$(BIN)/churn score
	$(BIN)/churn explore
	$(BIN)/churn report

test: $(READY) ## Run the tests, file by file, on two cores; slow ones only where what they test has changed.
	$(PYTEST) --changed

test-all: $(READY) ## Run every test.
	$(PYTEST) --durations 15

check: lint types sql imports test-all ## All that CI checks.

lint: $(READY) ## Style and layout of the Python.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## Types.
	$(BIN)/mypy

sql: $(READY) ## Style of the SQL.
	@mkdir -p $(CHURN_HOME)/dbt
	$(BIN)/sqlfluff lint dbt_project/models

imports: $(READY) ## Which part may import which.
	$(BIN)/lint-imports

docs: $(READY) ## Write docs/features.md and the service's lock file anew, from the published build.
	$(BIN)/python -m ml.features.data_dictionary
	$(BIN)/python -m ml.featurestore.service_lock

spark: .venv-spark/.ready ## Make .venv-spark: the usual environment and Spark (fetches 450 MB; needs Java 17).

.venv-spark/.ready: requirements.lock spark-requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv-spark
	for lock in requirements.lock spark-requirements.lock; do \
	    .venv-spark/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $$lock || exit 1; done
	.venv-spark/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

test-spark: .venv-spark/.ready ## Run the tests that need Spark, and compare the engines on a shop of 2,000 customers (half an hour).
	.venv-spark/bin/python -m pytest -p no:xdist tests/ml/audit/test_compare_engines_on_spark.py tests/dbt_project/test_spark_target.py
	.venv-spark/bin/churn ingest --home .venv-spark/home --demo shop --customers 2000 --quiet
	.venv-spark/bin/churn compare-engines --home .venv-spark/home

docs-site: ## The pages under docs as a site in site/, links checked; its packages go to .venv-site.
	@test -x .venv-site/bin/mkdocs || { $(PYTHON) -m venv .venv-site && .venv-site/bin/python -m pip install --quiet --disable-pip-version-check \
	    --no-deps --require-hashes -r docs/site-requirements.lock; }
	NO_MKDOCS_2_WARNING=1 .venv-site/bin/mkdocs build --strict --quiet

bench: $(READY) ## Measure seconds and peak memory (two hours; writes docs/benchmarks.md, increments.md and training.md).
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.retrieval
	$(BIN)/python -m benchmarks.materialization
	$(BIN)/python -m benchmarks.online
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.increments
	$(BIN)/python -m benchmarks.reasons
	$(BIN)/python -m benchmarks.training

chaos: $(READY) ## Kill, starve and crowd every command (half an hour; writes docs/chaos.md; QUICK=1 for a taste).
	$(BIN)/python -m tests.chaos $(if $(QUICK),--quick)

clean: ## Remove the environment; state under CHURN_HOME stays.
	rm -rf .venv
