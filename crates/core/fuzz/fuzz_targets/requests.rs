#![no_main]

#[path = "../../../../tests/properties/requesting.rs"]
mod requesting;

libfuzzer_sys::fuzz_target!(|input: &[u8]| requesting::check(input));
