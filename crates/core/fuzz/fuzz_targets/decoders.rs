#![no_main]

#[path = "../../../../tests/properties/decoding.rs"]
mod decoding;

libfuzzer_sys::fuzz_target!(|input: &[u8]| decoding::check(input));
