# Everything a person runs here. `make` alone lists it.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/.run-installed
DEV    := $(VENV)/.dev-installed
AWSCLI := $(VENV)/awscli/.installed
TORCH  := $(VENV)/finetune/.installed
MEMBERS := $(wildcard */pyproject.toml services/*/pyproject.toml) pyproject.toml

.DEFAULT_GOAL := help
unexport PYTHONHOME PYTHONPATH  # modules of another installation
.PHONY: help demo up test soak clients finetune-test lint hooks types migrations check docs bench compose-test requirements clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUN) ## Run the whole loop here: fleet, labels, retraining, rollout (IMAGES=DIR DEVICES=N STATE=DIR ARGS="--exit --report r.json")
	$(VENV)/bin/strop demo --state "$(or $(STATE),.strop/demo)" $(if $(IMAGES),--images "$(IMAGES)") $(if $(DEVICES),--devices $(DEVICES)) $(ARGS)

up: $(RUN) ## Run the platform and the services without a fleet; writes STATE/strop.env
	$(VENV)/bin/strop up --state "$(or $(STATE),.strop/up)" $(ARGS)

test: $(DEV) $(AWSCLI) ## Run all tests, two at a time (ARGS="-k name" for some)
	$(VENV)/bin/python -m tests.machine mosquitto chromium libatomic1
	$(VENV)/bin/pytest -n 2 --dist loadfile $(ARGS)

soak: $(DEV) $(AWSCLI) ## Run the tests that take minutes: outages under load, long random histories (ARGS="-k name" for some)
	$(VENV)/bin/python -m tests.machine mosquitto
	$(VENV)/bin/pytest tests/soak $(ARGS)

clients: $(DEV) $(AWSCLI) ## Run a device made of mosquitto_pub, mosquitto_sub and curl, as docs/wire.md shows it, and the machine's own aws
	$(VENV)/bin/python -m tests.machine mosquitto mosquitto-clients curl awscli
	$(VENV)/bin/pytest tests/clients $(ARGS)

finetune-test: $(TORCH) ## Run the tests that need PyTorch, in an environment of their own (1 GB)
	$(VENV)/finetune/bin/pytest --timeout 600 tests/finetune $(ARGS)

lint: $(DEV) ## Check style, formatting, spelling, import rules and the Dockerfile
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/typos
	$(VENV)/bin/lint-imports
	$(VENV)/bin/hadolint Dockerfile

hooks: $(DEV) ## Check each commit from now on (.pre-commit-config.yaml), as a git hook
	$(VENV)/bin/pre-commit install

types: $(DEV) ## Check types
	$(VENV)/bin/mypy

migrations: $(DEV) ## Check that the migrations make exactly the tables of the models
	$(VENV)/bin/pytest -q tests/integration/strop/test_migrations.py

check: lint types test ## Lint, types and tests; CI adds clients, soak, the demo and containers

docs: $(DEV) ## Make docs/asyncapi.yaml and the tables of docs/wire.md from the messages
	$(VENV)/bin/python -m strop_cli.asyncapi

bench: $(DEV) ## Run the benchmarks
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(VENV)/bin/python -m benchmarks.$$(basename $$script .py) || exit 1; done

compose-test: ## Bring the containers up, send captures through, scale, kill, count (needs Docker; ENGINE="CMD --" runs it in another one)
	$(ENGINE) $(PYTHON) -m tests.e2e.compose

requirements: $(DEV) ## Pin the requirement files anew
	requirements/compile.sh

clean: ## Remove the environment, caches and state
	rm -rf $(VENV) .strop .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Strop needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv is missing. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/uv.txt
	@touch $@

$(RUN): $(VENV)/bin/uv requirements/run.txt $(MEMBERS)
	$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(VENV)/bin/python --require-hashes -r requirements/run.txt
	$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(VENV)/bin/python --no-deps -e .
	@touch $@

$(DEV): $(RUN) requirements/dev.txt
	$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(VENV)/bin/python --require-hashes -r requirements/dev.txt
	@touch $@

$(AWSCLI): $(VENV)/bin/uv requirements/awscli.txt
	$(VENV)/bin/uv venv --quiet --allow-existing --python $(VENV)/bin/python $(VENV)/awscli
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/awscli/bin/python --require-hashes -r requirements/awscli.txt
	@touch $@

$(TORCH): $(DEV)
	$(VENV)/bin/uv venv --quiet --allow-existing --seed --python $(VENV)/bin/python $(VENV)/finetune
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/finetune/bin/python --require-hashes -r requirements/run.txt -r requirements/dev.txt
	$(VENV)/finetune/bin/python -m pip install --quiet --disable-pip-version-check -e '.[finetune]'
	@touch $@
