//! Random numbers from the standard library.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns a random number. The standard library seeds its hash maps with random numbers.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
