#!/usr/bin/env bash
# Compiles everything but the cloud and the panel for macOS, on any system.
#
#   check-mac.sh [TARGET...]     aarch64-apple-darwin and x86_64-apple-darwin without arguments
#
# Rust's library for the target comes from rustup (`rustup target add TARGET`), or is compiled from its sources
# where those are installed beside the compiler (rustup's component or a distribution's package `rust-src`).
# The C library inside needs a compiler for the target: the system's own on a Mac, else zig (`zig` in PATH, or
# the Python package `ziglang`). Warnings count as errors. Nothing is linked: a Mac's frameworks are not needed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo="${CARGO:-cargo}"
rustc="${RUSTC:-rustc}"
folder="${CARGO_TARGET_DIR:-target}/mac"
case "$folder" in /*) ;; *) folder="$PWD/$folder" ;; esac
fail() { printf 'check-mac: %s\n' "$*" >&2; exit 1; }

targets=("$@")
[ "$#" -gt 0 ] || targets=(aarch64-apple-darwin x86_64-apple-darwin)
sysroot="$("$rustc" --print sysroot)"
mkdir -p "$folder"

zig=()
if [ "$(uname -s)" != Darwin ]; then
  if command -v zig >/dev/null 2>&1; then zig=("$(command -v zig)")
  elif python3 -c 'import ziglang' 2>/dev/null; then zig=("$(command -v python3)" -m ziglang)
  else fail "no C compiler for macOS: install zig (pip install ziglang)"; fi
fi

# zig has its own names for targets, and none for the flags that say the same.
c_compiler() { # TARGET
  local program="$folder/cc-$1" arch="${1%%-*}"
  cat >"$program" <<WRAPPER
#!/usr/bin/env bash
arguments=()
while [ "\$#" -gt 0 ]; do
  case "\$1" in
    --target=* | -march=* | -mmacosx-version-min=* | -mmacos-version-min=*) ;;
    -arch | -target | -isysroot) shift ;;
    *) arguments+=("\$1") ;;
  esac
  shift
done
exec $(printf '%q ' "${zig[@]}") cc -target $arch-macos "\${arguments[@]}"
WRAPPER
  chmod 0755 "$program"
  printf '%s' "$program"
}

for target in "${targets[@]}"; do
  case "$target" in aarch64-apple-darwin | x86_64-apple-darwin) ;; *) fail "no such target: $target" ;; esac
  library=()
  if ! compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null; then
    [ -e "$sysroot/lib/rustlib/src/rust/library/std/Cargo.toml" ] \
      || fail "no Rust library for $target: 'rustup target add $target', or install rust-src"
    # Asked of a stable compiler, which has it all the same.
    export RUSTC_BOOTSTRAP=1
    library=(-Z build-std=std,panic_abort,panic_unwind,test)
  fi
  if [ "${#zig[@]}" -gt 0 ]; then
    name="$(printf '%s' "$target" | tr - _)"
    export "CC_$name=$(c_compiler "$target")"
    printf '#!/bin/sh\nexec %s ar "$@"\n' "$(printf '%q ' "${zig[@]}")" >"$folder/ar"
    chmod 0755 "$folder/ar"
    export "AR_$name=$folder/ar"
    # Else Xcode would be asked where it is.
    export SDKROOT="$folder"
  fi
  echo "check-mac: $target"
  RUSTFLAGS="-D warnings" CARGO_TARGET_DIR="$folder" "$cargo" check --workspace --all-targets \
    --exclude keyway-cloud --exclude keyway-panel --target "$target" ${library[@]+"${library[@]}"}
done
