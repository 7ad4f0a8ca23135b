# Two commands: `make demo` (the phantom study, to its report) and `make test`. Both set the environment up first.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
export PYTHON

.PHONY: demo docs test test-slurm test-slurm-brief lint unit bench bench-gpu setup setup-slurm clean help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/'

setup: .venv/.ready ## make the environment (.venv) from envs/requirements.lock

setup-slurm: .venv/.slurm ## the same with Snakemake's executor for SLURM, for profiles/slurm

.venv/.slurm: .venv/.ready envs/slurm.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -r envs/slurm.lock
	@touch $@

.venv/.ready: envs/requirements.lock envs/setup.sh pyproject.toml
	@bash envs/setup.sh

demo: .venv/.ready ## run the phantom study to results/phantom/report.html
	$(BIN)/snakemake --profile profiles/local
	@echo "The report: results/phantom/report.html"

test: lint unit ## all checks and tests, one whole miniature study included

lint: .venv/.ready ## ruff, snakefmt, snakemake --lint, mypy, import-linter
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: .venv/.ready ## pytest, a file to a process, the studies first; then the guards against a slip in speed
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --benchmark-disable
	$(ONE_THREAD) $(BIN)/python -m pytest benchmarks/ratios --quick --benchmark-quiet

test-slurm: .venv/.slurm ## the faults of docs/slurm.md on a real SLURM, started on loopback (root, Debian)
	@bash tests/slurm/all.sh

test-slurm-brief: .venv/.slurm ## some of them, in minutes; what cannot run here is skipped and says why
	$(BIN)/python -m pytest tests/slurm -m brief -rs

docs: .venv/.docs ## build the documentation as a site into build/docs; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/.docs: .venv/.ready envs/docs.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --quiet -r envs/docs.lock
	@touch $@

bench: .venv/.ready ## time our work beside what it replaces (results/bench.json), and as the patients grow (results/growth)
	@mkdir -p results
	$(ONE_THREAD) $(BIN)/python -m pytest benchmarks/ratios --timeout 0 --benchmark-quiet --benchmark-json results/bench.part
	@mv results/bench.part results/bench.json
	$(ONE_THREAD) $(BIN)/python benchmarks/growth.py results/growth

bench-gpu: .venv/.ready ## train a ViT-B on the GPU at hand: speed, memory, waiting for data (results/bench-gpu.json)
	$(BIN)/python benchmarks/gpu.py

clean: ## remove results and Snakemake's notes, keep the environment
	rm -rf results/phantom results/mini .snakemake
