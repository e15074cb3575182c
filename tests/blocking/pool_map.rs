//! `checkout` of pool instances, and `map` over a pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::patterns::{Map, MapProgress};
use scramjet_client_blocking::{
    CancelToken, Error, ErrorKind, HostClient, MapOptions, PoolOptions, Readiness, StartOptions,
};
use scramjet_client_tests::link::Link;
use scramjet_client_tests::programs::fake_hub;
use scramjet_client_tests::{on_each_hub, package};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::channel::{Answer, ask_all, assert_in_time, channel, job, job_with, map, pool, results};
use crate::helpers::{GENERATIONS, in_parallel};
use crate::samples::Uploaded;
use crate::stub_hub::until_gone;

fn is_no_instance(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NoInstance(_))
}

on_each_hub!(checkout_returns_an_instance_to_one_caller_at_a_time);
fn checkout_returns_an_instance_to_one_caller_at_a_time(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(2));
    let first = pool.checkout().unwrap();
    let second = pool.checkout().unwrap();
    assert_ne!(first.id(), second.id());
    assert!(pool.try_checkout().is_none());
    assert!(pool.next().is_none());
    assert_eq!(pool.instances().count(), 2);

    // A waiting thread gets the instance that another one returns.
    let id = second.id().clone();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.checkout().unwrap());
        drop(second);
        assert_eq!(*waiting.join().unwrap().id(), id);
    });

    // An open channel keeps its instance checked out.
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
    let error = channel(&instance).ask(&job_with(1, "die")).unwrap_err();
    assert!(error.ended().is_some(), "{error:?}");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.checkout().unwrap_err());
        let error = waiting.join().unwrap();
        assert!(is_no_instance(&error), "{error:?}");
    });
}

on_each_hub!(checkout_never_returns_an_instance_with_answers_outstanding);
fn checkout_never_returns_an_instance_with_answers_outstanding(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(1).replace(true));
    for act in ["", "nothing", "die", "twice"] {
        let instance = pool.checkout().unwrap();
        let mut left = channel(&instance);
        left.send(&job_with(1, act)).unwrap();
        if act == "twice" {
            left.receive().unwrap();
        }
        let id = instance.id().clone();
        drop((left, instance));
        let begin = Instant::now();
        let next = pool.checkout().unwrap();
        println!("{act}: replaced after {:?}", begin.elapsed());
        assert_in_time(begin);
        assert_ne!(*next.id(), id, "{act}");
        let mut channel = channel(&next);
        assert_eq!(ask_all(&mut channel, &[2, 3]), [2, 3]);
        channel.finish().unwrap();
    }
}

on_each_hub!(map_returns_the_answer_of_each_job_once);
fn map_returns_the_answer_of_each_job_once(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(3));
    for depth in [1, 8] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let report = {
            let seen = Arc::clone(&seen);
            move |progress: &MapProgress| seen.lock().unwrap().push(*progress)
        };
        let options = MapOptions::new().pipelined(depth).on_progress(report);
        let answers = results(map(&pool, (0..200).map(job), options));
        assert_eq!(answers.len(), 200);
        for (index, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap().n, index);
        }
        let seen = seen.lock().unwrap();
        let finished: Vec<_> = seen.iter().map(|progress| progress.finished).collect();
        assert_eq!(finished, (1..=200).collect::<Vec<_>>());
        assert!(
            seen.iter()
                .all(|progress| progress.failed == 0 && progress.total == Some(200))
        );

        let options = MapOptions::new().pipelined(depth).in_order(true);
        for (expected, (index, answer)) in map(&pool, (0..200).map(job), options).enumerate() {
            assert_eq!((index, answer.unwrap().n), (expected, expected));
        }
    }
    assert!(results(map(&pool, [], MapOptions::new())).is_empty());
    // All instances are still there, and none is checked out.
    let free: Vec<_> = (0..3).map(|_| pool.checkout().unwrap()).collect();
    drop(free);
}

