# `make help` lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# What travels in the zip besides the program: BASELINE=trailwarden.baseline.yaml CONFIG=trailwarden.yaml make lambda
BASELINE ?=
CONFIG   ?=

# The commit, unless the caller names a version: VERSION=v1.2.3 make lambda
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 10s
SEEDS    ?= 3000

# net/rpc, which aws-lambda-go carries for an older runtime, would switch off the linker's removal of
# unused code; timetzdata makes time_zone work in an image without a zone database.
LAMBDA_TAGS := lambda.norpc,timetzdata

.PHONY: help demo test testdeps build standalone lambda bench fuzz lint clean
.DEFAULT_GOAL := help
FORCE:

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## show it all on a simulated AWS: no account, no network
	@go run ./cmd/trailwarden demo

# `go test` alone says nothing of what was skipped in a package that passes.
test: ## run all tests; lists at the end what could not be proven here
	@go tool gotestsum --format standard-quiet -- ./...

testdeps: ## install what some tests want besides Go (Debian, root): a real mail server, a browser, shellcheck
	@if ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ]; then \
		echo "SKIPPED: this takes apt-get and root; tests that want exim4 or chromium will skip, and say so"; exit 0; fi; \
	apt-get install -y --no-install-recommends exim4-daemon-light chromium shellcheck

build: ## build bin/trailwarden for this machine
	@CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/trailwarden ./cmd/trailwarden
	@ls -l bin/trailwarden

# The program with the function's zip in it, so that `trailwarden deploy` needs no other file.
standalone: dist/trailwarden-lambda-arm64.zip ## build bin/trailwarden with the Lambda function's zip in it
	@trap 'rm -f cmd/trailwarden/built-in.zip' EXIT; cp $< cmd/trailwarden/built-in.zip; \
		CGO_ENABLED=0 go build -tags withzip -trimpath -ldflags "$(LDFLAGS)" -o bin/trailwarden ./cmd/trailwarden
	@ls -l bin/trailwarden

ZIPS := $(foreach name,trailwarden-lambda trailwarden-scan-lambda,dist/$(name)-arm64.zip dist/$(name)-amd64.zip)

lambda: $(ZIPS) ## build the Lambda functions: dist/trailwarden-lambda-{arm64,amd64}.zip, and the scanner's
	@ls -l $^

# Two builds of one commit are equal byte for byte: neither paths nor times get in.
dist/trailwarden-lambda-%.zip: FORCE
	@mkdir -p dist/$*
	@GOOS=linux GOARCH=$* CGO_ENABLED=0 go build -tags $(LAMBDA_TAGS) -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" \
		-o dist/$*/bootstrap ./cmd/trailwarden-lambda
	@go run ./tools/lambdazip $(if $(CONFIG),-config $(CONFIG)) $@ dist/$*/bootstrap $(BASELINE)

dist/trailwarden-scan-lambda-%.zip: FORCE
	@mkdir -p dist/scan-$*
	@GOOS=linux GOARCH=$* CGO_ENABLED=0 go build -tags lambda.norpc -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" \
		-o dist/scan-$*/bootstrap ./cmd/trailwarden-scan-lambda
	@go run ./tools/lambdazip $@ dist/scan-$*/bootstrap

bench: ## run the benchmarks, and measure how fast the Lambda function reacts
	@go test -run '^$$' -bench . -benchmem ./... | grep -v 'no test files'
	@CGO_ENABLED=0 go build -tags $(LAMBDA_TAGS) -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" -o dist/bench/bootstrap ./cmd/trailwarden-lambda
	@go run ./tools/reaction -bootstrap dist/bench/bootstrap
	@go run ./tools/sweepbench
	@go run ./tools/floodbench
	@$(MAKE) --no-print-directory build
	@go run ./tools/scanbench

fuzz: ## play SEEDS (3000) new seeds of the simulation, then run every fuzz target for FUZZTIME (10s)
	@TW_FIRST=$$(date +%s) TW_SEEDS=$(SEEDS) go test ./internal/daemon -run '^TestSimulation$$' -timeout 60m
	@for p in $$(go list ./...); do \
		list=$$(go test -list '^Fuzz' $$p); \
		for f in $$(grep '^Fuzz' <<<"$$list" || true); do \
			echo "== $$p $$f"; \
			go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p; \
		done; \
	done

soak: ## a simulated year of the daemon, and ten thousand seeds of the simulation
	@TW_DAYS=365 go test ./internal/daemon -run '^TestSoak$$' -v -timeout 60m
	@TW_SEEDS=10000 go test ./internal/daemon -run '^TestSimulation$$' -timeout 60m

lint: ## gofmt, go vet and staticcheck; fails on anything
	@unformatted=$$(gofmt -l .); \
		if [ -n "$$unformatted" ]; then echo "run gofmt -w on:" $$unformatted; exit 1; fi
	@go vet ./...
	@go tool staticcheck ./...

clean: ## remove what was built
	@rm -rf bin dist
