# `make serve` and `make test` do all the set-up that they need on a machine with Python 3.11 or 3.12.
.DEFAULT_GOAL := help

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := $(VENV)/bin
# More than the embedded profile needs: torch, gpu, llm, postgres, or several with commas between them (docs/models.md).
EXTRAS ?=
# pip options for torch alone, such as those that name another index, with builds for the CPU.
TORCH_OPTIONS ?=
CONFIG ?= configs/embedded.yaml
# What `make load` loads, and its options (docs/load.md).
URL ?= http://127.0.0.1:7100
LOAD ?=
INSTALLED := $(VENV)/.installed$(if $(EXTRAS),-$(EXTRAS))
# silero-vad says that it needs torch; the network that we take from it does not.
NO_DEPS := silero-vad
# Of pytest-xdist; a cluster needs the processors itself.
ON_ALL_PROCESSORS := --numprocesses=logical --maxprocesses=4
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch comes first, in the build that was asked for: what needs it then takes it as it is.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Rayscribe$(if $(EXTRAS), with $(EXTRAS)) into $(VENV)"
	$(if $(findstring torch,$(EXTRAS))$(findstring gpu,$(EXTRAS)),$(PIP) install -c constraints.txt $(TORCH_OPTIONS) torch)
	$(PIP) install -c constraints.txt -e '.$(if $(EXTRAS),[$(EXTRAS)])'
	$(PIP) install -c constraints.txt --no-deps $(NO_DEPS)
	@touch $@

$(VENV)/.installed-test: $(INSTALLED)
	$(PIP) install -c constraints.txt $(TORCH_OPTIONS) torch
	$(PIP) install -c constraints.txt -e '.[test]'
	@touch $@

$(VENV)/.installed-load: $(INSTALLED)
	$(PIP) install -c constraints.txt -e '.[load]'
	@touch $@

install: $(INSTALLED) ## Install the service

serve: $(INSTALLED) ## Start the service on 127.0.0.1:7100
	@$(BIN)/rayscribe serve --config $(CONFIG)

models: $(INSTALLED) ## Fetch the models that CONFIG names
	@$(BIN)/rayscribe models pull --config $(CONFIG)

doctor: $(INSTALLED) ## Say what is installed and what can run
	@$(BIN)/rayscribe doctor --config $(CONFIG)

check: $(VENV)/.installed-test ## Types, lint, format and the layer rule
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## Everything that must pass
	$(BIN)/python -m pytest --ignore=tests/cluster $(ON_ALL_PROCESSORS) --dist=loadfile
	$(BIN)/python -m pytest tests/cluster

fuzz: $(VENV)/.installed-test ## Property tests with new examples, twenty times as many
	$(BIN)/python -m pytest -m hypothesis --ignore=tests/cluster $(ON_ALL_PROCESSORS) --hypothesis-profile=fuzz

format: $(VENV)/.installed-test ## Put the code into the house form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-test ## Measure accuracy, speed and scale; tables and results/*.json
	$(BIN)/python -m load_tests.bench

bench-live: $(VENV)/.installed-test ## Measure live speech, which takes as long as people speak: an hour and a half
	$(BIN)/python -m load_tests.live

load: $(VENV)/.installed-load ## Load a running service (URL=…, LOAD='--option …'): five minutes, a table and a page
	$(BIN)/python -m load_tests.load --server $(URL) $(LOAD)

bench-engines: $(INSTALLED) ## Measure the torch engines by themselves, with or without a GPU; wants EXTRAS=torch
	$(BIN)/python -m load_tests.engine_bench

drill-nodes: $(VENV)/.installed-test ## Deploy to a head and workers on this machine; see it scale up and down
	$(BIN)/python -m load_tests.drills nodes

drill-upgrade: $(VENV)/.installed-test ## Rolling updates under load: nothing fails, nobody is cut off
	$(BIN)/python -m load_tests.drills upgrade

drill-scaling: $(VENV)/.installed-test ## A step and a sawtooth of requests: how soon replicas come and go; eight minutes
	$(BIN)/python -m load_tests.autoscaling_drill

drills: $(VENV)/.installed-test ## Kill each part of the service under load, and report what clients saw
	$(BIN)/python -m load_tests.drills failures

clean: ## Remove what was installed and built; measurements in results/ stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache

.PHONY: help install serve models doctor check test fuzz format bench bench-live load bench-engines drill-nodes drill-upgrade drill-scaling drills clean
