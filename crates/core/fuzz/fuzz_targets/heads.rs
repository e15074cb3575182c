#![no_main]

#[path = "../../../../tests/properties/heads.rs"]
mod heads;

libfuzzer_sys::fuzz_target!(|input: &[u8]| heads::check(input));
