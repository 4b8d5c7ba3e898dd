#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyway_testkit::targets::run("sftp_client", data));
