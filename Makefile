# Everything here needs only make and Python 3.11 or newer. `make help` lists it.

PYTHON ?= python3
UV_VERSION := 0.13.8

MINUTES ?= 12

VENV := .venv
BIN := $(VENV)/bin
SYNCED := $(VENV)/.synced
PROJECTS := pyproject.toml $(wildcard libs/*/pyproject.toml services/*/pyproject.toml examples/reminders/pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help sync up demo example test fuzz check format bench bench-peers lock-peers load chaos addons certs verify-charts verify-deploy verify-images verify-infra clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(SYNCED) ## start everything on this machine; ARGS="--port 9000 --handlers shop.tasks"
	@exec $(BIN)/tidewheel dev $(ARGS)

demo: $(SYNCED) ## one of each kind of task, on the running stack, one of its own, or TARGET=https://…
	@exec $(BIN)/tidewheel demo $(if $(TARGET),--url $(TARGET)) $(ARGS)

example: $(SYNCED) ## a backend with reminders, and a Tidewheel beside it
	@exec $(BIN)/python -m reminders

test: $(SYNCED) ## run every test on servers of its own; ARGS="tests/unit -k backoff"
	@exec $(BIN)/pytest $(ARGS)

fuzz: $(SYNCED) ## schemathesis against every call of the API; ARGS="-n 200 --seed 5"
	@exec $(BIN)/python -m tests.fuzz.run $(ARGS)

check: $(SYNCED) ## linter, format, types, import contracts, migrations
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy libs/*/src services/*/src examples/reminders/src examples/reminders/tests tests
	$(BIN)/lint-imports
	$(BIN)/tidewheel check-migrations

format: $(SYNCED) ## mend what the linter and the formatter can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(SYNCED) ## measure a stack on this machine; ARGS="--only burst,idle", --quick, --ten-million
	@exec $(BIN)/python -m tests.bench.run $(ARGS)

load: $(SYNCED) ## load any deployment: ARGS="sustained", burst, soak, spike; --k6; TIDEWHEEL_URL, TIDEWHEEL_API_KEY
	@exec $(BIN)/python -m tests.load.drive $(ARGS)

bench-peers: $(SYNCED) ## run the same work through Tidewheel and its peers; ARGS="--rounds 5 --only tidewheel pgqueuer", --sweep
	@exec $(BIN)/python -m tests.bench.peers.run $(ARGS)

PEER_LOCKS := $(patsubst %.in,%.txt,$(wildcard tests/bench/peers/*/requirements.in) tests/fuzz/requirements.in)

lock-peers: $(SYNCED) ## lock the environments of the peers, and of schemathesis, to what is newest
	@for lock in $(PEER_LOCKS); do $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --custom-compile-command "make lock-peers" --output-file $$lock $${lock%.txt}.in || exit 1; done

chaos: $(SYNCED) ## break everything while tasks run, and count; SEED=7 MINUTES=30 RATE=150
	@exec $(BIN)/python -m tests.chaos.run $(if $(SEED),--seed $(SEED)) --minutes $(MINUTES) $(if $(RATE),--rate $(RATE)) $(ARGS)

verify-infra: $(SYNCED) ## check Terraform, add-ons and workflows with the real tools; TIDEWHEEL_TERRAFORM_MIRROR names a mirror of its providers
	@exec $(BIN)/python -m tests.deploy.infra.verify

addons: ## install what the charts stand on into the cluster of kubectl; ARGS="addons.json", --only keda, --remove
	@exec $(PYTHON) infra/addons/install.py $(ARGS)

certs: $(SYNCED) ## make the certificates and passwords of compose.yaml; what is there already stays
	@$(BIN)/python deploy/compose/certs.py

verify-images: $(SYNCED) ## build the images, run compose.yaml on a real engine, break it; BASE=… where no registry answers
	@exec $(BIN)/python -m tests.deploy.images.verify

verify-charts: $(SYNCED) ## check charts and images with Helm, Kubernetes' schemas, policies and linters, and say what ran
	@$(BIN)/uv run --quiet --project deploy/verify --locked --group lint python deploy/verify/verify.py

verify-deploy: ## both of these, one list of what ran and of what could not; fails when either does
	@charts=0; $(MAKE) --no-print-directory verify-charts || charts=1; $(MAKE) --no-print-directory verify-infra && exit $$charts

sync: $(SYNCED) ## bring .venv up to date with uv.lock

clean: ## remove .venv and caches; the state in .tidewheel stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv lives beside what it installs, so that nothing has to be there before; --inexact lets it stay.
$(SYNCED): uv.lock $(PROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tidewheel needs Python 3.11 or newer: make up PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@$(BIN)/uv --version 2>/dev/null | grep -qF "uv $(UV_VERSION) " || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --quiet --all-packages --locked --inexact
	@touch $@
