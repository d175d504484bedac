#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crossdock_verify::run("managers", data));
