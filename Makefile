# Python 3.10 or newer is all that is needed: everything else goes into .venv.
#
#   make demo PYTHON=/path/to/python3     another interpreter
#   make test ARGS='-k keys -x'           options for pytest
#   make test JOBS=0                      all tests in one process

PYTHON ?=
ARGS ?=
JOBS ?= auto

VENV := .venv
VENV1 := .venv-datasette1
DEMO := $(VENV)/demo/dnpc.sqlite3

# More processes than four would be in each other's way: some tests start several of their own.
PARALLEL := -n $(JOBS) --maxprocesses 4 --dist loadfile

# What the plugin does must hold on the coming Datasette 1.0 too.
PLUGIN_TESTS := $(wildcard tests/test_plugin*.py tests/test_queries*.py tests/test_pages*.py \
	tests/test_commands.py tests/test_site.py tests/test_run_page.py tests/test_no_rows.py tests/test_distributions_page.py \
	tests/test_serve.py tests/test_serve_while_importing.py tests/test_sql_permissions.py tests/test_other_databases.py tests/test_browser.py)

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench mutants docs pictures clean

help:  ## say what there is
	@sed -n 's/^\([a-z]*\):.*  ## /  make \1	/p' Makefile

demo: $(VENV)/installed  ## import the sample runs, serve them, print the address
	@mkdir -p $(dir $(DEMO))
	@$(VENV)/bin/dnpc serve tests/data/runinfo --db $(DEMO)

test: $(VENV)/tested $(VENV1)/tested  ## run all tests, and those of the plugin on the Datasette 1.0 alpha
	@test -n "$(PLUGIN_TESTS)"
	$(VENV1)/bin/python -m pytest $(PARALLEL) $(ARGS) $(PLUGIN_TESTS)
	$(VENV)/bin/python -m pytest $(PARALLEL) $(ARGS)

lint: $(VENV)/tested  ## check style and types
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

bench: $(VENV)/tested  ## measure speed, memory and size; print ratios
	$(VENV)/bin/python -m tests.benchmarks $(ARGS)

mutants: $(VENV)/tested  ## put faults into the code, and see which no test notices: takes an hour
	$(VENV)/bin/pip install -qq --group mutants
	$(VENV)/bin/python -m tests.mutants $(ARGS)

docs: $(VENV)/tested  ## bring the generated parts of the READMEs up to date
	$(VENV)/bin/python -m tests.docs

pictures: $(VENV)/tested  ## draw the pictures of the README again, from the real runs
	$(VENV)/bin/python -m tests.pictures

clean:  ## remove what was installed and made
	rm -rf $(VENV) $(VENV1) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The stamps make sure that nothing is installed again until pyproject.toml changes.

$(VENV)/installed: pyproject.toml
	$(call make_venv,$(VENV))
	$(VENV)/bin/pip install -qq --editable .
	@touch $@

$(VENV)/tested: $(VENV)/installed
	$(VENV)/bin/pip install -qq --group test --group lint
	@touch $@

$(VENV1)/tested: pyproject.toml
	$(call make_venv,$(VENV1))
	$(VENV1)/bin/pip install -qq --editable . --group test 'datasette>=1.0a41'
	@touch $@

# pip learnt of dependency groups in 25.1; a Python's own pip may be older.
define make_venv
@set -e; \
for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python3.10 python); do \
	if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then found=$$python; break; fi; \
done; \
test -n "$$found" || { echo 'make: found no Python 3.10 or newer. Name one: make PYTHON=/path/to/python3' >&2; exit 1; }; \
"$$found" -m venv --clear $(1) || { echo "make: $$found cannot make a virtual environment: install its venv module (Debian: python3-venv)" >&2; exit 1; }; \
$(1)/bin/pip install -qq --disable-pip-version-check --upgrade 'pip>=25.1'
endef
