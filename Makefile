# Every target sets up what it needs. `make` alone lists them.
#
#   ENGINES   engines for test, chaos and servers: names of servers.toml with commas between, or all (root, Debian packages);
#             empty: those that run everywhere, from Python packages
#   WORKERS   parallel test processes; one more than processors, because a test often waits for an engine
#   ARGS      further arguments: make test ARGS='-k atomic'

.DEFAULT_GOAL := help
SHELL := /bin/sh
ENGINES ?=
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || echo 1) + 1)
ARGS ?=
VENV ?= .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
# uv has a list of certificates of its own unless told otherwise.
export UV_SYSTEM_CERTS ?= 1
RUN = $(PY) tests/engines/run.py --engines "$(ENGINES)" --
# Only tests that exceeded a time limit run again, because a shared machine can pause for seconds.
PYTEST := $(PY) -m pytest --reruns 2 --only-rerun TooSlow

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# -- environment ---------------------------------------------------------------------------------------------------------

$(UV):
	@for python in $(PYTHON) python3 python3.11 python3.12 python3.13; do \
	    if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "needs Python 3.11 or later with its venv module (Debian: python3-venv)" >&2; exit 1; fi; \
	echo "setting up $(VENV) with $$($$found --version)"; \
	$$found -m venv $(VENV) && $(VENV)/bin/pip install -q --disable-pip-version-check 'uv<1'

# What a user installs, and no more: the demo starts sooner.
$(VENV)/.base: requirements.txt pyproject.toml | $(UV)
	@$(UV) pip install -q --python $(PY) --require-hashes -r requirements.txt
	@$(UV) pip install -q --python $(PY) --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.base
	@$(UV) pip install -q --python $(PY) --require-hashes -r requirements-dev.txt
	@touch $@

COMPILE := $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: lock
lock: | $(UV) ## Compile the requirements files again (UPGRADE=--upgrade: with the newest versions that fit)
	$(COMPILE) $(UPGRADE) pyproject.toml --all-extras --group dev -o requirements-dev.txt
	$(COMPILE) $(UPGRADE) pyproject.toml -c requirements-dev.txt -o requirements.txt
	$(COMPILE) $(UPGRADE) pyproject.toml tests/hosts/cloudkitty.in -o tests/hosts/cloudkitty.txt
	$(COMPILE) $(UPGRADE) tests/hosts/client.in -o tests/hosts/client.txt
	$(COMPILE) $(UPGRADE) tests/hosts/ceilometerclient.in -o tests/hosts/ceilometerclient.txt
	$(COMPILE) $(UPGRADE) pyproject.toml tests/hosts/ceilometer.in -o tests/hosts/ceilometer.txt
	$(COMPILE) $(UPGRADE) pyproject.toml tests/hosts/panko.in -o tests/hosts/panko.txt
	$(COMPILE) $(UPGRADE) tests/hosts/panko-sql.in -o tests/hosts/panko-sql.txt
	$(COMPILE) $(UPGRADE) tests/hosts/gnocchi.in -o tests/hosts/gnocchi.txt
	$(COMPILE) $(UPGRADE) pyproject.toml tests/hosts/watcher.in -o tests/hosts/watcher.txt
	$(COMPILE) $(UPGRADE) pyproject.toml tests/hosts/zaqar.in -o tests/hosts/zaqar.txt
	$(COMPILE) $(UPGRADE) tests/hosts/zaqarclient.in -o tests/hosts/zaqarclient.txt
	$(COMPILE) $(UPGRADE) tests/hosts/keystone.in -o tests/hosts/keystone.txt
	$(COMPILE) $(UPGRADE) tests/hosts/aetos.in -o tests/hosts/aetos.txt
	$(COMPILE) $(UPGRADE) pyproject.toml --all-extras --resolution lowest-direct -o tests/hosts/lowest.txt

# -- use -----------------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.base ## Store a day of 1,052 real virtual machines, rate it, print totals, draw cost and CPU use
	@$(VENV)/bin/undercroft demo

.PHONY: servers
servers: $(VENV)/.dev ## Start the engines, print their URLs, stop them with Ctrl-C
	@$(PY) tests/engines/run.py --engines "$(ENGINES)"

