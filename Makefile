# make run      set up, then bring data, models, metrics and report up to date, and print the results
# make test     set up, then lint and the tests
# make verify   the long tests too
# make lock     resolve the dependencies anew into requirements.lock
# make setup    make .venv, if requirements.lock or pyproject.toml have changed since
# make clean    remove .venv and what tools cached; data, models and runs stay

# The first Python here that will do; `make PYTHON=...` names another.
SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
PYTHON ?= $(shell for python in python3.11 python3.12 python3; do \
    $$python -c '$(SUITS)' 2>/dev/null && echo $$python && break; done)
TORCH ?= 2.13.0
BIN := .venv/bin
STAMP := .venv/.stamp
# The torch that is there already is kept if it is in the range of pyproject.toml.
TORCH_SUITS := from importlib.metadata import version as of; \
    raise SystemExit(not (2, 11) <= tuple(int(part) for part in of("torch").split(".")[:2]) < (2, 14))
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet
LOCK_TITLE := \# Made by `make lock`: everything but torch, with hashes. torch is installed first, in the build that fits the machine.
# A file's tests stay together: they share a server or a trained workspace.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

export DO_NOT_TRACK = 1
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export MLFLOW_DISABLE_TELEMETRY = true
export DVC_NO_ANALYTICS = 1

.PHONY: run test verify lint setup lock clean

run: setup
	@$(BIN)/python -m flows.reproduce

test: lint
	@$(PYTEST) -m "not slow"

verify: lint
	@$(PYTEST)

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

setup: $(STAMP)

# torch comes first and alone: its builds differ by platform, so the lock, which has hashes, leaves it out. One that is
# there already (a CUDA build, say) is kept.
$(STAMP): requirements.lock pyproject.toml
	@$(if $(PYTHON),$(PYTHON) -c '$(SUITS)' 2>/dev/null,false) \
	    || { echo "error: Python 3.11 or 3.12 is needed; name one: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@started=$$(date +%s) \
	&& { test -x $(BIN)/python || $(PYTHON) -m venv .venv; } \
	&& { $(BIN)/python -c '$(TORCH_SUITS)' 2>/dev/null \
	    || { echo "installing torch $(TORCH) into .venv (a minute or so)"; $(PIP) torch==$(TORCH); }; } \
	&& echo "installing requirements.lock into .venv (a minute or so)" \
	&& $(PIP) --require-hashes -r requirements.lock \
	&& $(PIP) --no-deps --no-build-isolation -e . \
	&& seconds=$$(($$(date +%s) - started)) && echo "installed in $$seconds s" \
	&& mkdir -p runs && echo "{\"seconds\": $$seconds}" > runs/install.json
	@touch $@

lock: setup
	@$(PIP) pip-tools
	@$(BIN)/pip-compile --quiet --extra ops --extra dev --generate-hashes --unsafe-package torch --no-annotate \
	    --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras \
	    --output-file requirements.lock pyproject.toml
	@sed -i -e '/^# WARNING/,$$d' -e '1i $(LOCK_TITLE)' requirements.lock
	@sed -i -e '$${/^$$/d}' requirements.lock

clean:
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache build src/*.egg-info