on_each_hub!(map_lines_sends_and_returns_lines);
fn map_lines_sends_and_returns_lines(host: HostClient) {
    let sequence = Uploaded::sample(&host, "shout");
    let options = PoolOptions::new(2).readiness(Readiness::event("ready"));
    let pool = options
        .start([sequence.clone()], |_| StartOptions::new())
        .unwrap();
    let jobs = ["one", "two\nlines", "three"];
    let map = pool.map_lines(jobs, MapOptions::new().in_order(true));
    let answers: Vec<_> = map.unwrap().map(|(_, answer)| answer).collect();
    assert_eq!(answers[0].as_ref().unwrap(), "ONE");
    let error = answers[1].as_ref().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    assert_eq!(answers[2].as_ref().unwrap(), "THREE");
}

on_each_hub!(map_fails_a_job_that_kills_instances_after_max_attempts);
fn map_fails_a_job_that_kills_instances_after_max_attempts(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(2).replace(true));
    for (act, depth, attempts) in [("die", 1, 1), ("exit", 4, 2)] {
        let begin = Instant::now();
        let jobs = (0..30).map(move |n| job_with(n, if n == 3 { act } else { "" }));
        let options = MapOptions::new().pipelined(depth).max_attempts(attempts);
        let answers = results(map(&pool, jobs, options));
        assert_eq!(answers.len(), 30);
        for (index, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(answer) => assert_eq!(answer.n, index),
                Err(error) => {
                    assert_eq!(index, 3, "{error:?}");
                    assert!(error.ended().is_some(), "{error:?}");
                    let tried = error.attempts().len().max(1);
                    assert_eq!(tried, attempts, "{error:?}");
                }
            }
        }
        println!(
            "{act}, {depth} at a time, {attempts} attempts: {:?}",
            begin.elapsed()
        );
        assert_in_time(begin);
    }
    drop(pool);
    until_gone(&sequence);
}

on_each_hub!(map_fails_each_job_if_no_instance_is_left);
fn map_fails_each_job_if_no_instance_is_left(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(2));
    let jobs = (0..50).map(|n| job_with(n, if n < 10 { "" } else { "exit" }));
    let answers = results(map(&pool, jobs, MapOptions::new()));
    assert_eq!(answers.len(), 50);
    let (done, failed) = answers.split_at(10);
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let errors: Vec<_> = failed
        .iter()
        .map(|answer| answer.as_ref().unwrap_err())
        .collect();
    for error in &errors {
        let last = error.attempts().last().unwrap_or(error);
        assert!(is_no_instance(last) || error.ended().is_some(), "{error:?}");
    }
    assert!(errors.iter().filter(|error| is_no_instance(error)).count() >= 40 - 4);
    assert!(is_no_instance(&pool.checkout().unwrap_err()));
}

#[test]
fn checkout_and_map_report_why_no_instance_can_be_started() {
    in_parallel(GENERATIONS, |generation| {
        let hub = fake_hub(generation);
        let sequence = Uploaded::sample(&hub.client(), "answers");
        let pool = pool(&sequence, PoolOptions::new(2).replace(true));
        hub.set_overloaded(true);
        let answers = results(map(
            &pool,
            (0..20).map(|n| job_with(n, "exit")),
            MapOptions::new(),
        ));
        assert_eq!(answers.len(), 20);
        let errors: Vec<_> = answers.into_iter().map(Result::unwrap_err).collect();
        for error in errors.iter().filter(|error| is_no_instance(error)) {
            assert!(error.is_overloaded(), "{error:?}");
        }
        assert!(errors.iter().filter(|error| is_no_instance(error)).count() >= 20 - 4);
        let error = pool.checkout().unwrap_err();
        assert!(is_no_instance(&error) && error.is_overloaded(), "{error:?}");

        // The pool keeps retrying, so it recovers.
        hub.set_overloaded(false);
        hub.wait_until("the pool replaces its instances", |hub| {
            hub.running().len() == 2
        });
        let answers = results(map(&pool, (0..20).map(job), MapOptions::new()));
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        drop(pool);
    });
}