# -- tests ---------------------------------------------------------------------------------------------------------------

.PHONY: test
test: $(VENV)/.dev ## Unit tests and the conformance suites on SQLite and PostgreSQL (ENGINES=all: on every engine, and chaos)
	@$(RUN) $(PYTEST) -n $(WORKERS) --dist worksteal $(if $(ENGINES),,-m "not chaos") \
	    --ignore=tests/hosts tests src/undercroft/conformance {stores} $(ARGS)

.PHONY: test-hosts
test-hosts: $(VENV)/.dev ## Beside the real host projects, and with the lowest versions we declare
	@$(RUN) $(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder --timeout=1800 tests/hosts {stores} $(ARGS)

.PHONY: test-all
test-all: export UCTEST_WHOLE = 1
test-all: ## What the gate leaves out, too: every test on every engine, hosts included
	@$(MAKE) --no-print-directory ENGINES="$(or $(ENGINES),all)" test test-hosts

.PHONY: chaos
chaos: export UCTEST_CHAOS = full
chaos: export UCTEST_WHOLE = 1
chaos: export UCTEST_DURABLE = 1
chaos: $(VENV)/.dev ## The reliability promises at their full figures
	@$(RUN) $(PYTEST) -m chaos --timeout=7200 -s tests/chaos tests/api {stores} $(ARGS)

.PHONY: bench-rating
bench-rating: export UCTEST_DURABLE = 1
bench-rating: $(VENV)/.dev ## Speed and size of rated usage, engines beside each other, durable settings
	@$(RUN) $(PY) -m bench.rating $(ARGS)

.PHONY: bench-events
bench-events: export UCTEST_DURABLE = 1
# 100,000 events are in this server's memory.
bench-events: export MONGO_HEAP ?= 2g
bench-events: $(VENV)/.dev ## Speed of events, beside Panko's own driver, durable settings
	@$(RUN) $(PY) -m bench.events $(ARGS)

.PHONY: bench-metering
bench-metering: export UCTEST_DURABLE = 1
bench-metering: $(VENV)/.dev ## Speed and size of samples, beside their raw bulk rate and a real Gnocchi, durable settings
	@$(RUN) $(PY) -m bench.metering $(ARGS)

.PHONY: bench-messaging
bench-messaging: export UCTEST_DURABLE = 1
bench-messaging: ENGINES = sqlite,postgresql,mariadb,redis
bench-messaging: $(VENV)/.dev ## Speed of messages, beside a plain table as PGMQ has it and Zaqar's driver for Redis, durable settings
	@$(RUN) $(PY) -m bench.messaging $(ARGS)

.PHONY: bench-datasources
bench-datasources: export UCTEST_DURABLE = 1
bench-datasources: ENGINES = sqlite,postgresql,mariadb,gnocchi,prometheus
bench-datasources: $(VENV)/.dev ## Speed of datasources within Watcher, beside its own ones on the same servers, durable settings
	@$(RUN) $(PY) -m bench.datasources $(ARGS)

# -- quality -------------------------------------------------------------------------------------------------------------

.PHONY: check
check: $(VENV)/.dev ## Lint, format, types, layers, dependencies, dead code, fresh docs
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint types layers unused fresh

.PHONY: lint
lint: $(VENV)/.dev
	$(PY) -m ruff check
	$(PY) -m ruff format --check

.PHONY: types
types: $(VENV)/.dev
	$(PY) -m mypy

.PHONY: layers
layers: $(VENV)/.dev
	$(VENV)/bin/lint-imports --no-logo

.PHONY: unused
unused: $(VENV)/.dev
	$(VENV)/bin/deptry .
	$(PY) -m vulture

.PHONY: fresh
fresh: $(VENV)/.dev
	$(PY) docs/generate.py --check

.PHONY: format
format: $(VENV)/.dev ## Put the code into its form
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

.PHONY: docs
docs: $(VENV)/.dev ## Generate the pages that follow from the code
	$(PY) docs/generate.py

.PHONY: clean
clean: ## Remove caches and what was built; with the environments: make clean distclean
	rm -rf build dist site demo-out .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .coverage
	find src tests docs bench -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean
	rm -rf $(VENV) .cache
