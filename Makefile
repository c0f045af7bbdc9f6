# Everything a newcomer or a build machine needs; each target is one script under scripts/.
#   make demo     train on the digits of scikit-learn: a model, a page to look at, figures and a summary in demo/
#   make test     the tests, with branch coverage
#   make long     those that take longest: a cluster of Ray, every script of the benchmarks in short, graphs of every recipe
#   make check    formatting, lint, types, directions of imports
#   make web      the page's source: types, lint, tests, and that the assets in the package are what it builds to
#   make docs     the documentation, with its examples run
#   make build    the distributions in dist/, tried out in an empty environment
# PYTHON names the interpreter that makes the environment, TORCH_SPEC the build of torch (default: what fits the machine).

PYTHON ?= python3
export PYTHON
STAMP := .venv/.installed

.PHONY: help setup demo test long check web docs build clean

help:
	@sed -n 's/^#   //p' Makefile

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt scripts/setup hatch_build.py $(wildcard src/isthmus/native/*.[ch])
	scripts/setup .venv -e '.[dev]'
	@touch $@

demo test long check docs build: $(STAMP)
	scripts/$@

web:
	scripts/$@

clean:
	rm -rf .venv build dist demo docs/_build docs/generated web/node_modules web/build .coverage
