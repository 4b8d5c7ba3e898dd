//! Links the unwinder into the programs instead of loading it.
//!
//! Nothing here unwinds, as a panic aborts; the standard library only uses the unwinder to print
//! where it was. Loaded, `libgcc_s.so.1` costs each start of every tool and of each process of a
//! connection a tenth of a millisecond and some pages. The place is passed on to whatever uses this
//! library.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let is_gnu = variable("CARGO_CFG_TARGET_OS") == "linux"
        && variable("CARGO_CFG_TARGET_ENV") == "gnu"
        && variable("HOST") == variable("TARGET");
    // Without it the library is loaded as ever.
    let Some(archive) = is_gnu.then(archive).flatten() else { return };
    let folder = PathBuf::from(variable("OUT_DIR"));
    // The compiler names the shared library to the linker, which takes this text in its place.
    let text = format!("GROUP ( {} -lgcc )\n", archive.display());
    if fs::write(folder.join("libgcc_s.so"), text).is_ok() {
        println!("cargo::rustc-link-search=native={}", folder.display());
    }
}

/// The same as an archive, if the C compiler that links has it.
fn archive() -> Option<PathBuf> {
    let output = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    // One that is not there is named as it was asked for.
    (path != Path::new("libgcc_eh.a") && path.is_file()).then_some(path)
}
