//! Runs each live test on a real hub and on a fake hub of each generation. The README says how to
//! select one.

use std::mem;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use scramjet_client_testing::fake_hub::Generation;

use crate::hub::{SharedHub, from_parent};
use crate::programs::fake_hub;

/// Generates three tests from a function that takes a hub, as a `HostClient` or a `&SharedHub`.
///
/// They are in a module of the function's name: `on_the_hub` runs on the hub that
/// [`shared`](crate::hub::shared) returns, `on_a_fake_0_18` and `on_a_fake_1_x` on [`fake`] hubs.
#[macro_export]
macro_rules! on_each_hub {
    ($test:ident) => {
        mod $test {
            #[test]
            fn on_the_hub() {
                if let Some(hub) = $crate::hub::shared() {
                    let _turn = $crate::live::turn();
                    super::$test(hub.into());
                }
            }

            #[test]
            fn on_a_fake_0_18() {
                super::$test($crate::live::fake($crate::live::V0_18).into());
            }

            #[test]
            fn on_a_fake_1_x() {
                super::$test($crate::live::fake($crate::live::V1).into());
            }
        }
    };
}

#[doc(hidden)]
pub const V0_18: Generation = Generation::V0_18;
#[doc(hidden)]
pub const V1: Generation = Generation::V1;

/// Number of tests that use the real hub at the same time. It starts a process for each instance,
/// and answers too late if many start at once.
const MAX_TURNS: usize = 6;

static TURNS: Mutex<usize> = Mutex::new(0);
static TURN_ENDED: Condvar = Condvar::new();

/// The right to use the real hub, until it is dropped.
#[doc(hidden)]
#[derive(Debug)]
pub struct Turn(());

/// Waits until fewer than [`MAX_TURNS`] tests use the real hub.
#[doc(hidden)]
pub fn turn() -> Turn {
    let turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut turns = TURN_ENDED
        .wait_while(turns, |turns| *turns >= MAX_TURNS)
        .unwrap_or_else(PoisonError::into_inner);
    *turns += 1;
    Turn(())
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TURNS.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        TURN_ENDED.notify_one();
    }
}

/// The fake hub of this generation that all tests of this binary share, from [`fake_hub`]. It
/// listens on the loopback interface.
///
/// # Panics
/// No port can be opened.
pub fn fake(generation: Generation) -> &'static SharedHub {
    static FAKES: [OnceLock<SharedHub>; 2] = [const { OnceLock::new() }; 2];

    let [old, new] = &FAKES;
    let shared = match generation {
        Generation::V0_18 => old,
        _ => new,
    };
    shared.get_or_init(|| {
        from_parent().unwrap_or_else(|| {
            let hub = fake_hub(generation);
            let shared = SharedHub::at(&hub.url());
            // Leaked on purpose: it stops with the process.
            mem::forget(hub);
            shared
        })
    })
}
