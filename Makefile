# Every target runs on a machine with Rust, Node and Python alone; the rest is installed on first use.
.PHONY: check test cdk e2e soak bench fuzz deny doc fmt run demo dist

check:  ## Format, lints, dependency rules, documentation
	scripts/check.sh

test:  ## Everything, against a local SQS and S3
	scripts/test.sh

cdk:  ## The deployment alone: templates, their rules, the real binaries in them, images
	scripts/cdk.sh

e2e:  ## The end-to-end tests alone
	cargo test --locked -p adt-bridge -- --include-ignored

soak:  ## Long fault runs, about an hour; SOAK_ROUNDS=10 SOAK_MINUTES=1 for a short one
	scripts/soak.sh

bench:  ## Product and floors in turns, backlog, decoding; BENCH_ROUNDS=1 BENCH_SECONDS=1 BENCH_MESSAGES=10000 for a short one
	scripts/bench.sh

fuzz:  ## Fuzzes the parsers; FUZZ_SECONDS=30 for a short one
	scripts/fuzz.sh

deny:  ## Licences, advisories, sources; needs cargo-deny
	cargo deny --locked check

doc:  ## Documentation of the crates
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

fmt:  ## Formats the code
	cargo fmt --all

dist:  ## A release of this machine's target into dist/: programs, manual, bill of materials, checksums
	scripts/dist.sh

run:  ## The whole bridge on this machine
	cargo run --locked -- up

demo:  ## One patient, once through the whole path
	cargo run --locked -- demo
