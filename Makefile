# make demo and make test are all a newcomer needs; make help lists the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DATA   ?= ../shared/data

.PHONY: help demo test check bench format clean services services-stop

help:           ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,dev]'
	@touch $@

demo: $(BIN)/.installed  ## install, then turn the wheel once on the bundled sample, offline
	$(BIN)/tunewheel demo

test: $(BIN)/.installed  ## install, then run the whole test suite
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --ignore tests/serving
	$(BIN)/python -m pytest tests/serving  # answers are timed: they have the machine to themselves

check: $(BIN)/.installed  ## style, types, import rule, documentation
	$(BIN)/ruff format --check src tests bench tools examples
	$(BIN)/ruff check src tests bench tools examples
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_docs.py

bench: export TUNEWHEEL_BENCH_CELLS ?= runs/cells
bench: $(BIN)/.installed  ## measure speed and quality: make bench DATA=folder (some hours)
	$(BIN)/python bench/train_speed.py --data $(DATA)
	$(BIN)/python bench/predict_speed.py --data $(DATA)
	$(BIN)/python bench/load.py --data $(DATA)
	$(BIN)/python bench/service.py --data $(DATA)
	$(BIN)/python bench/quality.py --data $(DATA)
	$(BIN)/python bench/formats.py --data $(DATA)
	services=$$(tools/services.sh start) && eval "$$services" && $(BIN)/python bench/kill.py
	services=$$(tools/services.sh start) && eval "$$services" && $(BIN)/python bench/turns.py
	services=$$(tools/services.sh start) && eval "$$services" && $(BIN)/python bench/million.py
	$(BIN)/python bench/windows.py --data $(DATA)
	$(BIN)/python bench/coverage.py
	$(BIN)/python bench/breadth.py --data $(DATA)
	$(BIN)/python bench/chinese.py --data $(DATA)
	$(BIN)/python bench/fewshot.py --data $(DATA)
	$(BIN)/python bench/roads.py --data $(DATA)
	$(BIN)/python bench/big.py
	$(BIN)/python bench/fuzz.py --data $(DATA)
	$(BIN)/python bench/pretrain.py --data $(DATA)
	$(BIN)/python bench/distill.py --data $(DATA)
	$(BIN)/python bench/privacy.py --data $(DATA)
	$(BIN)/python bench/check.py --data $(DATA)
	$(BIN)/python bench/duplicates.py --data $(DATA)
	$(BIN)/python bench/label_noise.py --data $(DATA)
	$(BIN)/python bench/stackfaq.py --data $(DATA)
	$(BIN)/python bench/topics.py --data $(DATA)
	$(BIN)/python bench/drift.py --data $(DATA)
	$(BIN)/python bench/tuning.py --data $(DATA)
	$(BIN)/python bench/gate.py
	$(BIN)/python bench/gate.py --data $(DATA) --trained 30
	$(BIN)/python bench/stream.py --data $(DATA)
	$(BIN)/python bench/year.py
	$(BIN)/python bench/poison.py --data $(DATA)

format: $(BIN)/.installed  ## put the code into shape
	$(BIN)/ruff check --fix src tests bench tools examples
	$(BIN)/ruff format src tests bench tools examples

services:       ## start a throw-away PostgreSQL and print the variable that leads the tests to it
	@tools/services.sh start

services-stop:  ## stop it and remove its data
	@tools/services.sh stop

clean:          ## remove what make made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
