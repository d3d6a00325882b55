# Two commands do everything on a new machine with Python 3.11 or newer and a C++ compiler:
#   make demo   install, run the demo study on the bundled model, print the report's path
#   make test   install, lint, type-check, test   (SLOW=1: the long tests too)
# PYTHON=/path/to/python3.12 names a Python; else scripts/install.sh takes the first that can.

VENV ?= .venv
PYTHON ?=
BIN := $(VENV)/bin
LIGHT_VENV ?= .venv-light/$(notdir $(or $(PYTHON),python))
SBOM_VENV ?= .venv-sbom
SBOM_TOOL := cyclonedx-bom==7.5.0
DEMO_FOLDER ?= babelbits-demo
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test lint types unit test-light bench models notebook install install-dev sbom hashes clean
.DEFAULT_GOAL := help

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

# The installer writes these marks itself, unless something had to be left out.
WANTED := pyproject.toml requirements.lock $(wildcard scripts/*)
# HASHED=1: each file by the SHA-256 in requirements.hashed.lock; see SECURITY.md.
export HASHED

$(VENV)/.run-installed: $(WANTED)
	@scripts/install.sh "$(VENV)" run,gguf "$(PYTHON)" "$@"

$(VENV)/.dev-installed: $(WANTED)
	@scripts/install.sh "$(VENV)" run,gguf,ray,vllm,endpoint,annotate,postgres,words,lingua,lab,dev "$(PYTHON)" "$@"
	@test ! -e "$@" || touch "$(VENV)/.run-installed"

$(LIGHT_VENV)/.installed: $(WANTED)
	@scripts/install.sh "$(LIGHT_VENV)" light "$(PYTHON)" "$@"

install: $(VENV)/.run-installed ## Install what runs studies into .venv (HASHED=1: by hashes)
install-dev: $(VENV)/.dev-installed ## Install what tests them, too

demo: install ## Install, run the demo study, print the report's path
	$(BIN)/babelbits demo --folder "$(DEMO_FOLDER)" $(DEMO_ARGS)

test: lint types unit ## Install, lint, type-check, test

lint: install-dev ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install-dev ## mypy --strict
	$(BIN)/mypy

# One thread a process: two test processes share the cores better than two OpenMP pools do.
unit: install-dev ## pytest
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup $(if $(SLOW),,-m "not slow") $(PYTEST_ARGS)

test-light: $(LIGHT_VENV)/.installed ## Test what works without torch: make test-light PYTHON=python3.13
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(LIGHT_VENV)/bin/python -m pytest -p without_torch -n 2 \
		--dist loadgroup -o cache_dir=$(LIGHT_VENV)/cache -m "not slow" $(PYTEST_ARGS)

notebook: install ## Run examples/notebook.ipynb anew, and write what it shows into it
	folder=$$(mktemp -d) && notebook="$(CURDIR)/examples/notebook.ipynb" && cd "$$folder" && \
		"$(abspath $(BIN))/python" "$(CURDIR)/scripts/run_notebook.py" "$$notebook"

bench: install-dev ## Measure against the peers, side by side in one run
	$(BIN)/python bench/engine_vs_lm_eval.py

# Goes on where it stopped; remove .zoo-results.jsonl to begin anew, as after a library's new version.
models: install-dev ## Rehearse every recipe on every architecture, and write docs/models.md (an hour)
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m zoo.matrix $(ZOO_ARGS)

# cyclonedx-bom lives in an environment of its own, and reads the other one.
sbom: install ## Write a CycloneDX bill of materials of .venv to sbom.cdx.json
	@test -x $(SBOM_VENV)/bin/cyclonedx-py || { $(BIN)/python -m venv $(SBOM_VENV) && \
		$(SBOM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check "$(SBOM_TOOL)"; }
	$(SBOM_VENV)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file sbom.cdx.json $(BIN)/python

hashes: install-dev ## Write requirements.hashed.lock anew (needs the package index)
	$(BIN)/python scripts/lock_hashes.py

clean: ## Remove the environments
	rm -rf "$(VENV)" .venv-light "$(SBOM_VENV)"
