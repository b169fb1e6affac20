# The tested version of torch is installed first, so that no other comes with the rest. On a machine with a GPU:
# make TORCH=torch. An environment of your own: make VENV=path.
VENV ?= .venv
TORCH ?= torch==2.13.0
PYTHON ?= python3

PIP = $(VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check
STAMPS = $(VENV)/.visiongpt
PHOTO = visiongpt_agent/data/photos/coffee.jpg

.PHONY: help demo test lint bench langchain-oldest langchain-newest

help:
	@echo "make demo    install into $(VENV), pull weights, run one request on a sample photo"
	@echo "make test    the default test suite"
	@echo "make lint    ruff, and mypy --strict"
	@echo "make langchain-oldest langchain-newest   test with the oldest and newest LangChain that may be installed"
	@echo "make bench   figures: start-up, planning, a whole request, faults caught"

demo: $(STAMPS)/weights
	$(VENV)/bin/visiongpt run "how many cups are there? then remove the background" -i $(PHOTO) --trace

test: $(STAMPS)/weights $(STAMPS)/dev
	$(VENV)/bin/pytest -n auto --dist loadfile

lint: $(STAMPS)/dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# The packages lie in a folder of their own that comes first on the path: the environment stays as it is.
langchain-oldest langchain-newest: langchain-%: $(STAMPS)/weights $(STAMPS)/dev
	@rm -rf $(STAMPS)/$@ && $(VENV)/bin/python -m tests.langchain.bounds $* > $(STAMPS)/$@.txt
	@$(PIP) --no-deps --upgrade --target $(STAMPS)/$@ -r $(STAMPS)/$@.txt
	PYTHONPATH=$(STAMPS)/$@ $(VENV)/bin/pytest tests/langchain tests/test_agent.py

bench: $(STAMPS)/weights $(STAMPS)/dev
	$(VENV)/bin/python -m tests.bench

$(STAMPS)/torch:
	@echo "installing torch into $(VENV)"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip
	@$(PIP) "$(TORCH)"
	@mkdir -p $(@D) && touch $@

$(STAMPS)/package: pyproject.toml | $(STAMPS)/torch
	@echo "installing visiongpt-agent into $(VENV)"
	@$(PIP) --editable .
	@touch $@

$(STAMPS)/dev: pyproject.toml | $(STAMPS)/package
	@echo "installing what the tests need into $(VENV)"
	@$(PIP) --editable ".[dev]"
# For its photo bus.jpg alone; what it requires is not needed for that.
	@$(PIP) --no-deps ultralytics==8.4.190
	@touch $@

# One model that cannot be pulled here (its source may need npm) does not keep the others from working.
$(STAMPS)/weights: | $(STAMPS)/package
	@$(VENV)/bin/visiongpt models pull --profile embedded || test $$? -eq 3
	@touch $@
