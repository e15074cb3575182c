//! Requests and answers: channels to an instance, instances for one alone, and many jobs for a pool.

use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::{
    CancelToken, Channel, Error, ErrorKind, HostClient, InstanceClient, InstancePool, PoolOptions,
    Readiness, SequenceClient, StartOptions,
};
use scramjet_client_tests::on_each_hub;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::live::{Uploaded, running};

/// Hubs of 1.x keep streams open for 195 seconds. Much longer than any step takes.
const LIMIT: Duration = Duration::from_secs(20);

/// A request to the sequence `answers`.
#[derive(Clone, Debug, Serialize)]
struct Job {
    n: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    act: &'static str,
}

#[derive(Debug, Deserialize)]
struct Answer {
    n: usize,
    by: Value,
}

fn job(n: usize) -> Job {
    Job { n, act: "" }
}

fn does(n: usize, act: &'static str) -> Job {
    Job { n, act }
}

fn channel(instance: &InstanceClient) -> Channel<Job, Answer> {
    instance.json_channel().unwrap()
}

/// The numbers of the answers to these.
fn ask_all(channel: &mut Channel<Job, Answer>, numbers: &[usize]) -> Vec<usize> {
    let ask = |n: &usize| channel.ask(&job(*n)).unwrap().n;
    numbers.iter().map(ask).collect()
}

fn took(begin: Instant) {
    assert!(begin.elapsed() < LIMIT, "it took {:?}", begin.elapsed());
}

on_each_hub!(ask_returns_the_answer_and_channels_can_follow_each_other);
fn ask_returns_the_answer_and_channels_can_follow_each_other(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let instance = sequence.listening(&StartOptions::new().arg("me"));
    let mut first = channel(&instance);
    for act in ["", "blank", "split"] {
        let answer = first.ask(&does(1, act)).unwrap();
        assert_eq!((answer.n, &answer.by), (1, &json!("me")), "{act}");
    }
    assert_eq!(first.in_flight(), 0);
    first.finish().unwrap();

    let mut second = channel(&instance);
    assert_eq!(ask_all(&mut second, &[2, 3]), [2, 3]);
    drop(second);
    let mut third = channel(&instance);
    assert_eq!(ask_all(&mut third, &[4]), [4]);
    third.finish().unwrap();
    // The input did not end with any of them.
    instance.send_input("").unwrap();
    instance.wait_ended().unwrap();
}

on_each_hub!(line_channel_asks_in_text);
fn line_channel_asks_in_text(host: HostClient) {
    let (_sequence, instance) = running(&host, "shout");
    let mut channel = instance.line_channel().unwrap();
    for (line, answer) in [
        ("one", "ONE"),
        ("", ""),
        ("źdźbło, \"two\"", "ŹDŹBŁO, \"TWO\""),
    ] {
        assert_eq!(channel.ask(line).unwrap(), answer);
    }
    channel.finish().unwrap();
}

on_each_hub!(send_and_receive_keep_the_order_of_many_requests);
fn send_and_receive_keep_the_order_of_many_requests(host: HostClient) {
    let (_sequence, instance) = running(&host, "answers");
    let mut channel = channel(&instance);
    for n in 0..2000 {
        channel.send(&job(n)).unwrap();
    }
    assert_eq!(channel.in_flight(), 2000);
    let error = channel.ask(&job(0)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    for n in 0..2000 {
        assert_eq!(channel.receive().unwrap().n, n);
    }
    channel.finish().unwrap();
}

on_each_hub!(what_cannot_be_a_request_is_an_error_before_anything_is_sent);
fn what_cannot_be_a_request_is_an_error_before_anything_is_sent(host: HostClient) {
    let (_sequence, instance) = running(&host, "answers");
    let mut channel = instance.json_channel::<Value, Answer>().unwrap();
    let error = channel.ask(&Value::Null).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    let error = channel.receive().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    assert_eq!(channel.ask(&json!({ "n": 1 })).unwrap().n, 1);
    channel.finish().unwrap();

    let (_sequence, instance) = running(&host, "shout");
    let mut channel = instance.line_channel().unwrap();
    for line in ["two\nlines", "one\n", "one\r"] {
        let error = channel.ask(line).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    }
    assert_eq!(channel.ask("one").unwrap(), "ONE");
    channel.finish().unwrap();
}

on_each_hub!(an_answer_that_cannot_be_decoded_is_the_error_of_its_request);
fn an_answer_that_cannot_be_decoded_is_the_error_of_its_request(host: HostClient) {
    let (_sequence, instance) = running(&host, "answers");
    let mut channel = channel(&instance);
    let error = channel.ask(&does(1, "garbage")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Reply(_)), "{error:?}");
    assert!(error.to_string().contains("oops"), "{error}");
    assert_eq!(ask_all(&mut channel, &[2]), [2]);
    channel.finish().unwrap();
}

on_each_hub!(ask_fails_when_the_instance_dies);
fn ask_fails_when_the_instance_dies(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    for act in ["die", "exit", "end"] {
        let instance = sequence.listening(&StartOptions::new());
        let mut channel = channel(&instance);
        assert_eq!(ask_all(&mut channel, &[1]), [1]);
        channel.send(&does(2, act)).unwrap();
        channel.send(&job(3)).unwrap();
        if act == "end" {
            assert_eq!(channel.receive().unwrap().n, 2);
        }
        let begin = Instant::now();
        let error = channel.receive().unwrap_err();
        println!("{act}: {:?}, {error}", begin.elapsed());
        took(begin);
        assert!(error.ended().is_some(), "{act}: {error:?}");
        // And from now on at once.
        for error in [
            channel.ask(&job(4)).unwrap_err(),
            channel.receive().unwrap_err(),
        ] {
            assert!(error.ended().is_some() || matches!(error.kind(), ErrorKind::Request(_)));
        }
        let error = channel.finish().unwrap_err();
        assert!(error.ended().is_some(), "{act}: {error:?}");
    }
}

