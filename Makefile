# The commands of this project. Each installs what it needs, through lock files, and works on a
# machine that has Rust (rustup) and Go.

SHELL := /bin/bash
CARGO := cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Components of guest/, each a folder with a crate of this name.
POLICIES := standard apisix cilium contour envoy-gateway istio kong nginx-gateway-fabric traefik
# One in JavaScript, and what it is built with.
JAVASCRIPT := guest/aws-load-balancer
JCO := $(JAVASCRIPT)/node_modules/.package-lock.json
TRAFFIC := network kube-proxy coredns contour envoy $(if $(WITHOUT_TRAEFIK),,traefik)
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ofn-gateway/tools
CARGO_DENY := $(TOOLS)/cargo-deny-0.20.2
CARGO_FUZZ := $(TOOLS)/cargo-fuzz-0.13.2

.PHONY: build demo test soak fuzz record bench lint assets control-plane toolchain programs policies hostile javascript

## build: the program and its components
build: policies

# All programs at once, here and in the other targets: the features of dependencies depend on what is
# built together, and each combination would be compiled anew.
programs: toolchain
	$(CARGO) build --locked --release --workspace --bins

## demo: the main job with real requests; DEMO_ONCE=1 ends by itself, WITHOUT_TRAEFIK=1 leaves out the
## switch to Traefik, DEMO_CLUSTER=current uses the cluster of KUBECONFIG
demo: build $(if $(filter current,$(DEMO_CLUSTER)),control-plane,assets)
	$(TARGET)/release/demo

## test: all tests; WITHOUT_TRAEFIK=1 leaves out those that need Traefik
test: build hostile javascript assets
	$(CARGO) test --locked --release --workspace

## soak: the property tests with many more cases, the model with one more edit of the user
soak: build control-plane
	PROPTEST_CASES=$(or $(PROPTEST_CASES),100000) $(CARGO) test --locked --release --workspace --test properties
	PROPTEST_CASES=$(or $(PROPTEST_CASES),20000) $(CARGO) test --locked --release --workspace --test passes
	MODEL_MORE=$(or $(MODEL_MORE),1) $(CARGO) test --locked --release --workspace --test model -- --nocapture --test-threads=1 --include-ignored

## fuzz: each target for FUZZ_SECONDS, with libFuzzer. Needs a nightly toolchain (rustup toolchain install nightly).
## What is found goes to tests/fuzz/found/TARGET/, where `make test` keeps trying it
fuzz: build $(CARGO_FUZZ)
	$(TARGET)/release/fuzz-seeds $(TARGET)/fuzz-seeds
	cd tests && for target in $(or $(FUZZ_TARGETS),template spec status vetting component); do \
	  mkdir -p fuzz/corpus/$$target fuzz/found/$$target; \
	  CARGO_TARGET_DIR=$(abspath $(TARGET)) PATH=$(CARGO_FUZZ)/bin:$$PATH \
	    $(CARGO) +nightly fuzz run --fuzz-dir fuzz --target-dir $(abspath $(TARGET))/fuzz $$target \
	    fuzz/corpus/$$target $(abspath $(TARGET))/fuzz-seeds/$$target -- \
	    -max_total_time=$(or $(FUZZ_SECONDS),600) -rss_limit_mb=4096 -artifact_prefix=fuzz/found/$$target/ || exit 1; \
	done

## record: the statuses that implementations write, anew, with the versions that are pinned
record: build assets
	$(TARGET)/release/record

## bench: what is measured beside the budgets
bench: build hostile control-plane
	$(TARGET)/release/bench

## lint: form, lints, documentation, licences and sources of dependencies. Advisories need a
## database from the internet, so they are not checked here: `cargo deny check advisories`.
lint: toolchain $(CARGO_DENY)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --release --workspace --no-deps --document-private-items
	$(CARGO_DENY)/bin/cargo-deny --locked check bans licenses sources

## assets: what the demo and the tests run, each built once; Traefik is the dearest
assets: control-plane
	@for asset in $(TRAFFIC); do tests/assets/assets.sh $$asset >/dev/null || exit 1; done

control-plane:
	@for asset in $@ gateway-api-v1.5.1 gateway-api-v0.8.0; do tests/assets/assets.sh $$asset >/dev/null || exit 1; done

# A component for the tests.
hostile: policies
	$(CARGO) build --locked --profile component --target wasm32-unknown-unknown -p hostile
	@mkdir -p $(TARGET)/hostile
	@$(TARGET)/release/componentize $(TARGET)/wasm32-unknown-unknown/component/hostile.wasm $(TARGET)/hostile/hostile.wasm

## javascript: the component in JavaScript, which is no part of `build`. Needs Node.js with npm
javascript: $(TARGET)/javascript/aws-load-balancer.wasm

$(TARGET)/javascript/aws-load-balancer.wasm: $(JAVASCRIPT)/src/policy.js $(wildcard $(JAVASCRIPT)/src/*.js) wit/gateway.wit $(JCO)
	@mkdir -p $(@D)
	$(JAVASCRIPT)/node_modules/.bin/jco componentize $(abspath $<) --out $(abspath $@) \
	  --wit $(abspath wit/gateway.wit) --world-name policy-component \
	  --backend quickjs --backend-qjs-stub-wasi --backend-qjs-disable-async

$(JCO): $(JAVASCRIPT)/package-lock.json
	npm ci --prefix $(JAVASCRIPT)
	@touch $@

toolchain:
	@rustup toolchain install >/dev/null 2>&1 || rustup show

policies: programs
	$(CARGO) build --locked --profile component --target wasm32-unknown-unknown $(POLICIES:%=-p %)
	@mkdir -p $(TARGET)/policies
	@for policy in $(POLICIES); do \
	  $(TARGET)/release/componentize $(TARGET)/wasm32-unknown-unknown/component/$${policy//-/_}.wasm $(TARGET)/policies/$$policy.wasm || exit 1; \
	done

$(CARGO_FUZZ):
	$(CARGO) install --locked --quiet --root $@ cargo-fuzz@0.13.2

$(CARGO_DENY):
	@echo "lint: installing cargo-deny, once; about four minutes on two cores" >&2
	$(CARGO) install --locked --quiet --root $@ cargo-deny@0.20.2
