# Two commands do everything on a new machine with Python 3.11 or newer, a C/C++ compiler and make:
#   make demo   install, run the demo study on the bundled model, print the report's path
#   make test   install, lint, type-check, test   (SLOW=1: the long tests too)

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := $(VENV)/bin
DEMO_FOLDER ?= babelbits-demo
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test lint types unit bench models install install-dev clean
.DEFAULT_GOAL := help

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

$(VENV)/.run-installed: pyproject.toml requirements.lock scripts/install.sh
	scripts/install.sh "$(PYTHON)" "$(VENV)" run,gguf
	@touch $@

$(VENV)/.dev-installed: $(VENV)/.run-installed
	scripts/install.sh "$(PYTHON)" "$(VENV)" run,gguf,endpoint,annotate,postgres,words,lingua,dev
	@touch $@

install: $(VENV)/.run-installed ## Install what runs studies into .venv
install-dev: $(VENV)/.dev-installed ## Install what tests them, too

demo: install ## Install, run the demo study, print the report's path
	$(BIN)/babelbits demo --folder "$(DEMO_FOLDER)"

test: lint types unit ## Install, lint, type-check, test

lint: install-dev ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install-dev ## mypy --strict
	$(BIN)/mypy

# One thread a process: two test processes share the cores better than two OpenMP pools do.
unit: install-dev ## pytest
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup $(if $(SLOW),,-m "not slow") $(PYTEST_ARGS)

bench: install-dev ## Measure against the peers, side by side in one run
	$(BIN)/python bench/engine_vs_lm_eval.py

# Goes on where it stopped; remove .zoo-results.jsonl to begin anew, as after a library's new version.
models: install-dev ## Rehearse every recipe on every architecture, and write docs/models.md (an hour)
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m zoo.matrix $(ZOO_ARGS)

clean: ## Remove the environment
	rm -rf "$(VENV)"
