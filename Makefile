# Everything runs from .venv, which the first target that needs it creates.
BIN := .venv/bin
PORT ?= 8000
CODE := $(wildcard api reader_bridge demo bench)
# The card reader's library has no wheel for Linux: it is compiled, or its tests are skipped.
CARDS := $(shell { [ "$$(uname)" != Linux ] || { pkg-config --exists libpcsclite && command -v cc \
	&& command -v swig; }; } >/dev/null 2>&1 && echo .venv/.bridge || echo no-cards)
export PORT

.PHONY: help up demo test test-long test-at check fix bench docs openapi lock clean peers no-cards

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: .venv/.installed ## start everything on 127.0.0.1:8000 (PORT=8001 make up)
	@exec $(BIN)/superapp up

demo: .venv/.installed ## play one inspection day against a throw-away server
	@exec $(BIN)/python -m demo

# Tests start many processes, which would each compile the code where none may keep it.
test test-long test-at: export PYTHONDONTWRITEBYTECODE :=

test: .venv/.developer peers $(CARDS) ## run every test but the long trials
	$(BIN)/python -m pytest -q -n auto $(ARGS)

test-long: .venv/.developer peers $(CARDS) ## run the long trials: kill -9, thousands of histories
	$(BIN)/python -m pytest -q -m long $(ARGS)

test-at: .venv/.developer peers $(CARDS) ## run the tests at another time: make test-at AT='2028-02-28 16:50' (UTC)
	@at=$$(date -u -d '$(AT)' +%s) && folder=$$(mktemp -d) && chmod 755 $$folder && \
	cc -O2 -shared -fPIC -o $$folder/clock_shift.so tests/clock_shift.c && \
	SHIFT_S=$$((at - $$(date +%s))) LD_PRELOAD=$$folder/clock_shift.so \
	$(BIN)/python -m pytest -q -n auto $(ARGS)

check: .venv/.developer ## lint, formatting, types, imports, what is written from the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	@# desk PCs run Windows and macOS, which no test of ours does: at least every name must exist there
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 reader_bridge
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin reader_bridge
	$(BIN)/lint-imports --no-cache
	$(BIN)/superapp openapi --check
	$(BIN)/superapp docs --check

fix: .venv/.developer ## apply what ruff can repair and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.developer ## measure against the targets (make bench ONLY=push)
	@exec $(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

docs: .venv/.installed ## write the state diagrams and the problem catalogue into docs/
	$(BIN)/superapp docs

openapi: .venv/.installed ## write openapi/*.json from the routes
	$(BIN)/superapp openapi

lock: ## pin the newest releases that pyproject.toml allows (needs uv)
	uv pip compile pyproject.toml $(LOCK_OPTIONS) --upgrade -o requirements/base.lock
	uv pip compile requirements/bridge.in $(LOCK_OPTIONS) --upgrade -c requirements/base.lock -o requirements/bridge.lock
	uv pip compile $(LOCK_OPTIONS) --upgrade -c requirements/bridge.lock -o requirements/build.lock
	uv pip compile pyproject.toml $(LOCK_OPTIONS) --upgrade --group dev -c requirements/base.lock -c requirements/bridge.lock -o requirements/dev.lock

LOCK_OPTIONS := requirements/build.in --quiet --universal --python-version 3.11 \
	--generate-hashes --only-binary :all: --no-emit-index-url --custom-compile-command "make lock"

clean: ## remove .venv and caches, never the data folder
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf tests/*/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: requirements/base.lock pyproject.toml requirements/install
	@requirements/install base
	@touch $@

.venv/.developer: requirements/dev.lock pyproject.toml requirements/install
	@requirements/install dev
	@touch .venv/.installed $@

.venv/.bridge: requirements/bridge.lock pyproject.toml requirements/install | .venv/.developer
	@if requirements/install bridge; then touch $@; \
		else echo "pyscard could not be installed; the tests with real readers are skipped" >&2; fi

no-cards:
	@echo "The tests with real card readers are skipped; on Debian, as root: apt-get install" \
		"pcscd vsmartcard-vpcd libpcsclite-dev pkg-config swig gcc libc6-dev python3-dev iproute2" >&2

# Programs in JavaScript that some tests talk to; without node these tests are skipped.
peers: $(if $(shell command -v npm),$(patsubst %/package.json,%/node_modules/.installed,$(wildcard tests/*/package.json)))

tests/%/node_modules/.installed: tests/%/package.json
	@cd tests/$* && if npm install --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund \
		--loglevel=error; then touch node_modules/.installed; \
		else echo "npm could not install; the tests that need it are skipped" >&2; fi
