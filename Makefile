# Everything lives in .venv and ./var; `make run` and `make test` need Python 3.11+, make and git only.
PYTHON ?= python3
BIN := .venv/bin
# What kills, floods or watches the whole city needs the machine for itself; everything else shares its cores.
BESIDE := tests/architecture tests/unit tests/wire tests/contracts
# The black-box suite counts its own requests over all its files, so it stays in one process.
ALONE := tests/contracts/sensorthings tests/flow tests/faults tests/browser
UV_SYNC = $(BIN)/uv sync --frozen --inexact --quiet

.PHONY: run test check bench siege sbom audit clean

run: .venv/.platform
	@exec $(BIN)/python -m udp.launch

test: .venv/.development
	@export OMP_NUM_THREADS=1; failed=0; \
	  $(BIN)/python -m pytest --numprocesses auto --dist loadfile $(BESIDE) \
	    --ignore tests/contracts/sensorthings || failed=1; \
	  $(BIN)/python -m pytest $(ALONE) || failed=1; exit $$failed

check: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.development
	@$(BIN)/python tests/benchmarks/all.py

# Ten minutes of invented questions against the running product; says what was found.
siege: .venv/.development
	@$(BIN)/python tests/benchmarks/siege.py

# Everything that is installed, with versions and licences (CycloneDX), for whoever must judge it.
sbom: .venv/.development
	@mkdir -p build
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o build/sbom.cdx.json .venv
	@echo "build/sbom.cdx.json"
	@$(BIN)/python .ci/licences.py build/licences.md build/licences.html

# Known holes in what is locked. Without the network nothing is known, and that is said.
audit: .venv/.development
	@mkdir -p build
	@$(BIN)/uv export --frozen --all-extras --no-emit-project --quiet -o build/locked.txt
	@$(BIN)/pip-audit --disable-pip --require-hashes --progress-spinner off -r build/locked.txt >build/audit.txt 2>&1; \
	  code=$$?; cat build/audit.txt; \
	  blind=$$(grep -c "could not be audited" build/audit.txt); \
	  if [ "$$blind" != 0 ]; then echo "NOT CHECKED: $$blind packages are unknown to the list that was asked"; fi; \
	  if [ $$code != 0 ] && grep -qiE "ConnectionError|Max retries|ServiceError|Temporary failure|ProxyError|timed out" build/audit.txt; \
	  then echo "NOT CHECKED: the list of known holes could not be reached; run make audit where it can"; exit 0; fi; exit $$code

.venv/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which with: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Preparing .venv (once) ..."
	@$(PYTHON) -m venv .venv 2>/dev/null || { \
	  echo "The venv module is missing; trying Debian's package python3-venv ..."; \
	  [ "$$(id -u)" = 0 ] && apt-get update -q >/dev/null && apt-get install -y -q python3-venv >/dev/null && \
	  $(PYTHON) -m venv .venv; } || \
	  { echo "Please install it (as root: apt-get install python3-venv) and try again."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	@touch $@

.venv/.platform: .venv/.uv pyproject.toml uv.lock
	@echo "Installing the platform (about 550 MB the first time) ..."
	@$(UV_SYNC) --extra platform --extra models --extra city --extra pole --extra edge-js --no-default-groups
	@touch $@

.venv/.development: .venv/.uv pyproject.toml uv.lock
	@echo "Installing the platform and what its tests need ..."
	@$(UV_SYNC) --all-extras
	@touch $@ .venv/.platform

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
