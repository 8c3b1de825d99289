# Two targets do all set-up on a bare Debian 12 with Rust and Python 3.11: `make demo` and `make test`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/target/tools/bin:$(PATH)
export FRAMERILL_PYTHON ?= $(CURDIR)/.venv/bin/python
export CARGO_TERM_COLOR ?= $(if $(MAKE_TERMOUT),auto,never)
export FRAMERILL_SKIPS := $(CURDIR)/target/skipped-tests
PYTHON := $(CURDIR)/.venv/bin/python

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: setup
setup: ## Install what building needs: system packages, Python packages into .venv
	@scripts/setup.sh

.PHONY: tools
tools:
	@scripts/setup.sh tools

.PHONY: build
build: setup ## Build framerill and framerill-media into target/release
	cargo build --release --bins -p framerill-server -p framerill-av

.PHONY: demo
demo: build ## Show the live runner at work; leaves out/demo.mp4 and out/demo.png
	target/release/framerill demo

.PHONY: test
test: check ## Everything that has to hold: check, then all tests
	cargo build --workspace --bins
	@rm -f $(FRAMERILL_SKIPS)
	cargo nextest run --workspace || { cat $(FRAMERILL_SKIPS) 2>/dev/null; exit 1; }
	@cat $(FRAMERILL_SKIPS) 2>/dev/null || true
	cargo test --workspace --doc --quiet
	for example in in_process over_http transform; do cargo run --quiet -p framerill-trickle --example $$example > target/example.log; done
	$(PYTHON) -m pytest -rs python/framerill python/ai-runner-base examples tests/documents tests/packages --ignore examples/external-pipeline-example
	cd examples/external-pipeline-example && $(PYTHON) -m pytest -q

.PHONY: check
check: tools ## Formatting, lints, types, dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo package --quiet --offline --allow-dirty -p framerill-trickle
	cargo deny --log-level error check licenses bans sources
	$(PYTHON) -m ruff format --check python examples tests/pipelines benches scripts
	$(PYTHON) -m ruff check python examples tests/pipelines benches scripts
	$(PYTHON) -m ruff format --check --config examples/ruff.toml deploy tests/documents tests/packages tests/tensors
	$(PYTHON) -m ruff check --config examples/ruff.toml deploy tests/documents tests/packages tests/tensors
	cd python/framerill && $(PYTHON) -m mypy
	cd python/ai-runner-base && $(PYTHON) -m mypy

.PHONY: bench
bench: build ## Numbers of SPECIFICATION.md, as ratios beside a peer in the same run
	missed=0; $(PYTHON) benches/run.py || missed=$$?; $(PYTHON) benches/trickle.py || missed=$$?; $(PYTHON) benches/live.py || missed=$$?; $(PYTHON) benches/python.py || missed=$$?; exit $$missed

.PHONY: soak
soak: tools ## Ten minutes of recorded video with 30 dead workers, twenty of live streams in chaos, twenty whose workers die, fifty kills of plates
	cargo build --release --workspace --bins
	cargo nextest run --release -p framerill-tests --test judged --test live --test plates --run-ignored only

.PHONY: fuzz
fuzz: tools ## Fuzz the trickle server's request path and the machines for a minute each, then property tests with many more cases
	scripts/fuzz.sh request $(or $(FUZZ_SECONDS),60)
	scripts/fuzz.sh machines $(or $(FUZZ_SECONDS),60)
	PROPTEST_CASES=20000 cargo nextest run --workspace -E 'kind(lib) + binary(lifecycle_any) + binary(filters)'

.PHONY: test-torch
test-torch: setup ## Pipelines with two versions of torch side by side, and the tests of tensors with each: some GB, into target/torch
	cargo build --workspace --bins
	$(PYTHON) -m pytest -rs tests/tensors
	FRAMERILL_PYTHON=$(CURDIR)/target/torch/home/environments/late-torch/bin/python cargo nextest run --workspace -E 'test(a_tensor_of_nan_is_a_picture)'

.PHONY: reference
reference: ## Write the pages of docs/reference that the code tells
	cargo build --workspace --bins
	$(PYTHON) scripts/reference.py target/debug/framerill

.PHONY: dist
dist: setup ## The wheels, framerill with both programs and ai-runner-base, and an archive with the licences, in target/dist
	rm -rf target/dist && mkdir -p target/dist/framerill
	PYTHON=$(PYTHON) scripts/wheel.sh target/dist/framerill
	scripts/try-wheel.sh target/dist/framerill
	cp target/release/framerill target/release/framerill-media README.md LICENSE-* target/dist/framerill/
	cp crates/worker/src/filters/font/LICENSE target/dist/framerill/LICENSE-font
	cp /usr/share/common-licenses/GPL-2 target/dist/framerill/LICENSE-framerill-media
	tar -C target/dist -czf target/dist/framerill.tar.gz framerill
	@ls target/dist/framerill/*.whl target/dist/framerill.tar.gz

.PHONY: clean
clean: ## Remove what was built
	cargo clean
	rm -rf .venv out
