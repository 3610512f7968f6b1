.PHONY: run test docs quality lint lock help chaos chaos-long soak fuzz chaos-cluster chaos-cluster-long
.DEFAULT_GOAL := help

# One more than there are cores: many tests wait for a process or a clock.
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: ## Set up if need be, then run the watch with config.yaml
	@scripts/setup requirements.lock
	@exec .venv/bin/python bot.py run

test: ## Set up if need be, then run the tests
	@scripts/setup requirements-dev.lock
	@exec .venv/bin/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

docs: ## Build the documentation site into build/docs (offline; a warning fails)
	@scripts/setup requirements-dev.lock
	@.venv/bin/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

lint: ## Lint, formatting and types
	@scripts/setup requirements-dev.lock
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

chaos: ## Kill the watch for a minute while feeds and Slack fail; prints what came of it
	@scripts/setup requirements-dev.lock
	@.venv/bin/python -m tests.chaos --seconds 60 $(ARGS)

chaos-long: ## The same until it was killed 5,000 times, and 300 times at every point
	@scripts/setup requirements-dev.lock
	@.venv/bin/python -m tests.chaos --kills 5000 --each 300 $(ARGS)

soak: ## A month of 1,000 feeds in virtual time, and what 100,000 polls leave in memory
	@scripts/setup requirements-dev.lock
	@.venv/bin/python -m tests.soak --feeds 1000 --days 30 $(ARGS)
	@.venv/bin/python -m tests.soak.leak --polls 100000

fuzz: ## A million mutations of what strangers and users write, and atheris for 10 minutes a target
	@scripts/setup requirements-dev.lock
	@.venv/bin/python -c 'import atheris' 2>/dev/null || .venv/bin/python -m pip install --quiet 'atheris>=2.3' || true
	@.venv/bin/python -m tests.fuzz $(ARGS)

chaos-cluster: ## The same for three workers on a PostgreSQL of its own, which fails too
	@scripts/setup requirements-dev.lock
	@.venv/bin/python -m tests.chaos.fleet --seconds 120 $(ARGS)

chaos-cluster-long: ## The same for half an hour
	@scripts/setup requirements-dev.lock
	@.venv/bin/python -m tests.chaos.fleet --seconds 1800 $(ARGS)

quality: ## Score duplicates, events, extraction, rules, countries and summaries in one table (NEWSWATCH_DATA)
	@scripts/setup requirements-dev.lock
	@.venv/bin/python benchmarks/quality.py

lock: ## Write the lock files anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --all-extras --group test --group lint --group docs -o requirements-dev.lock
