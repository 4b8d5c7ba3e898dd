//! Packs the program's relocations, eleven thousand of which the loader works through at each start.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let is_gnu = variable("CARGO_CFG_TARGET_OS") == "linux"
        && variable("CARGO_CFG_TARGET_ENV") == "gnu"
        && variable("HOST") == variable("TARGET");
    if is_gnu && loader_unpacks() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether the loader of this machine knows the form: glibc's since 2.36.
fn loader_unpacks() -> bool {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let Some((major, minor)) = text.trim().strip_prefix("glibc ").and_then(|it| it.split_once('.'))
    else {
        return false;
    };
    let number = |text: &str| text.split('.').next().and_then(|text| text.parse::<u32>().ok());
    number(major).zip(number(minor)) >= Some((2, 36))
}