on_each_hub!(a_line_that_was_not_asked_for_is_no_answer);
fn a_line_that_was_not_asked_for_is_no_answer(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let out_of_step = |channel: &mut Channel<Job, Answer>| {
        let error = channel.ask(&job(2)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::OutOfStep(_)), "{error:?}");
        let again = channel.send(&job(3)).unwrap_err();
        assert_eq!(again.to_string(), error.to_string());
    };

    let instance = sequence.listening(&StartOptions::new());
    let mut twice = channel(&instance);
    assert_eq!(twice.ask(&does(1, "twice")).unwrap().n, 1);
    // The second line comes with the first one, and an answer later at the latest.
    if let Ok(answer) = twice.ask(&job(1)) {
        assert_eq!(answer.n, 1);
    }
    out_of_step(&mut twice);
    assert!(twice.finish().is_err());
}

on_each_hub!(ask_waits_no_longer_than_the_limits_of_the_handle);
fn ask_waits_no_longer_than_the_limits_of_the_handle(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let start = || sequence.listening(&StartOptions::new());
    let begin = Instant::now();

    let instance = start().with_idle_timeout(Duration::from_millis(200));
    let mut silent = channel(&instance);
    assert_eq!(ask_all(&mut silent, &[1]), [1]);
    let error = silent.ask(&does(2, "nothing")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Idle { .. }), "{error:?}");
    let error = silent.receive().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::OutOfStep(_)), "{error:?}");

    let instance = start().with_deadline(Duration::from_millis(500));
    let mut late = channel(&instance);
    let error = late.ask(&does(1, "nothing")).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Deadline { .. }),
        "{error:?}"
    );

    let token = CancelToken::new();
    let mut cancelled = channel(&start().with_cancel(&token));
    cancelled.send(&does(1, "nothing")).unwrap();
    token.cancel();
    let error = cancelled.receive().unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
    took(begin);
}

/// Instances of `answers`, each with its place as its argument.
fn pool(sequence: &SequenceClient, options: PoolOptions) -> InstancePool {
    let options = options.readiness(Readiness::event("ready"));
    options
        .start([sequence.clone()], |place| StartOptions::new().arg(place))
        .unwrap()
}

fn no_instance(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NoInstance(_))
}

on_each_hub!(checkout_gives_an_instance_to_one_alone);
fn checkout_gives_an_instance_to_one_alone(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(2));
    let first = pool.checkout().unwrap();
    let second = pool.checkout().unwrap();
    assert_ne!(first.id(), second.id());
    assert!(pool.try_checkout().is_none());
    assert!(pool.next().is_none());
    assert_eq!(pool.instances().count(), 2);

    // Who waits gets what is given back, on any thread.
    let id = second.id().clone();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.checkout().unwrap());
        drop(second);
        assert_eq!(*waiting.join().unwrap().id(), id);
    });

    // A channel keeps it.
    let mut open = channel(&first);
    let id = first.id().clone();
    drop(first);
    let other = pool.checkout().unwrap();
    assert!(pool.try_checkout().is_none());
    assert_eq!(ask_all(&mut open, &[1]), [1]);
    drop(open);
    assert_eq!(*pool.try_checkout().unwrap().id(), id);
    drop(other);
}

on_each_hub!(checkout_ends_when_its_token_is_cancelled);
fn checkout_ends_when_its_token_is_cancelled(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let token = CancelToken::new();
    let pool = pool(&sequence.with_cancel(&token), PoolOptions::new(1));
    let _only = pool.checkout().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.checkout().unwrap_err());
        token.cancel();
        let error = waiting.join().unwrap();
        assert!(error.is_cancelled(), "{error:?}");
    });
}

on_each_hub!(checkout_fails_at_once_if_no_instance_is_left);
fn checkout_fails_at_once_if_no_instance_is_left(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(1));
    let instance = pool.checkout().unwrap();
    let error = channel(&instance).ask(&does(1, "die")).unwrap_err();
    assert!(error.ended().is_some(), "{error:?}");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.checkout().unwrap_err());
        let error = waiting.join().unwrap();
        assert!(no_instance(&error), "{error:?}");
    });
}

on_each_hub!(checkout_never_returns_an_instance_with_answers_outstanding);
fn checkout_never_returns_an_instance_with_answers_outstanding(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(1).replace(true));
    for act in ["", "nothing", "die", "twice"] {
        let instance = pool.checkout().unwrap();
        let mut left = channel(&instance);
        left.send(&does(1, act)).unwrap();
        if act == "twice" {
            left.receive().unwrap();
            // It may not have come yet.
            while left.ask(&job(1)).is_ok() {}
        }
        let id = instance.id().clone();
        drop((left, instance));
        let begin = Instant::now();
        let next = pool.checkout().unwrap();
        println!("{act}: replaced after {:?}", begin.elapsed());
        took(begin);
        assert_ne!(*next.id(), id, "{act}");
        let mut channel = channel(&next);
        assert_eq!(ask_all(&mut channel, &[2, 3]), [2, 3]);
        channel.finish().unwrap();
    }
}
