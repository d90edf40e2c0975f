# The one door to everything that is done with this repository, for people and for CI. `make help` lists it.
# Each target installs what it needs; nothing asks questions.

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## The quickstart: the gateway with four MCP servers behind it, a client configuration and a token
	@tools/run.sh

.PHONY: test
test: ## All tests: the workspace's, the MCP conformance suite, a real browser, real clients against the quickstart
	@tools/test.sh

.PHONY: lint
lint: ## Formatting, clippy and the dependency rules
	@tools/lint.sh

.PHONY: bench
bench: ## What one hop costs, compared within one run (bench/README.md)
	@bench/run.sh

.PHONY: eval-conformance
eval-conformance: ## The official MCP conformance suite through the gateway
	@tools/eval-conformance.sh

.PHONY: eval-connect
eval-connect: ## The suite's client scenarios against `cardea connect`
	@tools/eval-connect.sh

.PHONY: eval-authorization
eval-authorization: ## The authorization server in a real browser, with other people's software
	@tools/eval-authorization.sh

.PHONY: eval-quickstart
eval-quickstart: ## Real MCP clients against the quickstart
	@tools/eval-quickstart.sh

.PHONY: eval-console
eval-console: ## The console's pages in a real browser
	@tools/eval-console.sh

.PHONY: eval-access
eval-access: ## Real clients ask for access, people approve in a real browser
	@tools/eval-access.sh

.PHONY: eval-arguments
eval-arguments: ## Lists of command, path and SQL injections against argument constraints
	@tools/eval-arguments.sh

.PHONY: eval-schema
eval-schema: ## The official JSON Schema Test Suite through the schema firewall; tools of real servers, as Cedar schemas too
	@tools/eval-schema.sh

.PHONY: eval-history
eval-history: ## Published versions of real servers: what goes to quarantine is what changed
	@tools/eval-history.sh

.PHONY: eval-squatting
eval-squatting: ## Flags on tools of real servers (EVAL_DATA), and on look-alikes of them
	@tools/eval-squatting.sh

.PHONY: eval-bounds
eval-bounds: ## What hostile schemas, patterns and answers cost: time and memory
	@tools/eval-bounds.sh

.PHONY: eval-agentdojo
eval-agentdojo: ## AgentDojo's tasks and attacks through the gateway, without a model (EVAL_DATA)
	@tools/eval-agentdojo.sh

.PHONY: eval-attacks
eval-attacks: ## Published attacks on exact versions of real servers, without protection and through the gateway
	@tools/eval-attacks.sh

.PHONY: eval-kill
eval-kill: ## Kill the gateway 1000 times under load; no effect may be without its record
	@tools/eval-kill.sh

.PHONY: eval-model
eval-model: ## Random lives of grants against a model, and processes killed in their midst
	@tools/eval-model.sh

.PHONY: eval-sandbox
eval-sandbox: ## Attacks from within the sandbox of a stdio server, each wall by itself, and what a box costs
	@tools/eval-sandbox.sh

.PHONY: eval-revocation
eval-revocation: ## From a revocation to the last byte of 200 calls under way; p99 must be below 50 ms
	@tools/eval-revocation.sh

.PHONY: eval-mutants
eval-mutants: ## Seeded leaks between tenants; the tests of tenants must catch each
	@tools/eval-mutants.sh

.PHONY: fuzz
fuzz: ## Each fuzz target for a minute
	@tools/fuzz.sh
