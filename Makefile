# make run      set up, then bring data, models, metrics and report up to date, and print the results
# make test     set up, then lint and the tests
# make verify   the long tests too
# make lock     resolve the dependencies anew into requirements.lock
# make clean    remove .venv and what tools cached; data, models and runs stay

PYTHON ?= python3
TORCH ?= 2.13.0
BIN := .venv/bin
STAMP := .venv/.stamp
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

export DO_NOT_TRACK = 1
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export MLFLOW_DISABLE_TELEMETRY = true
export DVC_NO_ANALYTICS = 1

.PHONY: run test verify lint setup lock clean

run: setup
	@$(BIN)/python -m flows.reproduce

test: lint
	@$(BIN)/python -m pytest -n 2 -m "not slow"

verify: lint
	@$(BIN)/python -m pytest -n 2

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

setup: $(STAMP)

# torch comes first and alone: its builds differ by platform, so the lock, which has hashes, leaves it out. One that is
# there already (a CUDA build, say) is kept.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 13); \
	    ok or sys.exit("error: Python 3.11 or 3.12 is needed, $(PYTHON) is " + sys.version.split()[0] + "; try make PYTHON=python3.11")'
	@echo "setting up .venv: torch $(TORCH), then requirements.lock (two minutes or so)"
	@started=$$(date +%s) \
	&& { test -x $(BIN)/python || $(PYTHON) -m venv .venv; } \
	&& { $(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) torch==$(TORCH); } \
	&& $(PIP) --require-hashes -r requirements.lock \
	&& $(PIP) --no-deps --no-build-isolation -e . \
	&& mkdir -p runs && echo "{\"seconds\": $$(($$(date +%s) - started))}" > runs/install.json
	@touch $@

lock: setup
	@$(PIP) pip-tools
	@$(BIN)/pip-compile --quiet --extra ops --extra dev --generate-hashes --unsafe-package torch --no-annotate \
	    --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras \
	    --output-file requirements.lock pyproject.toml

clean:
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache build src/*.egg-info
