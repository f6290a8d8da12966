# Two commands do everything: `make demo` and `make test`. Both set up what they need.

# Python 3.11 or later under whatever name it has; `make test PYTHON=python3.13` takes another one
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do $$name -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && echo $$name && break; done)
PYTHON := $(PYTHON)
VERSION := $(shell "$(PYTHON)" -c "import sys; print('%d.%d' % sys.version_info[:2])" 2>/dev/null)
VENV := .venv
BIN  := $(VENV)/bin
# One mark for the package, one for the development tools. Another Python leaves no mark here, so it rebuilds.
PACKAGE := $(VENV)/package-$(VERSION)
TOOLS   := $(VENV)/tools-$(VERSION)
SPARK   := $(VENV)/spark-$(VERSION)
PIP     := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The sampler's machine code, made once here, so that the first answer does not wait for it
COMPILE := from dimm_nb import Marginals, fit_posterior, load_network; net = load_network('asia'); fit_posterior(net, Marginals.from_codes(net, net.sample(1000)), sweeps=50, warmup=0)
# Two cores do two notebooks at a time: threads inside them would only wait for each other
QUIET   := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MPLBACKEND=agg

.PHONY: help demo test lint test-spark check notebooks pytest bench compare calibration experiments mutants lab app docs browser export outputs slow clean
.DELETE_ON_ERROR:

help:
	@echo "make demo   what happened in a shop, and on ALARM: attributed from counts alone, as reports (demo/)"
	@echo "make test   check the notebooks, run them all, run the tests; lint"
	@echo "make lint   the linter's rules (ruff.toml) and the types (mypy.ini)"
	@echo "make slow   run the notebooks with their slow cells (hours; a workflow does so every week)"
	@echo "make test-spark  count on Spark too, if there is Java"
	@echo "make bench  measure speed and memory beside other libraries"
	@echo "make compare  run DoWhy (in an environment of its own), Adtributor and this package on the same shops (results/; ten minutes)"
	@echo "make calibration  check what the posterior promises, and how often it is wrong, by simulation (results/; goes on where it was; two hours)"
	@echo "make experiments  run the paper's experiments again, and more (results/experiments/; 40 minutes on two cores)"
	@echo "make mutants  change the numerical modules in 120 places, and see whether a test notices (results/; an hour)"
	@echo "make lab    open the chapters in JupyterLab"
	@echo "make app    open the explorer and the attribution report as a web page"
	@echo "make docs   build the website of the chapters (_docs/)"
	@echo "make export write the modules and README.md from the notebooks"
	@echo "make outputs run again the notebooks whose saved outputs are older than their code (SLOW=1: slow cells too; ALL=1: all)"
	@echo "make clean  remove what the other targets made"

