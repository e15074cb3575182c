//! `RetryPolicy`: delays and limits.

use std::time::Duration;

use scramjet_client_core::RetryPolicy;

const NONE: Duration = Duration::ZERO;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Returns the delays of a policy in ms, always with this random number and no elapsed time.
fn delays(policy: &RetryPolicy, random: u64) -> Vec<u128> {
    (1..)
        .map_while(|attempt| policy.delay(attempt, NONE, random))
        .map(|delay| delay.as_millis())
        .collect()
}

#[test]
fn linear_and_exponential_delays_grow_as_documented() {
    assert_eq!(
        delays(&RetryPolicy::linear(ms(100)).max_attempts(6), 7),
        [100, 200, 300, 400, 500]
    );
    assert_eq!(
        delays(
            &RetryPolicy::exponential(ms(100))
                .max_attempts(6)
                .jitter(false),
            7
        ),
        [100, 200, 400, 800, 1600]
    );
    assert_eq!(delays(&RetryPolicy::default(), 7), [1000, 2000]);
    assert_eq!(
        RetryPolicy::default(),
        RetryPolicy::linear(ms(1000))
            .max_attempts(3)
            .max_delay(ms(30_000))
    );
}

#[test]
fn jitter_subtracts_up_to_half_of_a_delay() {
    let policy = RetryPolicy::exponential(ms(1000)).max_attempts(4);
    assert_eq!(delays(&policy, 0), [500, 1000, 2000]);
    assert_eq!(delays(&policy, 1024), [1000, 2000, 4000]);
    assert_eq!(delays(&policy, 512), [750, 1500, 3000]);
    for random in (0..5000).chain([u64::MAX, u64::MAX - 1, u64::from(u32::MAX) + 1]) {
        let delay = policy.delay(1, NONE, random).unwrap();
        assert!((ms(500)..=ms(1000)).contains(&delay), "{random}: {delay:?}");
    }
    // All of the range is used.
    let seen: std::collections::BTreeSet<_> = (0..1025)
        .map(|random| policy.delay(1, NONE, random).unwrap())
        .collect();
    assert_eq!(seen.len(), 1025);
    // Only with `jitter(true)`.
    assert_eq!(
        delays(&RetryPolicy::linear(ms(100)).jitter(true), 0),
        [50, 100]
    );
    assert_eq!(delays(&RetryPolicy::linear(ms(100)), 0), [100, 200]);
}

#[test]
fn max_attempts_limits_the_attempts_to_at_least_one() {
    for attempts in [0, 1] {
        assert_eq!(
            delays(&RetryPolicy::linear(ms(1)).max_attempts(attempts), 0),
            [0; 0],
            "{attempts}"
        );
    }
    assert_eq!(delays(&RetryPolicy::linear(ms(1)).max_attempts(2), 0), [1]);
    assert_eq!(
        delays(&RetryPolicy::linear(NONE).max_attempts(4), 0),
        [0, 0, 0]
    );
}

#[test]
fn max_delay_limits_each_delay() {
    let policy = RetryPolicy::exponential(ms(10))
        .max_attempts(8)
        .max_delay(ms(50));
    assert_eq!(
        delays(&policy.jitter(false), 0),
        [10, 20, 40, 50, 50, 50, 50]
    );
    // Jitter applies to the limited delay, so clients do not all wait equally long.
    assert_eq!(delays(&policy, 0), [5, 10, 20, 25, 25, 25, 25]);
    // The default maximum is 30 seconds.
    assert_eq!(
        delays(&RetryPolicy::linear(ms(20_000)).max_attempts(4), 0),
        [20_000, 30_000, 30_000]
    );
}

#[test]
fn max_elapsed_ends_the_attempts() {
    let policy = RetryPolicy::linear(ms(100))
        .max_attempts(100)
        .max_elapsed(ms(1000));
    assert_eq!(policy.delay(1, ms(900), 0), Some(ms(100)));
    assert_eq!(policy.delay(1, ms(901), 0), None);
    assert_eq!(policy.delay(1, Duration::MAX, 0), None);
    // The attempts themselves take no time here: 100 + 200 + 300 + 400.
    let mut elapsed = NONE;
    let delays: Vec<_> = (1..)
        .map_while(|attempt| {
            policy
                .delay(attempt, elapsed, 0)
                .inspect(|delay| elapsed += *delay)
        })
        .collect();
    assert_eq!((delays.len(), elapsed), (4, ms(1000)));
    assert_eq!(
        RetryPolicy::linear(ms(100))
            .max_elapsed(NONE)
            .delay(1, NONE, 0),
        None
    );
}

#[test]
fn delay_that_overflows_becomes_max_delay() {
    for policy in [
        RetryPolicy::linear(Duration::MAX),
        RetryPolicy::exponential(Duration::MAX).jitter(false),
    ] {
        let policy = policy.max_attempts(u32::MAX);
        for attempt in [1, 2, 31, 32, 33, 64, u32::MAX - 1] {
            assert_eq!(
                policy.delay(attempt, Duration::MAX, u64::MAX),
                Some(ms(30_000)),
                "{attempt}"
            );
        }
        assert_eq!(policy.delay(u32::MAX, NONE, 0), None);
        let endless = policy.max_delay(Duration::MAX);
        assert_eq!(endless.delay(5, NONE, 0), Some(Duration::MAX));
        assert_eq!(endless.max_elapsed(ms(1)).delay(5, NONE, 0), None);
    }
    // With jitter: half of the largest duration, and no panic.
    let jittered = RetryPolicy::exponential(Duration::MAX)
        .max_attempts(9)
        .max_delay(Duration::MAX);
    for random in [0, 1024] {
        assert!(
            jittered.delay(8, NONE, random).unwrap() >= Duration::MAX / 2,
            "{random}"
        );
    }
    assert_eq!(
        RetryPolicy::exponential(ms(1))
            .max_attempts(99)
            .jitter(false)
            .delay(40, NONE, 0),
        Some(ms(30_000))
    );
}
