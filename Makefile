# `make demo` and `make test` are all a fresh machine needs: both create .venv and install into it.
PYTHON ?= python3
BIN := .venv/bin
OUT ?= demo

.PHONY: demo test test-all lint mutants torture docs clean

demo: .venv/installed
	rm -rf $(OUT)/run $(OUT)/table
	$(BIN)/sod fit --config configs/demo_peekaboo.yaml --data.root $(OUT)/data --out $(OUT)/run
	$(BIN)/sod benchmark --methods PEEKABOO=$(OUT)/run/last.ckpt,TokenCut=configs/demo.yaml --data.root $(OUT)/data --data.test builtin-24-256 --refine none,bilateral --out $(OUT)/table
	$(BIN)/sod predict --ckpt $(OUT)/run/last.ckpt --source $(OUT)/data/builtin-*-24-256-0/images --out $(OUT)/predictions
	@echo "Pictures: $(OUT)/table/grid.png, and $(OUT)/predictions/{map,overlay,cutout}"

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

# Also the tests marked slow, on all cores; they repeat the promises of `make test` at greater length.
test-all: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal -m ""

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Changes one expression of the code at a time; each change should make a test fail.
mutants: .venv/installed-dev
	cd tests && ../$(BIN)/python -m mutation --count 200

# Kills, signals and full disks at random moments of every kind of training; nothing may be lost.
torture: .venv/installed-dev
	cd tests && OMP_NUM_THREADS=1 ../$(BIN)/python -m torture --count 20

# The documentation as a site in site/; a warning is an error, and nothing is fetched.
docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf .venv $(OUT) site *.egg-info

.venv/installed: pyproject.toml
	@echo "Creating .venv and installing sod (PyTorch is large: this takes minutes) ..."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
