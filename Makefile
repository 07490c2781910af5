# Keyturn's commands: `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The Python that makes .venv: 3.11 or newer.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
LOCAL := $(PY) -m keyturn_local

SERVICES := intake segmentation service-desk campaigns
PACKAGES := libs/events libs/chassis $(SERVICES:%=services/%) deploy/local demo
MANIFESTS := $(PACKAGES:%=%/pyproject.toml)

# What the commands may be told: `make demo N=500 SEED=7 DATA=../shared/data BROKER=apache`.
export N SEED DATA BROKER POSTGRES_URL FAULTS ONLY ROUNDS SHORT KEEP
# Warnings are the tests' affair; without cached bytecode every process compiles every library.
unexport PYTHONWARNINGS PYTHONDONTWRITEBYTECODE

.PHONY: help install lock demo trace test faults bench check format up down status logs clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv with everything, from requirements.lock

$(STAMP): Makefile deploy/local/install.sh requirements.lock $(MANIFESTS)
	@PYTHON="$(PYTHON)" deploy/local/install.sh $(VENV) $(PACKAGES)
	@touch $@

lock: $(STAMP) ## pin the newest of requirements.in in requirements.lock
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		requirements.in --output-file requirements.lock

demo: $(STAMP) ## the whole journey: N= households, SEED=, DATA=dir of real records, BROKER=
	$(PY) -m keyturn_demo

trace: $(STAMP) ## one customer's history as a tree with times: CUSTOMER=
	@$(PY) -m keyturn_demo trace $(CUSTOMER)

test: $(STAMP) ## run every test; they start what they need (ARGS= goes to pytest)
	$(PY) -m pytest $(ARGS)

faults: $(STAMP) ## kill and count, on Apache Kafka: SEED=, FAULTS=short, BROKER=embedded
	$(PY) -m tests.faults.kill_and_count

bench: $(STAMP) ## measure against baselines, on Apache Kafka: ONLY=names, ROUNDS=, SHORT=1
	$(PY) -m bench

check: $(STAMP) ## format, lint, types, import contracts, schemas, generated files
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) -m keyturn_events.publish --check
	@set -e; for service in $(SERVICES); do \
		echo "asyncapi --check services/$$service/asyncapi.yaml"; \
		$(PY) -m $${service//-/_} asyncapi --check services/$$service/asyncapi.yaml; \
	done

format: $(STAMP) ## format the code and mend what ruff can mend
	$(VENV)/bin/ruff check --fix-only .
	$(VENV)/bin/ruff format .

up: $(STAMP) ## start PostgreSQL, the broker and the services: BROKER=embedded|apache|host:port
	$(LOCAL) up

down: ## stop everything that `up` or `demo` started
	@if [ -x $(PY) ]; then $(LOCAL) down; fi

status: $(STAMP) ## say what runs, where, and whether it is ready
	@$(LOCAL) status

logs: $(STAMP) ## follow the logs of all processes
	@$(LOCAL) logs --follow

clean: ## stop everything and remove the stack's data and what was built
	@if [ -x $(PY) ]; then $(LOCAL) clean; fi
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
