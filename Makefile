# Every target runs on a machine with Rust, Node and Python alone; the rest is installed on first use.
.PHONY: check test deny doc fmt run demo

check:  ## Format, lints, dependency rules, documentation
	scripts/check.sh

test:  ## Everything, against a local SQS and S3
	scripts/test.sh

deny:  ## Licences, advisories, sources; needs cargo-deny
	cargo deny --locked check

doc:  ## Documentation of the crates
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

fmt:  ## Formats the code
	cargo fmt --all

run:  ## The whole bridge on this machine
	cargo run --locked -- up

demo:  ## One patient, once through the whole path
	cargo run --locked -- demo
