# `make train` and `make test` need Python 3.11, 3.12 or 3.13 and nothing else: they make .venv themselves.
PYTHON ?= python3
SCENARIO ?=
ARGS ?=

.PHONY: train test lint docs bench profile clean

train: .venv/installed
	.venv/bin/python train.py $(if $(SCENARIO),--scenario $(SCENARIO)) $(ARGS)

test: .venv/installed
	.venv/bin/python -m pytest $(ARGS)

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# The site, into build/site; pages that come from the code are written by docs/generate.py.
docs: .venv/installed
	.venv/bin/python -m mkdocs build --strict

# Speed of environments and of training, into docs/speed.* and the README; ARGS="--help" for parts of it.
bench: .venv/installed
	.venv/bin/python -m speed $(ARGS)

# Where a step's time goes, phase by phase; ARGS=--training for a step of training.
profile: .venv/installed
	.venv/bin/python -m speed.profile $(ARGS)

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[train,dev]"
	touch $@

clean:
	rm -rf .venv build *.egg-info
