#![no_main]

#[path = "../../../../tests/properties/replying.rs"]
mod replying;

libfuzzer_sys::fuzz_target!(|input: &[u8]| replying::check(input));
