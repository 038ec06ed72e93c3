# One source of truth: people, pre-commit and CI all call these targets.

PYTHON ?= python3
BIN := .venv/bin
PIP_FLAGS := --disable-pip-version-check --no-input
SLOW ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow check format bench clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: .venv/.installed ## Set up, then run the embedded demo
	$(BIN)/striate demo

test: .venv/.installed ## Run the tests (the slow ones too when SLOW=1)
	$(BIN)/python -m pytest -n 2 $(if $(filter-out 0,$(SLOW)),--slow)

test-slow: SLOW = 1
test-slow: test ## Run every test, slow ones included

# Two workers on two cores: more threads in each would only wait for one another.
test test-slow: export OMP_NUM_THREADS ?= 1

check: .venv/.installed ## Check format, lint, types and which room imports which
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.installed ## Format the code and repair what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .bench/.installed ## Run the benchmarks beside the peers, in an environment of their own
	.bench/bin/python -m benchmarks

clean: ## Remove both environments and every cache (never an atlas)
	rm -rf .venv .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The paths are relative, so that a checkout in "a folder with spaces" works too.
.venv/.installed: pyproject.toml constraints.txt
	$(call make-venv,.venv)
	.venv/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@touch $@

# The peers lie on top of .venv: torch weighs gigabytes and is not installed a second time.
.bench/.installed: .venv/.installed benchmarks/requirements.txt
	.venv/bin/python -m venv --clear .bench
	@purelib='import sysconfig; print(sysconfig.get_path("purelib"))'; \
		printf '%s\n' "$$(.venv/bin/python -c "$$purelib")" "$(CURDIR)/src" \
		>"$$(.bench/bin/python -c "$$purelib")/base.pth"
	@grep -v '^#' benchmarks/requirements.txt | while read -r peer; do \
		.bench/bin/python -m pip install $(PIP_FLAGS) -q --no-deps "$$peer" || \
		echo "$$peer cannot be installed; the benchmarks go on without it" >&2; done
	@touch $@

# An environment that was left half made is made anew; a whole one is kept.
define make-venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "striate needs Python 3.11 or newer; '$(PYTHON)' is" \
		"$$($(PYTHON) --version 2>&1 || true). Try: make PYTHON=python3.12" >&2; exit 1; }
@$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(1)
endef
