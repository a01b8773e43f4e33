#!/bin/sh
# guest/toolchain.sh DEST
#
# Puts a compiler for wasm32-unknown-unknown under DEST on a Debian machine that cannot reach
# rustup's server. host/build.rs calls it as the last resort; it can be called by hand as well.
#
# Debian's security archive carries a recent compiler for the browsers' sake (rustc-web). Its
# packages are downloaded and unpacked, never installed: no root is needed and the system stays as
# it is. The standard library for the target is then built from Debian's source package.
#
# Needs: apt-get, dpkg, flock, tar, a C compiler, and rustup's host toolchain for its cargo and its
# linker (rust-lld). About 140 MB to download, 500 MB on disk, a minute of time; a repeat is free.
#
# DEST/stamp is written last. A tree without the right stamp is thrown away and made again, so that
# a run that was killed leaves nothing half-made behind. Runs on one DEST wait for each other.
#
# Result: DEST/bin/rustc, and DEST/env, which points cargo to it:
#   . DEST/env && cargo build --target wasm32-unknown-unknown
set -eu
export LC_ALL=C # the output of apt-cache is read below

say() { echo "guest-toolchain: $*" >&2; }
die() { say "$*"; exit 1; }

[ $# -eq 1 ] || { echo "usage: $0 DEST" >&2; exit 2; }
script=$(cd "$(dirname "$0")" && pwd -P)/$(basename "$0")
mkdir -p "$1"
dest=$(cd "$1" && pwd -P)
target=wasm32-unknown-unknown

for tool in apt-get apt-cache dpkg dpkg-deb flock tar rustc; do
    command -v "$tool" >/dev/null || die "$tool is missing"
done

# Held until this process and every command it started are gone: a compiler that outlives a killed
# run cannot write into the next one's tree.
exec 9>"$dest/lock"
flock -n 9 || { say "another run is at work on $dest: waiting"; flock -w 1800 9 || die "it did not end"; }

# The guest says what it needs; an older compiler is as good as none.
minimum=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$(dirname "$script")/Cargo.toml")
[ -n "$minimum" ] || die "no rust-version in the guest's Cargo.toml"

# The linker is the host toolchain's: Debian's package has none.
host=$(rustc -vV | sed -n 's/^host: //p')
multiarch=$(echo "$host" | sed 's/-unknown-/-/')
linker=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
[ -x "$linker" ] || die "no linker at $linker (a toolchain of rustup's has one)"

# Whatever the tree depends on; the script itself is part of it.
stamp="recipe $(cksum <"$script" | tr ' ' -), needs $minimum, linker $linker"
if [ -f "$dest/stamp" ] && [ "$(sed -n 1p "$dest/stamp")" = "$stamp" ] && "$dest/bin/rustc" -V >/dev/null 2>&1
then
    say "up to date: $(sed -n 2p "$dest/stamp")"
    exit 0
fi

# What was built with the old tree goes as well: cargo cannot see that a library was replaced under
# a compiler of the same version.
work=$dest/work
rm -rf "$dest/stamp" "$dest/env" "$dest/usr" "$dest/bin" "$dest/build" "$dest/build-elsewhere" "$work"
mkdir -p "$work/deb" "$dest/bin"

# --- Packages -------------------------------------------------------------------------------------

# The first option is harmless; it makes "$@" a list that can grow.
set -- -q
# As root, apt would download as a user that may not be able to write here.
if [ "$(id -u)" -eq 0 ]; then set -- "$@" -o APT::Sandbox::User=root; fi

# Names that carry a version are read from the dependencies: the next security update changes them.
dependency() {
    package=$1 pattern=$2
    shift 2
    apt-cache "$@" depends "$package" 2>/dev/null | sed -n "s/^ *Depends: \($pattern\)\$/\1/p" | head -n 1
}
# Succeeds if the package lists offer a compiler that is new enough, and says in `offered` which.
resolve() {
    offered=$(apt-cache "$@" policy rustc-web 2>/dev/null | sed -n 's/^ *Candidate: //p')
    case $offered in '' | '(none)') offered=none; return 1 ;; esac
    dpkg --compare-versions "$offered" ge "$minimum" || return 1
    std=$(dependency libstd-rust-web-dev 'libstd-rust-web-[0-9.]*' "$@")
    llvm=$(dependency "${std:-none}" 'libllvm[0-9]*' "$@")
    [ -n "$std" ] && [ -n "$llvm" ]
}
download() {
    rm -f "$work/deb/"*
    (cd "$work/deb" && apt-get "$@" download rustc-web libstd-rust-web-dev rust-web-src "$std" "$llvm") \
        >"$work/download.log" 2>&1
}

# Lists that are out of date offer an older compiler or one that is no longer on the server. Fresh
# ones go into a folder of our own, which needs no root.
if ! { resolve "$@" && download "$@"; }; then
    say "the package lists offer rustc-web $offered, needed is $minimum or newer: fetching fresh lists"
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    set -- "$@" -o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache"
    apt-get "$@" update >"$work/update.log" 2>&1 || say "apt-get update failed: $(tail -n 1 "$work/update.log")"
    resolve "$@" || die "Debian offers rustc-web $offered, needed is $minimum or newer:" \
        "is Debian's security archive among the package sources?"
    download "$@" || die "the download failed: $(tail -n 3 "$work/download.log")"
