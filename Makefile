# What is done here often. `make help` lists it.

SHELL := /bin/sh
.DEFAULT_GOAL := help

SEEDS ?= 1000
STEPS ?= 400
FUZZ_SECONDS ?= 60
NODES ?= 1
ROUNDS ?= 100

.PHONY: help run test release bench bench-postgres chaos lint fuzz sim audit

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build the service and start it for development, with everything it needs in one folder
	@scripts/setup.sh run
	cargo run --release --package countersign -- dev

test: ## Run everything CI runs
	@scripts/setup.sh test
	cargo xtask ci

release: ## Build the service as it is measured, trained on its own bench: target/trained/countersign
	@scripts/setup.sh release
	scripts/release.sh

bench: release ## Measure that release against a bare client on this machine
	cargo run --release --package bench -- run --binary target/trained/countersign

bench-postgres: release ## Measure NODES nodes of that release on a PostgreSQL of their own
	cargo xtask with-postgres -- cargo run --release --package bench -- run --store postgres --nodes $(NODES) \
		--binary target/trained/countersign

chaos: ## Hit the service with ROUNDS faults on each store, of the plot of SEED if given (docs/faults.md)
	@scripts/setup.sh chaos
	cargo build --release --package countersign --package bench
	cargo run --release --package bench -- chaos --store embedded --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))
	cargo run --release --package bench -- chaos --store postgres --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

lint: ## Check layout, lints, arrows between rooms, files and dependencies; no tests
	@scripts/setup.sh lint
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo xtask rooms
	cargo xtask tidy
	@if cargo deny --version >/dev/null 2>&1; then \
		cargo deny --locked check bans licenses sources; \
	else \
		echo "left out: cargo-deny is not installed"; \
	fi

fuzz: ## Throw hostile bytes at every fuzz target for FUZZ_SECONDS each
	@scripts/setup.sh fuzz
	@# FintechOS and eSignAnyWhere share callbacks, and so their samples.
	cd fuzz && for pair in clickwrap:clickwrap ironclad:ironclad insertsign:insertsign fintechos:fintechos esaw:fintechos; do \
		corpus="corpus/catch_$${pair%:*}" && mkdir -p "$$corpus" && \
		cp "../crates/dialects/fixtures/$${pair#*:}"/*.json "$$corpus/" || exit 1; \
	done
	cd fuzz && for target in $$(cargo +nightly fuzz list); do \
		cargo +nightly fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

sim: ## Step the engine through SEEDS worlds of STEPS steps each, faults included
	@scripts/setup.sh sim
	cargo run --release --package sim -- --count $(SEEDS) --steps $(STEPS)
	cargo run --release --package sim -- --vendors --count $(SEEDS) --steps $(STEPS)

audit: ## Compare the dependencies with known advisories (needs the network)
	@scripts/setup.sh audit
	cargo deny --locked check advisories
