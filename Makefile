# `make demo` and `make test` are all a fresh machine needs: both create .venv and install into it.
PYTHON ?= python3
BIN := .venv/bin
OUT ?= demo

.PHONY: demo test lint clean

demo: .venv/installed
	$(BIN)/sod evaluate --config configs/demo.yaml --refine none,bilateral --out $(OUT)/tokencut
	$(BIN)/sod predict --config configs/demo.yaml --source $(OUT)/data/builtin-*/images --out $(OUT)/predictions
	@echo "Pictures: $(OUT)/tokencut/grid.png, and $(OUT)/predictions/{map,overlay,cutout}"

test: lint
	$(BIN)/python -m pytest

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv $(OUT) *.egg-info

.venv/installed: pyproject.toml
	@echo "Creating .venv and installing sod (PyTorch is large: this takes minutes) ..."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
