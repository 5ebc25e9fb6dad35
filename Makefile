# Only python3 and make have to be there: every target makes its own virtual environment and says what it cannot do.
#
#   make demo    see it work: a TLS server, verifying clients, a throughput table, then a page for your browser
#   make test    ruff, mypy --strict and the whole test suite with coverage
#   make unit    only the tests that need no other program (what CI runs under the newest interpreter, too)
#   make cpython  CPython's own tests of ssl, asyncio and the standard library's clients, with puretls in the place of ssl
#   make fuzz    random search for what breaks: more examples, 10,000 connections that end anywhere, then atheris, FUZZ_SECONDS each
#   make ecosystem  real programs on puretls: requests, aiohttp, gunicorn, asyncpg and so on, each in its own process
#   make future  of these those that cannot be beside the others: niquests and urllib3-future; part of ecosystem
#   make fleet   servers that share sessions, under load: four of them behind nginx over one redis-server
#   make baseline  record anew what goes over the wire, after a change that is meant (tests/engine/test_baseline.py)
#   make types   what mypy and pyright find in users' programs
#   make floor   the unit tests with the oldest versions of everything that pyproject.toml allows
#   make package  the wheel and the sdist in dist/, then whether they work where nothing else is installed
#   make docs    these pages, in build/docs; needs no network, and any warning is an error
#   make bench   the benchmarks: a table, and the picture in docs/ unless ARGS= selects some
#   make pictures  the other pictures of the documentation anew; ARGS=--check says which of them are stale
#   make timing  what time tells of padding, MACs and keys: a table for docs/timing.md, on a machine that does nothing else
#   make lint    ruff and mypy alone
#   make format  let ruff lay out the code
#   make clean   remove what the others made
#
# PYTHON=python3.13 VENV=.venv-3.13 make test    uses another interpreter beside the first.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SERVERS := redis-server postgres mosquitto mariadbd nginx libnginx-mod-stream haproxy
PEERS := openssl gnutls-cli curl chromium firefox-esr certutil softhsm2-util nginx
ELSEWHERE := tests/ecosystem tests/future tests/package tests/cpython tests/fleet/load
PROPERTIES = $(shell grep -rlE '@given' tests --include='test_*.py')
FUZZ_SECONDS ?= 600
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test unit cpython fuzz baseline types floor ecosystem future fleet dist package docs bench timing lint format clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   make/make/p' Makefile

demo: $(VENV)/cli.stamp
	@$(BIN)/puretls demo $(ARGS)

test: lint $(VENV)/peers.stamp $(VENV)/tpm2.stamp
	@tools/system-packages $(PEERS)
	$(BIN)/python -m pytest -n 2 $(ELSEWHERE:%=--ignore=%) --cov --cov-report=term:skip-covered $(ARGS)

unit: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n 2 -q $(ELSEWHERE:%=--ignore=%) --ignore=tests/peers --ignore=tests/programs $(ARGS)

# One after the other: they are timed by their authors for a machine with nothing else to do.
cpython: $(VENV)/test.stamp
	$(BIN)/python -m pytest -q -rPs tests/cpython $(ARGS)

fuzz: $(VENV)/test.stamp $(VENV)/fuzz.stamp
	$(BIN)/python -m pytest -n 2 -q $(PROPERTIES) --hypothesis-profile=fuzz --timeout=3600 $(ARGS)
	PURETLS_STRESS=10000 $(BIN)/python -m pytest -q --timeout=3600 tests/aio/test_stress.py
	PURETLS_HELLOS=10000 $(BIN)/python -m pytest -q --timeout=3600 tests/engine/test_ech.py
	@mkdir -p build/corpus/engine build/corpus/x509
	$(BIN)/python fuzz/engine.py -max_total_time=$(FUZZ_SECONDS) -timeout=20 -max_len=20000 build/corpus/engine
	$(BIN)/python fuzz/x509.py -max_total_time=$(FUZZ_SECONDS) -timeout=20 build/corpus/x509