fi

# Only what a compilation needs: the compiler, LLVM, the host's libraries (build scripts and
# procedural macros are linked with them), and the source of the standard library.
for package in rustc-web libstd-rust-web-dev "$std" "$llvm"; do
    dpkg-deb -x "$work/deb/${package}_"*.deb "$work/root"
done
mkdir -p "$work/src"
dpkg-deb --fsys-tarfile "$work/deb/rust-web-src_"*.deb |
    tar -x -C "$work/src" --strip-components=4 --wildcards './usr/src/rustc-*/library'
[ -f "$work/src/library/std/Cargo.toml" ] || die "rust-web-src has no library/std"
rm -rf "$work/deb" "$work/root/usr/share" "$work/root/usr/libexec" "$work/root/usr/bin/rustdoc"
mv "$work/root/usr" "$dest/usr"

libraries=$dest/usr/lib/$multiarch
missing=$(LD_LIBRARY_PATH=$libraries ldd "$dest/usr/bin/rustc" "$libraries"/*.so* |
    sed -n 's/^[[:space:]]*\(.*\) => not found/\1/p' | sort -u)
[ -z "$missing" ] || die "shared libraries are missing on this machine:" "$missing"

# --- Compiler -------------------------------------------------------------------------------------

# Unpacked instead of installed, the compiler has to be told where its libraries lie.
cat >"$dest/bin/rustc" <<END
#!/bin/sh
LD_LIBRARY_PATH='$libraries'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} exec '$dest/usr/bin/rustc' "\$@"
END
chmod +x "$dest/bin/rustc"

# The target's linker is looked up by name in this folder first. A link is enough: it finds its own
# libraries from where it really lies.
mkdir -p "$dest/usr/lib/rustlib/$host/bin"
ln -s "$linker" "$dest/usr/lib/rustlib/$host/bin/rust-lld"

# --- Standard library -----------------------------------------------------------------------------

# An empty crate, so that cargo builds the standard library for it.
mkdir -p "$work/seed/src"
cat >"$work/seed/Cargo.toml" <<END
[package]
name = "seed"
version = "0.0.0"
edition = "2021"
[profile.release]
opt-level = 3
codegen-units = 1
debug = 0
[workspace]
END
echo '#![no_std]' >"$work/seed/src/lib.rs"
# Panic messages carry the path of their source, and end up in the guest: they get the names that
# rustup's library has, instead of this folder's and the user's.
commit=$("$dest/bin/rustc" -vV | sed -n 's/^commit-hash: //p')
home=${CARGO_HOME:-$HOME/.cargo}
separator=$(printf '\037')
flags=-Cembed-bitcode=yes # or the guest's link-time optimisation could not take the library in
flags=$flags$separator--remap-path-prefix=$work/src=/rustc/$commit
flags=$flags$separator--remap-path-prefix=$home=/cargo
for registry in "$home/registry/src/"*/; do
    flags=$flags$separator--remap-path-prefix=${registry%/}=/registry
done
(
    cd "$work/seed"
    # RUSTC_BOOTSTRAP and the source's place are for this one build.
    env -u CARGO_BUILD_TARGET CARGO_ENCODED_RUSTFLAGS="$flags" \
        RUSTC="$dest/bin/rustc" RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER= RUSTC_WORKSPACE_WRAPPER= \
        __CARGO_TESTS_ONLY_SRC_ROOT="$work/src/library" \
        CARGO_TARGET_DIR="$work/target" CARGO_INCREMENTAL=0 \
        "${CARGO:-cargo}" build -q --release -Zbuild-std=std,panic_abort --target "$target"
)
libraries=$dest/usr/lib/rustlib/$target/lib
mkdir -p "$libraries"
for library in "$work/target/$target/release/deps/"*.rlib; do
    case $library in */libseed-*) ;; *) cp "$library" "$libraries/" ;; esac
done
for crate in core alloc std panic_abort; do
    ls "$libraries/lib$crate-"*.rlib >/dev/null || die "the standard library lacks $crate"
done
rm -rf "$work"

# Proof: a module that allocates and formats must compile and link.
mkdir "$work"
cat >"$work/proof.rs" <<'END'
#[no_mangle]
pub extern "C" fn f(n: u32) -> u32 { format!("{:?}", vec![n; 3]).len() as u32 }
END
"$dest/bin/rustc" --edition 2021 --crate-type cdylib -O --target "$target" -o "$work/proof.wasm" "$work/proof.rs"
rm -rf "$work"

echo "export RUSTC='$dest/bin/rustc'" >"$dest/env"
printf '%s\n%s\n' "$stamp" "$("$dest/bin/rustc" -V)" >"$dest/stamp.new"
mv "$dest/stamp.new" "$dest/stamp"
say "ready: $(sed -n 2p "$dest/stamp")"
