#!/bin/sh
# Builds the service as it is measured, and best shipped: first with counters, which learn from a minute of the bench
# which ways are gone often, then once more by what was learnt. The outcome is target/trained/countersign.
#
# Left to others: installing what this needs (`scripts/setup.sh release`).

set -eu

cd "$(dirname "$0")/.."
root=$(pwd)
learnt=$root/target/trained/learnt
host=$(rustc -vV | sed -n 's/^host: //p')

say() {
	printf 'release: %s\n' "$*"
}

# build FLAG: builds the service with one more flag for the compiler.
build() {
	# With the target named, build scripts and macros are spared the flag.
	CARGO_ENCODED_RUSTFLAGS=$1 cargo build --release --package countersign --target "$host" --target-dir target/trained
}

# train COMMAND...: puts the service that counts through a few of the bench's scenarios; what it learns, it writes when it stops.
train() {
	train_log=target/trained/training.log
	if ! "$@" --quick --binary target/trained/counting --data target/trained/data >"$train_log" 2>&1; then
		tail -n 20 "$train_log" >&2
		say "the training failed; $train_log has all that was said" >&2
		exit 1
	fi
}

# Whoever reads the counters must be of the compiler's make: its own first.
profdata=$(ls "$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata" 2>/dev/null ||
	command -v llvm-profdata || ls /usr/lib/llvm-*/bin/llvm-profdata 2>/dev/null | sort -V | tail -n 1)
[ -n "$profdata" ] || {
	say "llvm-profdata is missing; run: rustup component add llvm-tools" >&2
	exit 1
}

say "building the bench"
cargo build --release --package bench
bench=${CARGO_TARGET_DIR:-target}/release/bench

say "building the service with counters (1 of 2)"
rm -rf "$learnt"
build "-Cprofile-generate=$learnt"
cp "target/trained/$host/release/countersign" target/trained/counting

say "training it, embedded"
train "$bench" run one requests fanout backlog half intake
say "training it, on PostgreSQL"
train cargo xtask with-postgres -- "$bench" run one requests fanout backlog --store postgres

"$profdata" merge -o target/trained/learnt.profdata "$learnt"/*.profraw || {
	say "$profdata does not read what this compiler's counters wrote; run: rustup component add llvm-tools" >&2
	exit 1
}

say "building the service by what was learnt (2 of 2)"
build "-Cprofile-use=$root/target/trained/learnt.profdata"
cp "target/trained/$host/release/countersign" target/trained/countersign
say "done: target/trained/countersign"
