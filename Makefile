# What a person types here; each target sees to its own needs first, so nothing
# has to be done by hand before. One release build serves all of them.

PREFIX ?= /usr/local
# Under sudo there may be no rustc; `make install` then places what was built before.
HOST := $(or $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p'),$(shell uname -m)-unknown-linux-gnu)
# .cargo/config.toml names the host as a target, so its name is in the path.
BIN := $(or $(CARGO_TARGET_DIR),target)/$(HOST)/release/krsi-sh
ROOT := $(DESTDIR)$(PREFIX)

.PHONY: help build check demo fuzz test matrix try kernels templates templates-check lint bench performance install

help: ## Say what there is
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

demo: ## Boot a kernel in the lab and watch a script observe and deny in it
	@scripts/setup lab
	@scripts/kernels -v 6.12
	@scripts/alive "still compiling" cargo build --release
	@$(BIN) --format=text lab --kernel 6.12 scripts/demo.rhai

test: ## Run everything, in stages: lints, the objects' rebuild check, all tests; every claim on the oldest and the newest kernel, the common ones on all five
	@scripts/test

matrix: ## Run every claim on each of the five kernels; `test` does so on the oldest and the newest
	@KRSI_LAB_ALL=1 scripts/test kernels lab

check: ## Run what needs no kernel, in the development profile: format, lints, unit tests, golden files, the order of the modules
	@cargo fmt --check
	@rustfmt --check --edition 2024 src/commands/*.rs
	@cargo clippy --all-targets -- -D warnings
	@cargo test --lib --test architecture --test diagnostics --test templates

TRY_KERNEL ?= 7.3
CLAIMS ?= common:
try: ## Compile one template and run its row of the common claims on one kernel: make try TEMPLATE=exec [TRY_KERNEL=5.10] [CLAIMS=]
	@[ -n "$(TEMPLATE)" ] || { echo "make try: name a template: make try TEMPLATE=exec" >&2; exit 2; }
	@scripts/setup lab
	@scripts/setup templates
	@scripts/kernels "$(TRY_KERNEL)"
	@scripts/templates "$(TEMPLATE)"
	@cargo test --test lab -- "$(TRY_KERNEL)::$(TEMPLATE)::$(CLAIMS)"

kernels: ## Fetch the five kernels of the matrix, user-mode Linux, and the services that are learned from, into the cache
	@scripts/setup lab
	@scripts/kernels -v --all
	@scripts/peers -v --services

templates: ## Rebuild the committed eBPF objects
	@scripts/setup templates
	scripts/templates

templates-check: ## Fail if the committed eBPF objects differ from their sources by a byte
	@scripts/setup templates
	scripts/templates --check

FUZZ_SECONDS ?= 60
fuzz: ## Fuzz what takes bytes from elsewhere, each target for FUZZ_SECONDS: make fuzz [FUZZ_SECONDS=600]
	@scripts/fuzz "$(FUZZ_SECONDS)"

lint: ## Formatting and lints, warnings being errors
	cargo fmt --check
	rustfmt --check --edition 2024 src/commands/*.rs
	cargo clippy --release --all-targets -- -D warnings
	@if command -v shellcheck >/dev/null; then shellcheck scripts/alive scripts/setup scripts/debian scripts/kernels scripts/fuzz scripts/peers scripts/reports scripts/test .ci/run; fi

bench: ## Measure against the goals; fails if one is missed
	@scripts/setup lab
	@scripts/setup templates
	@scripts/setup bench
	@scripts/kernels 6.12
	@scripts/peers --tools
	cargo bench --bench figures

performance: ## The same, and write the figures into docs/performance.md
	@KRSI_BLESS=1 $(MAKE) --no-print-directory bench

build: ## Build the program
	@scripts/alive "still compiling" cargo build --release --locked

install: ## Install to $(PREFIX) what `make build` has built: the program, completions, man page
	@[ -x "$(BIN)" ] || $(MAKE) --no-print-directory build
	install -D -m 755 "$(BIN)" "$(ROOT)/bin/krsi-sh"
	@set -e; \
	place() { if [ -e "$$1" ]; then install -D -m 644 "$$1" "$(ROOT)/share/$$2"; fi; }; \
	place completions/krsi-sh.bash bash-completion/completions/krsi-sh; \
	place completions/_krsi-sh zsh/site-functions/_krsi-sh; \
	place completions/krsi-sh.fish fish/vendor_completions.d/krsi-sh.fish; \
	place docs/krsi-sh.1 man/man1/krsi-sh.1; \
	place docs/krsi-sh-script.7 man/man7/krsi-sh-script.7; \
	for script in scripts/jail.rhai scripts/compliance/*.rhai scripts/hunts/*.rhai scripts/guards/*.rhai scripts/mitigations/*.rhai scripts/lib/*.rhai scripts/reactions/*.rhai; do place "$$script" "krsi-sh/$${script#scripts/}"; done
