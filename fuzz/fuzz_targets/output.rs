#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| krsi_sh::fuzzing::output(bytes));
