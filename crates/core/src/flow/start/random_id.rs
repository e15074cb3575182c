//! Random ids for instances.

use alloc::format;
use alloc::string::String;

/// Returns a UUID of version 4, a different one for each attempt.
pub(super) fn random_id(seed: (u64, u64), attempt: u32) -> String {
    // The generator is SplitMix64.
    let mix = |seed: u64| {
        let mut z = seed.wrapping_add(u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let (high, low) = (mix(seed.0), mix(seed.1));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | low >> 48 & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}
