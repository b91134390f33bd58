SCENARIO ?= metro
PY := .venv/bin/python
.PHONY: train test lint
train: .venv/stamp
	$(PY) train.py --scenario $(SCENARIO) $(ARGS)
test: .venv/stamp
	$(PY) -m pytest $(ARGS)
lint: .venv/stamp
	$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy
.venv/stamp: pyproject.toml constraints.txt
	python3 -m venv .venv
	$(PY) -m pip install -q -c constraints.txt -e '.[train,dev]'
	touch $@
