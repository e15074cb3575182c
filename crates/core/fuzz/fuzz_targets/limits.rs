#![no_main]

#[path = "../../../../tests/properties/decoding.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod decoding;

libfuzzer_sys::fuzz_target!(|input: &[u8]| decoding::check_limits(input));