$(PACKAGE): setup.py settings.ini
	@test -n "$(PYTHON)" || { echo "dimm_nb needs Python 3.11 or later: install it, or name it with PYTHON=/path/to/python"; exit 1; }
	@test -n "$(VERSION)" || { echo "$(PYTHON) does not run: install it, or name another with PYTHON=/path/to/python"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "dimm_nb needs Python 3.11 or later, and $(PYTHON) is $(VERSION): name another with PYTHON=/path/to/python"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (on Debian: apt install python3-venv)"; exit 1; }
	@echo "setting up $(VENV) with Python $(VERSION) (about a minute, once)"
	@test -e $@ || "$(PYTHON)" -m venv --clear $(VENV)
	@$(PIP) -e .
	@$(BIN)/python -W ignore -c "$(COMPILE)"
	@touch $@

$(TOOLS): $(PACKAGE)
	@echo "adding the development tools"
	@$(PIP) -e '.[dev]'
	@touch $@

$(SPARK): $(TOOLS)
	@echo "adding PySpark"
	@$(PIP) -e '.[dev,spark]'
	@touch $@

demo: $(PACKAGE)
	@$(BIN)/dimm demo --out demo

test: lint pytest

check: $(TOOLS)
	@$(BIN)/python tools/check_notebooks.py
	@$(BIN)/python tools/build_readme.py --check
	@$(BIN)/python tools/outputs.py --check

lint: $(TOOLS)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

notebooks: $(TOOLS)
	@echo "running every notebook"
	@$(QUIET) $(BIN)/nbdev_test --n_workers 2 --timing

# Debian's Chromium, where this may install it; Playwright drives it
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	  { [ "$$(id -u)" = 0 ] && apt-get update && apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1 \
	  || echo "there is no Chromium and none could be installed: tests in a browser are skipped"

# Every notebook that has slow cells, with them: hours, so weekly and not in `make test`
slow: $(TOOLS)
	@echo "running the slow cells, two notebooks at a time"
	@grep -lE '"#\| *slow' nbs/*/*.ipynb | $(QUIET) xargs -n 1 -P 2 $(BIN)/nbdev_test --flags slow --n_workers 0 --timing --path

pytest: $(TOOLS) check notebooks browser
	@$(QUIET) $(BIN)/python -m pytest -q -n 2 --dist loadfile tests

# PySpark is 400 MB and needs Java: only where that is, and never in the way of `make test`
test-spark: $(TOOLS)
	@if command -v java >/dev/null; then $(MAKE) --no-print-directory $(SPARK); else echo "no Java here (on Debian: openjdk-17-jre-headless): Spark's tests are skipped"; fi
	@$(QUIET) $(BIN)/python -m pytest -q tests/spark_counts.py

bench: $(TOOLS)
	@$(BIN)/python bench/run.py

# DoWhy pins an older SciPy, so it gets an environment of its own
COMPARE := .venv-compare
$(COMPARE)/dowhy-0.14: $(PACKAGE)
	@echo "adding DoWhy 0.14 in $(COMPARE) (two minutes, once)"
	@"$(PYTHON)" -m venv --clear $(COMPARE)
	@$(COMPARE)/bin/python -m pip install --quiet --disable-pip-version-check dowhy==0.14
	@touch $@

compare: $(TOOLS) $(COMPARE)/dowhy-0.14
	@$(QUIET) $(BIN)/python bench/compare/run.py $(COMPARE)/bin/python results/compare.csv

calibration: $(TOOLS)
	@$(QUIET) $(BIN)/python -c "from dimm_nb.posterior.calibration import run_calibration; print(run_calibration('results'))"
	@$(QUIET) $(BIN)/python -W ignore -c "from dimm_nb.learning.trials import run_trials; run_trials('results/trust.csv')"
	@$(QUIET) $(BIN)/python -W ignore -c "from dimm_nb.learning.faults import run_faults; run_faults('results/faults.csv')"
	@$(QUIET) $(BIN)/python -W ignore -c "from dimm_nb.learning.placebos import run_placebos; run_placebos('results/placebos.csv')"

app: $(TOOLS)
	@$(BIN)/dimm app

docs: $(TOOLS)
	@$(BIN)/python tools/build_docs.py

EXPERIMENTS := table1 figure1 time lambda choice networks targets misspecification
# Interrupted, it goes on where it was; finished, it starts anew
experiments: $(TOOLS)
	@for name in $(EXPERIMENTS); do $(QUIET) $(BIN)/dimm experiment $$name --out experiments || exit; done
	@mv $(EXPERIMENTS:%=experiments/%.csv) results/experiments/

# Interrupted, it goes on where it was; MUTANTS=--help says more
mutants: $(TOOLS)
	@$(BIN)/python tools/mutants.py $(MUTANTS)

lab: $(TOOLS)
	@$(BIN)/jupyter lab nbs/index.ipynb

export: $(TOOLS)
	@$(BIN)/python tools/export.py
	@$(BIN)/nbdev_clean
	@$(BIN)/python tools/check_notebooks.py --clear >/dev/null || true  # what is wrong, make test will say
	@$(BIN)/python tools/build_readme.py

# What is stale: quick cells, with SLOW=1 the slow ones too; ALL=1 every notebook, NOTEBOOKS="04-solvers/dimm" these
outputs: export
	@$(BIN)/python tools/outputs.py $(if $(ALL),--all) $(if $(SLOW),--slow) $(NOTEBOOKS)

clean:
	rm -rf $(VENV) $(COMPARE) demo experiments mutants build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache _proc _docs
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -prune -exec rm -rf {} +
