# The commands of this project. Each installs what it needs, through lock files, and works on a
# machine that has Rust (rustup) and Go.

SHELL := /bin/bash
CARGO := cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Components of guest/, each a folder with a crate of this name.
POLICIES := standard
TRAFFIC := network kube-proxy coredns contour envoy $(if $(WITHOUT_TRAEFIK),,traefik)
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ofn-gateway/tools
CARGO_DENY := $(TOOLS)/cargo-deny-0.20.2

.PHONY: build demo test soak record bench lint assets control-plane toolchain policies

## build: the program and its components
build: policies
	$(CARGO) build --locked --release -p ofn-gateway

## demo: the main job with real requests; DEMO_ONCE=1 ends by itself, WITHOUT_TRAEFIK=1 leaves out the
## switch to Traefik, DEMO_CLUSTER=current uses the cluster of KUBECONFIG
demo: build $(if $(filter current,$(DEMO_CLUSTER)),control-plane,assets)
	$(CARGO) build --locked --release -p ofn-tests --bin demo
	$(TARGET)/release/demo

## test: all tests; WITHOUT_TRAEFIK=1 leaves out those that need Traefik
test: build assets
	$(CARGO) test --locked --release --workspace

## soak: the property tests with many more cases, the model with one more edit of the user
soak: build control-plane
	PROPTEST_CASES=$(or $(PROPTEST_CASES),100000) $(CARGO) test --locked --release -p ofn-policy --test properties
	PROPTEST_CASES=$(or $(PROPTEST_CASES),20000) $(CARGO) test --locked --release -p ofn-tests --test passes
	MODEL_MORE=$(or $(MODEL_MORE),1) $(CARGO) test --locked --release -p ofn-tests --test model -- --nocapture --test-threads=1

## record: the statuses that implementations write, anew, with the versions that are pinned
record: build assets
	$(CARGO) build --locked --release -p ofn-tests --bin record
	$(TARGET)/release/record

## bench: what is measured beside the budgets
bench: build control-plane
	$(CARGO) build --locked --release -p ofn-tests --bin bench
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

toolchain:
	@rustup toolchain install >/dev/null 2>&1 || rustup show

policies: toolchain
	$(CARGO) build --locked --release -p componentize
	$(CARGO) build --locked --profile component --target wasm32-unknown-unknown $(POLICIES:%=-p %)
	@mkdir -p $(TARGET)/policies
	@for policy in $(POLICIES); do \
	  $(TARGET)/release/componentize $(TARGET)/wasm32-unknown-unknown/component/$$policy.wasm $(TARGET)/policies/$$policy.wasm || exit 1; \
	done

$(CARGO_DENY):
	@echo "lint: installing cargo-deny, once; about four minutes on two cores" >&2
	$(CARGO) install --locked --quiet --root $@ cargo-deny@0.20.2
