# Three commands: `make demo` shows what retrieval does on a real model; `make test` is the check before each commit;
# `make test-long` runs what takes longer: real servers, several processes, kills. ARGS goes to pytest.
# All work on a machine with Python >= 3.11, git and make, and keep everything in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SOURCES := $(shell git ls-files pyproject.toml hatch_build.py 'kinj*.p*' kinj kinj_tasks kinj_models task_configs training 2>/dev/null)

.PHONY: demo test test-long lint types pytest bench clean

demo: $(VENV)/.demo
	$(BIN)/kinj demo-model
	$(BIN)/kinj demo

test: lint types pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

# The tests run on the installed wheel, from a folder without the sources.
pytest: $(VENV)/.dev
	$(BIN)/pytest -p no:cacheprovider -m "not long" $(ARGS)

test-long: $(VENV)/.dev
	$(BIN)/pytest -p no:cacheprovider -m long $(ARGS)

bench: $(VENV)/.dev
	@echo "benchmarks are run by hand; each script's first lines say how:" && ls benchmarks/*.py

$(VENV)/.torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@echo "installing PyTorch ($$(grep '^torch==' constraints.txt))"
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.demo: $(VENV)/.torch $(SOURCES)
	@echo "installing kinj with its demo parts"
	$(PIP) '.[demo]'
	$(PIP) --force-reinstall --no-deps .
	@touch $@

$(VENV)/.dev: $(VENV)/.torch $(SOURCES)
	@echo "building the wheel and installing it with everything the tests need"
	rm -rf dist
	$(PIP) build
	$(BIN)/python -m build --quiet --wheel
	$(PIP) "$$(ls dist/*.whl)[all,dev]"
	$(PIP) --force-reinstall --no-deps dist/*.whl
	@# Elasticsearch's client of the older major, for the one test of it: beside the environment, which holds the newer.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(VENV)/elasticsearch-8 \
		elasticsearch==8.19.3
	@touch $@

clean:
	rm -rf $(VENV) dist build
