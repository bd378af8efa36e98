# Two commands do everything: `make demo` and `make test`. Each makes its own virtual environment below .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
INSTALL = -m pip install --quiet --disable-pip-version-check --use-pep517 --constraint constraints.txt
DEMO = tests/corpora/outputs/math_groups.jsonl.gz

.PHONY: demo test lint format docs bench clean

demo: .venv/demo/ready
	@mkdir -p demo
	.venv/demo/bin/guerdon score docs/tutorial/demo.toml $(DEMO) --out demo/scored.jsonl --overwrite
	@echo "(A group here is four models' answers to one problem, not samples of one policy.)"
	@echo
	@echo "Why did row 6 get what it got?"
	.venv/demo/bin/guerdon explain docs/tutorial/demo.toml $(DEMO) --row 6
	@echo
	@echo "Next: .venv/demo/bin/guerdon plugins    and docs/tutorial/first-verifier.md"

test: .venv/test/ready
	.venv/test/bin/python -m pytest -q -m "not slow"
	.venv/test/bin/python -m pytest -q -m slow

lint: .venv/test/ready
	.venv/test/bin/ruff check .
	.venv/test/bin/ruff format --check .
	.venv/test/bin/mypy core plugins

format: .venv/test/ready
	.venv/test/bin/ruff check --fix .
	.venv/test/bin/ruff format .

# The pages of the reference that are generated from the code.
docs: .venv/test/ready
	.venv/test/bin/python docs/reference/write.py

# Peers get an environment of their own: what they pin must not reach ours.
bench: .venv/test/ready .venv/peers/ready
	.venv/test/bin/python tests/benchmarks/bench.py --peers .venv/peers/bin/python

.venv/demo/ready: pyproject.toml constraints.txt | venv
	@echo "Making the environment $(@D); this takes about a minute …"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python $(INSTALL) --editable '.[math,language]'
	@touch $@

.venv/test/ready: pyproject.toml constraints.txt | venv
	@echo "Making the environment $(@D); this takes about a minute …"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python $(INSTALL) --editable '.[dev]'
	@touch $@

.venv/peers/ready: tests/benchmarks/peers/requirements.txt | venv
	@echo "Making the environment $(@D); this takes about a minute …"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# A bare Debian has a Python without ensurepip.
.PHONY: venv
venv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is missing; on Debian: apt-get install python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "This Python cannot make virtual environments; installing Debian's python3-venv"; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -qq -y python3-venv; \
	  else sudo apt-get update -qq && sudo apt-get install -qq -y python3-venv; fi; } || \
	  { echo "python3-venv is missing and could not be installed; ask an administrator for it" >&2; exit 1; }

clean:
	rm -rf .venv demo bench .mypy_cache .ruff_cache .pytest_cache
