# Two commands for a fresh machine: `make demo` and `make test`. Both make .venv first.
PYTHON ?= python3
VENV ?= .venv
# For demo-generate: any model that writes, a folder or a hub id.
MODEL ?= starter-lm
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo demo-reviews demo-generate test lint check study clean

demo: $(STAMP)
	$(BIN)/tailor compare examples/bank/compare.yaml

demo-reviews: $(STAMP)
	$(BIN)/tailor compare examples/reviews/compare.yaml

demo-generate: $(STAMP)
	$(BIN)/tailor index build examples/handbook/documents --out tailor-runs/handbook-index --size 300
	$(BIN)/tailor compare examples/generate/compare.yaml --model $(MODEL)

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto

lint: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy

study: $(STAMP)
	$(BIN)/python benchmarks/banking77.py

# torch comes first and by its exact version: any other range may pull gigabytes of CUDA.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[starter,dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
