# `make demo` and `make test` are all a fresh machine needs: both create .venv and install into it.
PYTHON ?= python3
BIN := .venv/bin
OUT ?= demo
# `make test CONSTRAINTS=constraints.txt` installs the versions that the tests were last run with.
CONSTRAINTS ?=
PIN = $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))

.PHONY: floors demo test test-all lint mutants torture bench docs clean

demo: .venv/installed
	rm -rf $(OUT)/tuned $(OUT)/run $(OUT)/table
	$(BIN)/sod tune --model.backbone.name descriptor --model.backbone.weights null --data.root $(OUT)/data --data.train builtin-64-256-1 --images 32 --heads false --out $(OUT)/tuned
	$(BIN)/sod fit --config configs/demo_peekaboo.yaml --config $(OUT)/tuned/tuned.yaml --data.root $(OUT)/data --out $(OUT)/run
	$(BIN)/sod benchmark --methods PEEKABOO=$(OUT)/run/last.ckpt,TokenCut=configs/demo.yaml+$(OUT)/tuned/tuned.yaml --data.root $(OUT)/data --data.test builtin-24-256 --refine none,bilateral --out $(OUT)/table
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
	cd tests && OMP_NUM_THREADS=1 ../$(BIN)/python -m torture.files --count 10000 --out ../torture

# All measurements of speed, one after the other, into benchmarks/results/. BEFORE=DIR compares the
# throughput with that of a checkout of an older commit.
bench: .venv/installed-dev
	cd benchmarks && for name in speed step bilateral loader spectral metrics; do \
	    OMP_NUM_THREADS=1 ../$(BIN)/python $$name.py || exit 1; done
	cd benchmarks && ../$(BIN)/python throughput.py $(if $(BEFORE),--before $(abspath $(BEFORE)))

# The documentation as a site in site/; a warning is an error, and nothing is fetched.
docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Installs the oldest versions that pyproject.toml allows into .venv-floors, and runs the tests of the
# rooms that use them most.
floors:
	$(PYTHON) -m venv .venv-floors
	.venv-floors/bin/python -m pip install --quiet uv
	.venv-floors/bin/uv pip install --python .venv-floors/bin/python --resolution lowest-direct . 'pytest>=8' 'pytest-xdist>=3.6' 'hypothesis>=6.100'
	OMP_NUM_THREADS=1 .venv-floors/bin/python -m pytest tests/core tests/data tests/nn/test_resize.py tests/labels tests/engine/test_content.py tests/prediction/test_full_size.py

clean:
	rm -rf .venv .venv-floors $(OUT) site *.egg-info

.venv/installed: pyproject.toml
	@echo "Creating .venv and installing sod (PyTorch is large: this takes minutes) ..."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(PIN) --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet $(PIN) --editable '.[dev]'
	@touch $@
