//! The end of a pool whose hub does not answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use scramjet_client_blocking::{PoolOptions, StartOptions};

use crate::helpers::within;
use crate::stand_in::{Scene, StandIn};

#[test]
fn drop_does_not_wait_until_an_instance_that_was_passed_over_is_killed() {
    within("dropping", || {
        let (kill, killing) = channel();
        let first = AtomicBool::new(true);
        let hub = StandIn::start("0.18.7", move |words| {
            if !words.ends_with("/_kill") || !first.swap(false, Ordering::Relaxed) {
                return Scene::Usual;
            }
            kill.send(()).unwrap();
            Scene::Silence
        });
        let options = PoolOptions::new(1).replace(true);
        let pool = options
            .start([hub.sequence()], |_| StartOptions::new())
            .unwrap();
        let instance = pool.next().unwrap();
        pool.evict(instance.id());
        killing.recv().unwrap();
        let begin = Instant::now();
        drop(pool);
        // A kill has five seconds.
        assert!(begin.elapsed() < Duration::from_secs(4));
        assert!(hub.living().is_empty());
    });
}
