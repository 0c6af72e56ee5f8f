#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ofn_tests::fuzz::template(data));