#[test]
fn map_retries_a_job_without_an_answer_on_another_instance() {
    in_parallel(GENERATIONS, |generation| {
        let hub = fake_hub(generation);
        let sequence = Uploaded::sample(&hub.client(), "answers");
        let hasty = sequence.with_idle_timeout(Duration::from_secs(1));
        let pool = pool(&hasty, PoolOptions::new(2));
        let [silent, other] = [(); 2].map(|()| pool.checkout().unwrap());
        let attempt = |attempts| {
            let job = json!({ "n": 1, "act": "nothing", "at": 0 });
            let options = MapOptions::new().max_attempts(attempts);
            pool.map::<Value, Answer>([job], options).unwrap()
        };
        assert_eq!(*silent.id(), *pool.instances().next().unwrap().id());
        drop(silent);
        let map = attempt(2);
        hub.wait_until("the pool skips the silent instance", |_| {
            pool.instances().count() == 1
        });
        drop(other);
        let answers = results(map);
        assert_eq!(answers[0].as_ref().unwrap().by, 1);
    });
}

#[test]
fn map_ends_when_the_hub_is_gone() {
    in_parallel(GENERATIONS, |generation| {
        let hub = fake_hub(generation);
        let link = Link::to(&hub.url());
        let host = HostClient::builder(link.url()).retry(None).build().unwrap();
        let sequence = host.send_sequence(package::sequence("answers")).unwrap();
        let pool = pool(&sequence, PoolOptions::new(2).replace(true));
        let begin = Instant::now();
        let (send, jobs) = mpsc::channel();
        let mut map = map(&pool, jobs, MapOptions::new());
        send.send(job(0)).unwrap();
        assert_eq!(map.next().unwrap().1.unwrap().n, 0);
        drop(link);
        (1..40).for_each(|n| send.send(job(n)).unwrap());
        drop(send);
        let errors: Vec<_> = map.map(|(_, answer)| answer.unwrap_err()).collect();
        assert_eq!(errors.len(), 39);
        let without = |error: &&Error| is_no_instance(error.attempts().last().unwrap_or(error));
        let without: Vec<_> = errors.iter().filter(without).collect();
        assert!(without.len() >= 39 - 4, "{errors:?}");
        let has_cause = |error: &Error| matches!(error.kind(), ErrorKind::NoInstance(Some(_)));
        let last = |error: &Error| has_cause(error.attempts().last().unwrap_or(error));
        assert!(without.iter().all(|error| last(error)), "{errors:?}");
        println!("{:?}: {}", begin.elapsed(), errors[38]);
        drop(pool);
        assert_in_time(begin);
    });
}

on_each_hub!(map_does_not_wait_for_an_iterator_that_blocks);
fn map_does_not_wait_for_an_iterator_that_blocks(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let token = CancelToken::new();
    let pool = pool(&sequence.with_cancel(&token), PoolOptions::new(2));
    let (send, jobs) = mpsc::channel();
    let mut map = map(&pool, jobs, MapOptions::new().pipelined(4));
    for round in 0..3 {
        (0..3).for_each(|n| send.send(job(n)).unwrap());
        let mut answers: Vec<_> = map.by_ref().take(3).map(|(index, _)| index).collect();
        answers.sort_unstable();
        assert_eq!(answers, [3 * round, 3 * round + 1, 3 * round + 2]);
    }
    // A cancelled token ends the map as well, although the iterator still blocks.
    token.cancel();
    let (index, result) = map.next().unwrap();
    assert_eq!(index, 9);
    assert!(result.unwrap_err().is_cancelled());
    assert!(map.next().is_none());
    drop(send);
}

