//! `stop` and `kill` of an instance.

use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::types::InstanceStatus;
use scramjet_client_blocking::{
    HostClient, InstanceClient, KillOptions, StartOptions, StopOptions,
};
use scramjet_client_tests::on_each_hub;

use crate::samples::Uploaded;

on_each_hub!(stop_ends_the_instance_after_its_timeout);
fn stop_ends_the_instance_after_its_timeout(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    instance.last_event("ready").unwrap();
    let begin = Instant::now();
    instance
        .stop(&StopOptions::new(Duration::from_millis(700)))
        .unwrap();
    // There are two forms of the request. The wrong one returns at once, or after 7 seconds, the
    // hub's default.
    assert!(
        (600..5000).contains(&begin.elapsed().as_millis()),
        "{:?}",
        begin.elapsed()
    );
    match wait_until_ended(&instance) {
        None => {}
        Some(status) => assert_eq!(status, InstanceStatus::Completed),
    }
}

on_each_hub!(kill_ends_an_instance_that_does_not_stop);
fn kill_ends_an_instance_that_does_not_stop(host: HostClient) {
    let sequence = Uploaded::sample(&host, "stays");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    instance.last_event("ready").unwrap();
    instance
        .stop(&StopOptions::new(Duration::from_millis(300)).can_call_keepalive(true))
        .unwrap();
    instance.last_event("stopping").unwrap();
    assert!(instance.info().unwrap().ended.is_none());
    assert!(sequence.delete().unwrap_err().is_conflict());
    // 1.x refuses to kill an instance that is stopping, but accepts another stop.
    if instance.kill(&KillOptions::new()).is_err() {
        instance.stop(&StopOptions::new(Duration::ZERO)).unwrap();
    }
    wait_until_ended(&instance);
}

/// Waits for the end, and returns the final status. Returns `None` if the hub has forgotten the
/// instance.
fn wait_until_ended(instance: &InstanceClient) -> Option<InstanceStatus> {
    // Standard output ends with the process.
    if let Ok(mut stdout) = instance.stdout() {
        std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
    }
    loop {
        match instance.info() {
            Err(error) if error.is_not_found() => return None,
            Err(error) => panic!("{error:?}"),
            Ok(info) if info.terminated.is_some() => return info.status,
            // The hub notices the end a moment later.
            Ok(_) => thread::yield_now(),
        }
    }
}
