PYTHON ?= python3
BIN := .venv/bin
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.cache/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0.5

APT = $(shell [ "$$(id -u)" = 0 ] || echo sudo -n) env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends

.PHONY: demo test browser lint bench docs wheel-test clean

demo: .venv/.installed
	$(BIN)/expandcluster demo --out runs/demo

test: .venv/.installed-test browser lint
	$(BIN)/python -m pytest -n 2 -q

# Reports are tested in Chromium. Where it is missing and apt may install it, it does; else those tests are skipped.
browser:
	@command -v chromium || command -v chromium-browser || command -v google-chrome \
	|| { $(APT) install chromium || { $(APT) update && $(APT) install chromium; }; } > /dev/null 2>&1 \
	|| echo "no Chromium: the tests of reports in a browser are skipped"

lint: .venv/.installed-test
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy

docs: .venv/.installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel-test: .venv/.installed-test
	$(BIN)/python -m pytest -q -m wheel tests/test_wheel.py

bench: .venv/.installed-test
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf .venv .cache

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/.installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	touch $@

.venv/.installed-test: .venv/.installed Makefile
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -e '.[onnx,torch,parquet,images,flow,http,plot,track,dask,docs,test]'
	touch $@
