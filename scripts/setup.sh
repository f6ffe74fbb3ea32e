#!/bin/sh
# Looks for what a command of the Makefile needs, installs what is missing, and says plainly what it cannot.
#
#   scripts/setup.sh run|test|release|chaos|lint|fuzz|sim|audit
#
# Nothing is installed that is already there, so that a second run is quick.

set -eu

cd "$(dirname "$0")/.."
for_what=${1:-test}

# Pinned, because a test depends on what it says.
standardwebhooks_version=1.1.0
aiosmtpd_version=1.4.6

say() {
	printf 'setup: %s\n' "$*"
}

fail() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

has() {
	command -v "$1" >/dev/null 2>&1
}

# Cargo's own folder may be missing from the PATH of a fresh shell.
if ! has cargo && [ -x "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo" ]; then
	fail "cargo is installed but not in PATH; run: . \"${CARGO_HOME:-${HOME:-}/.cargo}/env\""
fi

need_rust() {
	has cargo || fail "Rust is missing; install it with rustup, see https://rustup.rs, then come back"
	if ! cargo --version >/dev/null 2>&1; then
		has rustup || fail "cargo does not start; reinstall Rust with rustup, see https://rustup.rs"
		say "installing the toolchain of rust-toolchain.toml"
		rustup toolchain install || fail "the toolchain of rust-toolchain.toml could not be installed"
	fi
	if [ "$for_what" = test ] || [ "$for_what" = lint ]; then
		for component in fmt clippy; do
			cargo "$component" --version >/dev/null 2>&1 ||
				fail "cargo $component is missing; run: rustup component add rustfmt clippy"
		done
	fi
}

# SQLite and ring bring C that is compiled with the rest.
need_c_compiler() {
	if has cc || has gcc || has clang; then
		return
	fi
	if [ "$(id -u)" -eq 0 ] && has apt-get; then
		say "installing a C compiler"
		if apt-get update -qq && apt-get install -y -qq gcc libc6-dev; then
			return
		fi
	fi
	fail "a C compiler is missing; install one, on Debian with: sudo apt-get install gcc libc6-dev"
}

# need_cargo_tool NAME SUBCOMMAND
need_cargo_tool() {
	if cargo "$2" --version >/dev/null 2>&1; then
		return
	fi
	say "installing $1, once; this takes some minutes"
	# Built in a folder of its own: the project's target folder is for the project.
	env -u CARGO_TARGET_DIR cargo install --quiet --locked "$1"
}

# Tests compare our signatures with the ones another implementation makes, and hand mails to a mail server.
need_python() {
	venv=target/venv
	if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import standardwebhooks, aiosmtpd' 2>/dev/null; then
		return
	fi
	has python3 ||
		fail "python3 is missing; tests check signatures and mails with it; on Debian: sudo apt-get install python3 python3-venv"
	say "making $venv with standardwebhooks $standardwebhooks_version and aiosmtpd $aiosmtpd_version"
	mkdir -p target
	rm -rf "$venv"
	python3 -m venv "$venv" ||
		fail "python3 cannot make a venv; on Debian: sudo apt-get install python3-venv"
	"$venv/bin/python" -m pip install --quiet \
		"standardwebhooks==$standardwebhooks_version" "aiosmtpd==$aiosmtpd_version" ||
		fail "pip could not install standardwebhooks and aiosmtpd into $venv; is the network there?"
}

# Tests verify what is said as Ironclad by that vendor's own recipe, which is for Node.js.
need_node() {
	has node && return
	if [ "$(id -u)" -eq 0 ] && has apt-get; then
		say "installing Node.js"
		if apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs; then
			return
		fi
	fi
	fail "Node.js is missing; install it, on Debian with: sudo apt-get install nodejs"
}

# Tests of the store of several nodes start a server of their own.
need_postgres() {
	if has initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
		return
	fi
	if [ "$(id -u)" -eq 0 ] && has apt-get; then
		say "installing PostgreSQL"
		# No server of the system's own is wanted.
		if apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql; then
			return
		fi
	fi
	fail "PostgreSQL is missing; install it, on Debian with: sudo apt-get install postgresql"
}

# The release is trained on the bench, and this reads what it has learnt.
need_profdata() {
	[ -e "$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/llvm-profdata" ] && return
	if has rustup; then
		say "installing the compiler's own llvm-tools"
		rustup component add llvm-tools && return
	fi
	has llvm-profdata || ls /usr/lib/llvm-*/bin/llvm-profdata >/dev/null 2>&1 ||
		fail "llvm-profdata is missing; install it, with rustup component add llvm-tools, or as LLVM of your compiler's version"
}

need_rust
need_c_compiler

case $for_what in
run | sim) ;;
chaos) need_postgres ;;
release)
	need_postgres
	need_profdata
	;;
test)
	need_python
	need_node
	need_postgres
	need_cargo_tool cargo-nextest nextest || fail "cargo-nextest could not be installed; the tests run in it"
	need_cargo_tool cargo-deny deny ||
		say "cargo-deny could not be installed; its check is left out, cargo xtask rooms still holds the fences"
	;;
lint)
	need_cargo_tool cargo-deny deny ||
		say "cargo-deny could not be installed; its check is left out, cargo xtask rooms still holds the fences"
	;;
audit)
	need_cargo_tool cargo-deny deny || fail "cargo-deny could not be installed; it knows the advisories"
	;;
fuzz)
	[ -d fuzz ] || fail "there are no fuzz targets in this tree"
	if ! cargo +nightly --version >/dev/null 2>&1; then
		has rustup || fail "fuzzing needs a nightly toolchain, and rustup to install it"
		say "installing a nightly toolchain"
		rustup toolchain install nightly --profile minimal ||
			fail "fuzzing needs a nightly toolchain, which could not be installed"
	fi
	need_cargo_tool cargo-fuzz fuzz || fail "cargo-fuzz could not be installed"
	;;
*)
	fail "unknown: $for_what; say one of run, test, release, chaos, lint, fuzz, sim, audit"
	;;
esac