on_each_hub!(map_takes_no_more_jobs_than_it_needs);
fn map_takes_no_more_jobs_than_it_needs(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let token = CancelToken::new();
    let pool = pool(
        &sequence.with_cancel(&token),
        PoolOptions::new(2).replace(true),
    );
    for in_order in [false, true] {
        let taken = Arc::new(AtomicUsize::new(0));
        let jobs = {
            let taken = Arc::clone(&taken);
            (0..).map(move |n| {
                taken.fetch_add(1, Ordering::SeqCst);
                job(n)
            })
        };
        let mut map = map(
            &pool,
            jobs,
            MapOptions::new().pipelined(3).in_order(in_order),
        );
        assert_eq!(
            map.by_ref()
                .take(50)
                .filter(|(_, answer)| answer.is_ok())
                .count(),
            50
        );
        assert!(taken.load(Ordering::SeqCst) <= 50 + 2 * 3 * 4);
        drop(map);
    }
    // Every job that was taken has a result, also after the token is cancelled.
    let mut endless = map(&pool, (0..).map(job), MapOptions::new());
    let mut seen: Vec<_> = endless.by_ref().take(10).map(|(index, _)| index).collect();
    token.cancel();
    let mut last = None;
    for (index, answer) in endless {
        seen.push(index);
        last = Some(answer);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..seen.len()).collect::<Vec<_>>());
    assert!(last.unwrap().unwrap_err().is_cancelled());
    assert!(seen.len() <= 10 + 2 * 4 + 2, "{} were taken", seen.len());
}

/// Reads results until one panics, and returns the message of the panic.
fn panic_message<R>(mut map: Map<R>) -> String {
    let next = || {
        map.by_ref()
            .map(|(_, result)| assert!(result.is_ok()))
            .count()
    };
    let panic = catch_unwind(AssertUnwindSafe(next)).unwrap_err();
    assert!(map.next().is_none());
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.unwrap_or_default()
}

/// A type that panics in `deserialize`.
#[derive(Debug)]
struct PanicsOnDecode;

impl<'de> Deserialize<'de> for PanicsOnDecode {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("it cannot be decoded")
    }
}

on_each_hub!(map_propagates_panics_of_the_callers_code);
fn map_propagates_panics_of_the_callers_code(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(2).replace(true));
    let finished = Arc::new(AtomicUsize::new(0));
    let options = || {
        let finished = Arc::clone(&finished);
        MapOptions::new().on_progress(move |progress| {
            finished.store(progress.finished, Ordering::SeqCst);
        })
    };

    let jobs = (0..).map(|n| {
        if n == 7 {
            panic!("no such job")
        } else {
            job(n)
        }
    });
    let text = panic_message(map(&pool, jobs, options()));
    assert!(text.contains("no such job"), "{text}");
    assert_eq!(finished.load(Ordering::SeqCst), 7);

    let decoding = pool
        .map::<_, PanicsOnDecode>((0..20).map(job), options())
        .unwrap();
    let text = panic_message(decoding);
    assert!(text.contains("it cannot be decoded"), "{text}");

    let reporting = MapOptions::new().on_progress(|_| panic!("the callback panics"));
    let text = panic_message(map(&pool, (0..20).map(job), reporting));
    assert!(text.contains("the callback panics"), "{text}");

    // The pool still works.
    let answers = results(map(&pool, (0..20).map(job), options()));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

on_each_hub!(dropping_a_map_cancels_the_jobs_in_progress);
fn dropping_a_map_cancels_the_jobs_in_progress(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(2).replace(true));
    // The instances answer the first two jobs only.
    let jobs = (0..).map(|n| job_with(n, if n < 2 { "" } else { "nothing" }));
    let mut left = map(&pool, jobs, MapOptions::new().pipelined(2));
    assert!(left.next().unwrap().1.is_ok());
    drop(left);
    for n in 10..20 {
        let instance = pool.checkout().unwrap();
        assert_eq!(ask_all(&mut channel(&instance), &[n]), [n]);
    }
}
