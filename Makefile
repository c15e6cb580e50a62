SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Packages tested at a time: most of them wait most of the time. make test P=1 for few.
P ?= $(shell echo $$((2 * $$(nproc))))
# Those that take longest come first, so that no core waits for them at the end.
unit = $$(go list ./sip ./node ./node/dn ./node/consensus ./cmd/sipcluster ./sip/location ./fsm ./... | grep -v /jepsen/)
golangci = go tool -modfile=tools/golangci-lint.mod golangci-lint
buf = go tool -modfile=tools/buf.mod buf

.PHONY: help build run dev demo setup test unit unit-plain test-python e2e lint fmt generate api-baseline browser-bundles check-generated bench bench-full bench-peer jepsen jepsen-short jepsen-regressions jepsen-broken jepsen-broken-quick mutants mutants-quick mutants-e2e package test-package image test-image release test-release test-alerts clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/sipcluster
	go build -o bin/sipcluster ./cmd/sipcluster

run: build ## a whole local cluster: 3 nodes in 3 sites, no root (Ctrl-C ends it)
	bin/sipcluster dev

dev: run

demo: build ## the document's three scenes with built-in SIP phones
	bin/sipcluster demo

setup: ## what the tests need of Debian: sipp, baresip, sipsak, chromium, nft, ip, gcc
	@scripts/setup

# The simulations make all their runs without the race detector, and a tenth with it.
# What go vet finds, make lint says.
test: setup ## everything: unit and property tests with the race detector, long ones without it, then real clusters
	go test -race -short -vet=off -timeout=20m -p $(P) $(unit)
	scripts/test-long -vet=off -p $(P)
	@$(MAKE) --no-print-directory test-python
	go test -count=1 -vet=off -timeout=15m ./jepsen/...

unit: ## only the unit and property tests, with the race detector
	go test -race -timeout=20m -p $(P) $(unit)

unit-plain: ## the same without it: what is slow there may hide what is fast here
	go test -p $(P) $(unit)

test-python: setup build ## the Python client: its types, and its tests with a real cluster
	scripts/test-python

e2e: setup ## only the tests with real clusters and phones
	go test -count=1 -timeout=15m -v ./jepsen/...

lint: ## gofmt, go.mod, golangci-lint with staticcheck and the import rules, buf lint and breaking, what documents point at
	@test -z "$$(gofmt -l .)" || { echo "not gofmt'ed:"; gofmt -l .; exit 1; }
	go mod tidy -diff
	$(golangci) run ./...
	$(buf) lint
	$(buf) breaking --against api/baseline.binpb
	scripts/check-docs

fmt: ## gofmt everything
	gofmt -w .

generate: setup ## Go and Python code of the .proto files
	$(buf) generate
	scripts/generate-python api/python

api-baseline: ## the .proto files as they are become what no change may break
	$(buf) build --exclude-source-info -o api/baseline.binpb

browser-bundles: ## the browser phones' scripts anew, from npm
	scripts/browser-bundles

check-generated: setup ## fails when generated code is not that of the .proto files
	@scripts/check-generated

bench: build ## the figures of this machine, as a table and as JSON
	go run ./jepsen/bench

bench-full: build ## bench with long runs: 10 minutes of false-loss watching among them
	go run ./jepsen/bench -full

bench-peer: build ## bench beside Kamailio with the same load
	jepsen/bench/peer.sh

# One kind of run again: make jepsen SCENARIO=storm SEED=7 NODES=5 FOR=90s
SCENARIO ?= explore
SEED ?= 0
NODES ?= 0
FOR ?= 60s
chaos = go run ./jepsen/chaos -seed $(SEED) -nodes $(NODES)

jepsen: setup ## break clusters at random for 10 minutes and judge them; or SCENARIO=... SEED=... NODES=... FOR=...
	$(chaos) -scenario $(SCENARIO) -for $(FOR)

jepsen-short: setup ## the runs of CI: 3 nodes, a fixed set, about 5 minutes
	$(chaos) -scenario short -for 25s -skip

jepsen-regressions: setup ## the scenarios that found bugs, about 7 minutes
	$(chaos) -scenario regressions

jepsen-broken: setup ## servers with faults built in: each must be found
	$(chaos) -broken all

jepsen-broken-quick: setup ## some of them, about a minute: what CI runs
	$(chaos) -broken quick -skip

mutants: ## the server broken in small ways: a unit test must fail for each (docs/mutation.md)
	go run ./jepsen/mutants

mutants-quick: ## one of each kind: what CI runs
	go run ./jepsen/mutants -most 1

mutants-e2e: setup ## the same for what only tests with real clusters see
	go run ./jepsen/mutants -layer e2e

nightly: ## what .ci/run leaves out: all tests whole under the race detector, all mistakes and faults, packages (hours; root)
	@$(MAKE) --no-print-directory unit mutants mutants-e2e jepsen-regressions jepsen-broken test-package test-image test-release test-alerts

package: ## the Debian package and the tarball, into bin
	scripts/package

test-package: ## the package installed, started, upgraded and removed in a copy of this Debian system (root)
	scripts/test-package

image: ## the container image, into bin: docker load -i
	scripts/image

test-image: ## the image built twice, unpacked and run as the Compose file says, with Prometheus (root)
	scripts/test-image

release: ## packages, image, list of parts (CycloneDX) and checksums of a tagged commit, into bin/release
	scripts/release

test-release: ## a release made twice, in two places: the same checksums
	scripts/test-release

test-alerts: ## the alert rules, with Debian's Prometheus and Alertmanager (root)
	scripts/test-alerts

clean: ## built files away
	rm -rf bin
