# Two commands do everything: `make demo` and `make test`. Each makes its own virtual environment below .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP = -m pip install --quiet --disable-pip-version-check --use-pep517
INSTALL = $(PIP) --constraint constraints.txt

.PHONY: demo test test-openrlhf lint format docs bench clean

demo: .venv/demo/ready
	.venv/demo/bin/guerdon train cold-start-rl --overwrite

# What needs a Docker engine gets one; without one all else is tested, and the result is still a failure. The slow tests
# that need one look at the whole machine, so nothing runs beside them; of the others most wait.
PYTEST = .venv/test/bin/python -m pytest -q
FAST = $(PYTEST) -n 2 --dist loadfile
SLOW = $(PYTEST) -n 3 --dist loadfile -m "slow and not docker"
test: .venv/test/ready
	@if DOCKER_HOST=$$(tests/sandboxes/engine.sh); then \
	  export DOCKER_HOST; $(FAST) -m "not slow" && $(PYTEST) -m "slow and docker" && $(SLOW); \
	else \
	  $(FAST) -m "not slow and not docker" && $(SLOW); \
	  echo "NOT TESTED: the sandbox docker and what runs in it. tests/sandboxes/engine.sh says why." >&2; exit 1; \
	fi

# The real OpenRLHF and vLLM, on a CPU; an environment of about 4 GB.
test-openrlhf: .venv/openrlhf/ready
	.venv/openrlhf/bin/python -m pytest -q tests/openrlhf -m openrlhf

lint: .venv/test/ready
	.venv/test/bin/ruff check .
	.venv/test/bin/ruff format --check .
	.venv/test/bin/mypy core plugins sandboxes

format: .venv/test/ready
	.venv/test/bin/ruff check --fix .
	.venv/test/bin/ruff format .

# The pages of the reference that are generated from the code.
docs: .venv/test/ready
	.venv/test/bin/python docs/reference/write.py

# Peers get an environment of their own: what they pin must not reach ours. `make bench PARTS="grpo recipes"` for some.
bench: .venv/test/ready .venv/peers/ready
	DOCKER_HOST=$$(tests/sandboxes/engine.sh) && export DOCKER_HOST && \
	  .venv/test/bin/python tests/benchmarks/bench.py --peers .venv/peers/bin/python $(PARTS)

# Before all that depends on it: without a GPU, PyTorch's own index has a torch without gigabytes of CUDA.
CPU = https://download.pytorch.org/whl/cpu
REACHED = $(PYTHON) -c "import urllib.request; urllib.request.urlopen('$(CPU)/torch/', timeout=5)" 2>/dev/null
torch = $(@D)/bin/python $(INSTALL) torch \
  $$(command -v nvidia-smi >/dev/null || { $(REACHED) && echo "--extra-index-url $(CPU)"; })

.venv/demo/ready: pyproject.toml constraints.txt | python
	@echo "Making the environment $(@D); this takes a few minutes …"
	@$(PYTHON) -m venv $(@D)
	@$(torch)
	@$(@D)/bin/python $(INSTALL) --editable '.[math,language,local]'
	@touch $@

.venv/test/ready: pyproject.toml constraints.txt tests/trainers/requirements.txt tests/trainers/alone.txt | compiler
	@echo "Making the environment $(@D); this takes a few minutes …"
	@$(PYTHON) -m venv $(@D)
	@$(torch)
	@$(@D)/bin/python $(INSTALL) --editable '.[dev]' --requirement tests/trainers/requirements.txt
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement tests/trainers/alone.txt
	@touch $@

.venv/peers/ready: tests/benchmarks/peers/requirements.txt | python
	@echo "Making the environment $(@D); this takes a few minutes …"
	@$(PYTHON) -m venv $(@D)
	@$(torch)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# For a CPU even where there is a GPU: there, OpenRLHF is installed as it says itself. vLLM brings torchvision and its
# like, made for another torch: with them, transformers cannot be imported. DeepSpeed's operators are compiled here, so
# that no test waits for it.
OPENRLHF = tests/openrlhf
.venv/openrlhf/ready: $(OPENRLHF)/requirements.txt $(OPENRLHF)/no-deps.txt pyproject.toml | compiler-for-c++
	@echo "Making the environment $(@D); this takes five minutes and more …"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python $(PIP) --requirement $< $$($(REACHED) && echo "--extra-index-url $(CPU)")
	@$(@D)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@$(@D)/bin/python $(PIP) --no-deps --requirement $(OPENRLHF)/no-deps.txt
	@$(@D)/bin/python $(PIP) --no-deps --editable .
	@rm -rf $(@D)/torch_extensions  # a compilation that was cut off has left a lock, and the next would wait for it
	@PATH=$(abspath $(@D))/bin:$$PATH TORCH_EXTENSIONS_DIR=$(abspath $(@D))/torch_extensions DS_ACCELERATOR=cpu \
	  $(@D)/bin/python $(OPENRLHF)/compile_operators.py >$(@D)/compiled.log 2>&1 || { cat $(@D)/compiled.log >&2; exit 1; }
	@touch $@

# A bare Debian has a Python without ensurepip, and neither a compiler nor Python's headers, which pycosat (of
# reasoning-gym) is built with.
SUDO = $(shell [ "$$(id -u)" = 0 ] || echo sudo)
apt = { echo "$(1) is missing; installing Debian's $(2) …"; \
  $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $(2) >/dev/null; } || \
  { echo "$(1) is missing and could not be installed: ask an administrator for $(2)" >&2; exit 1; }

.PHONY: python compiler compiler-for-c++
python:
	@test -n "$(PYTHON)" || $(call apt,Python 3.11,python3-venv)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(call apt,Python's ensurepip,python3-venv)

compiler: python
	@command -v cc >/dev/null && test -e "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" || \
	  $(call apt,A C compiler,gcc python3-dev)

compiler-for-c++: compiler
	@command -v c++ >/dev/null || $(call apt,A C++ compiler,g++)

clean:
	tests/sandboxes/engine.sh clean
	rm -rf .venv bench .mypy_cache .ruff_cache .pytest_cache
