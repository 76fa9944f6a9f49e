# make demo   train an agent on Melody and leave pieces, scores and figures in runs/
# make test   lint, types, tests: what CI runs
# Both make .venv themselves and need Python 3.11 or later, nothing else.
# PYTHON=python3.12 chooses an interpreter, JOBS=1 tests in one process, PYTEST_ARGS="-k corpus" is handed on.

PYTHON ?= python3
JOBS ?= 2
PYTEST_ARGS ?=
BIN := .venv/bin
DEFINITION := pyproject.toml setup.py constraints.txt

.PHONY: demo test lint types bench rllib constraints clean

demo: .venv/installed-demo
	$(BIN)/musicgym train

test: .venv/installed-test
	@$(MAKE) --no-print-directory lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Types are checked as a user's own mypy sees them: on an installed copy, in a small environment beside the real one. An editable
# install would not do, because mypy cannot follow folders that are renamed on import.
types: .venv/installed-test
	@rm -rf build .venv/typed
	@$(BIN)/python -m venv --without-pip .venv/typed
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir .venv/typed .
	@$(BIN)/python -m pip --python .venv/typed/bin/python install --quiet --no-deps .venv/typed/*.whl
	@$(BIN)/python -c "import sysconfig as s; print(s.get_path('purelib'))" \
		> "$$(.venv/typed/bin/python -c "import sysconfig as s; print(s.get_path('purelib'))")/dependencies.pth"
	@rm -rf build
	cd .venv/typed && ../bin/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache --python-executable bin/python -p musicgym

bench: .venv/installed-demo
	$(BIN)/musicgym bench speed

# RLlib pins an older Gymnasium, so it is tried in an environment of its own, and so are the environments on that Gymnasium.
rllib: .venv-rllib/installed
	.venv-rllib/bin/python tests/ecosystem/rllib_check.py
	.venv-rllib/bin/python -m pytest tests/envs

# Writes constraints.txt anew: the newest releases that work together, in a fresh environment. torch stays where it is
# pinned until its line is edited by hand, so that a machine's CPU build of that release is found.
constraints: | .venv/python
	rm -rf .venv/fresh
	$(PYTHON) -m venv .venv/fresh
	grep '^torch==' constraints.txt > .venv/fresh/torch.txt
	.venv/fresh/bin/python -m pip install -c .venv/fresh/torch.txt '.[dev]'
	{ echo "# The versions that are tested, written by 'make constraints'. Use: pip install -c constraints.txt ..."; \
	  .venv/fresh/bin/python -m pip freeze --all --exclude musicgym --exclude pip | sed 's/+[^ ]*$$//'; } > .venv/fresh/constraints.txt
	mv .venv/fresh/constraints.txt constraints.txt
	rm -rf .venv/fresh build

clean:
	rm -rf .venv .venv-rllib build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find musicgym rewards agents benchmarks tests -name __pycache__ -prune -exec rm -rf {} +

.venv/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("musicgym needs Python 3.11 or later, this is " + sys.version.split()[0] + " (" + sys.executable + "): try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/installed-demo: $(DEFINITION) | .venv/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[agents]'
	@touch $@

.venv/installed-test: $(DEFINITION) | .venv/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@

.venv-rllib/installed: $(DEFINITION)
	$(PYTHON) -m venv .venv-rllib
	grep '^torch==' constraints.txt > .venv-rllib/constraints.txt
	.venv-rllib/bin/python -m pip install --quiet -c .venv-rllib/constraints.txt -e . 'ray[rllib]==2.60.0' torch pytest hypothesis
	@touch $@
