//! The fuzz workspace has a program for every target, and no other.

use keyway_testkit::program::root;
use keyway_testkit::targets::TARGETS;

#[test]
fn every_target_has_a_program() {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    let mut programs: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    programs.sort();
    let mut targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    targets.sort_unstable();
    assert_eq!(programs, targets);
}
