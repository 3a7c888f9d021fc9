# The commands of the project. `make help` lists them.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types tests sbom security licences lock docs clean browser postgresql compare-anonymeter

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  make %-18s %s\n' "$$name" "$$text"; done

demo: .venv/.run ## Build the reference database if there is none, start service and viewer, print the address (PORT=8000)
	@exec $(BIN)/cdss demo --port $(PORT)

# Threads that wait for each other in a busy loop make a test of two seconds one of a minute while another process runs.
test: export OMP_NUM_THREADS := 1
# Where the surroundings forbid Python to keep what it compiled, each of a hundred processes would compile all anew.
test: export PYTHONDONTWRITEBYTECODE :=
# Two at a time, in this order: tests begin when lint and security have passed, and types, which take a minute of one
# processor, are checked beside them.
test: .venv/.test browser postgresql ## Everything that CI checks: lint, types, layering, tests, documentation
	@$(MAKE) --no-print-directory --jobs 2 lint security types tests
	$(BIN)/mkdocs build --strict --quiet

check: lint types ## Lint, types and layering only

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/.test
	$(BIN)/mypy

# Which tests share a process and which begin first is said in tests/distribution.py.
tests: .venv/.test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --quiet

security: .venv/.test ## Security lint, licences, hashes of the pins, scan for committed secrets
	$(BIN)/bandit --quiet --recursive -ll cdss viewer validation projection selection reference_db
	$(BIN)/python .ci/supply_chain.py check

sbom: .venv/.test ## Software bill of materials (CycloneDX) of what is run, in build/sbom.json
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-reproducible -o build/sbom.json 2>/dev/null

licences: .venv/.test ## Write the licences of what is run into docs/licences.md
	$(BIN)/python .ci/supply_chain.py licences

docs: .venv/.test ## Serve the documentation on http://127.0.0.1:8001
	$(BIN)/mkdocs serve --dev-addr 127.0.0.1:8001

browser: ## Install Chromium and the FHIR server of the end-to-end tests, if there are none
	@.ci/install-chromium
	@.ci/install-fhir-server

postgresql: ## Install PostgreSQL for the database tests, if there is none
	@.ci/install-postgresql

lock: .venv/.test ## Pin and hash the requirements again, after a change in pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.txt
	$(BIN)/uv pip compile pyproject.toml --group test --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.txt -o requirements-test.txt

compare-anonymeter: .venv/.run ## Risks and time of the attacks next to those of anonymeter, in an environment of its own
	$(BIN)/python benchmarks/compare_anonymeter.py

clean: ## Remove the environment and what tools left; keeps var/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache site *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.run: requirements.txt pyproject.toml | .venv/bin/python
	@echo "Installing the pinned requirements into .venv: one to three minutes, once."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.test: requirements-test.txt .venv/.run
	@echo "Installing the pinned requirements of the tests into .venv, once."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-test.txt
	@touch $@