baseline: $(VENV)/test.stamp
	$(BIN)/python -m pytest -q tests/engine/test_baseline.py --record-baseline

types: $(VENV)/test.stamp $(VENV)/types.stamp
	$(BIN)/python -m pytest -q tests/typing $(ARGS)

# The oldest versions that pyproject.toml allows, of the package's own dependencies too.
floor: VENV := $(VENV)-floor
floor:
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq 'pip>=25.1' 'tomli; python_version < "3.11"'
	$(BIN)/python tools/floor.py unit > $(VENV)/floor.txt
	@$(BIN)/python -m pip install -qq --editable '.[cli]' --group unit --constraint $(VENV)/floor.txt
	$(BIN)/python -m pytest -n 2 -q $(ELSEWHERE:%=--ignore=%) --ignore=tests/peers --ignore=tests/programs --ignore=tests/typing $(ARGS)

# In an environment of its own: many packages, which the other tests should not see.
ecosystem: VENV := $(VENV)-ecosystem
ecosystem:
	@$(MAKE) --no-print-directory VENV=$(VENV) $(VENV)/ecosystem.stamp
	@tools/system-packages $(SERVERS)
	$(BIN)/python -m pytest -n 2 -q tests/ecosystem $(ARGS)
	@$(MAKE) --no-print-directory VENV=$(VENV)-future future

# Apart again: urllib3-future puts itself in the place of urllib3.
future: $(VENV)/future.stamp
	$(BIN)/python -m pytest -q tests/future

fleet: $(VENV)/test.stamp
	@tools/system-packages redis-server nginx libnginx-mod-stream
	$(BIN)/python -m pytest -q tests/fleet $(ARGS)

# The same sources give the same files: nothing in them depends on when. The wheel is made from the sdist, so that who has only that can make it too.
dist: VENV := $(VENV)-dist
dist:
	@$(MAKE) --no-print-directory VENV=$(VENV) $(VENV)/dist.stamp
	@rm -rf dist
	$(BIN)/python -m build --outdir dist . >/dev/null

package: VENV := $(VENV)-dist
package: dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m pytest -q tests/package $(ARGS)

docs: $(VENV)/docs.stamp
	@rm -rf build/docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --builder html docs build/docs $(ARGS)
	$(BIN)/python tools/self_contained.py build/docs

bench: $(VENV)/bench.stamp
	@tools/system-packages wrk
	$(BIN)/python -m benchmarks --picture docs/benchmarks.svg $(ARGS)

timing: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks.timing $(ARGS)

pictures: $(VENV)/test.stamp
	@tools/system-packages chromium certutil
	$(BIN)/python tools/pictures.py $(ARGS)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy

format: $(VENV)/test.stamp
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv* .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage* htmlcov build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Not for every machine: what cannot be had is skipped by the tests.
$(VENV)/peers.stamp: $(VENV)/test.stamp
	@$(BIN)/python -m pip install -qq --group peers || echo "other implementations are missing here: tests with them are skipped"
	@touch $@

# It has no wheels: half a minute with a compiler, once.
$(VENV)/tpm2.stamp: $(VENV)/test.stamp
	@tools/system-packages swtpm tss2-headers
	@$(BIN)/python -m pip install -qq --editable '.[cli,tpm2]' 2>/dev/null || echo "tpm2-pytss cannot be built here: tests with a TPM are skipped"
	@touch $@

# One stamp for each dependency group of pyproject.toml (pip knows them since 25.1); the package is installed in place.
$(VENV)/%.stamp: pyproject.toml
	@PYTHON=$(PYTHON) tools/system-packages venv
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "preparing $(VENV) for $*"
	@$(BIN)/python -m pip install -qq 'pip>=25.1'
	@$(BIN)/python -m pip install -qq --editable '.[cli]' $(if $(filter cli,$*),,--group $*)
	@touch $@
