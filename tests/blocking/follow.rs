//! Streams that outlive their connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scramjet_client_blocking::types::LogLine;
use scramjet_client_blocking::{
    CancelToken, ContentType, Error, ErrorKind, Followed, HostClient, InstanceClient, StartOptions,
};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

use crate::helpers::{Mailbox, within};
use crate::live::Uploaded;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn line(text: &str) -> Vec<u8> {
    let line = format!("{{\"msg\":\"{text}\",\"id\":\"the-instance\"}}\n");
    format!("{:x}\r\n{line}\r\n", line.len()).into_bytes()
}

/// What a scripted hub does when a stream is opened, for the first time, the second, ...
type Scene = fn(&mut Connection);

/// A hub of 1.x with one instance: its streams are these scenes, one after the other; afterwards it is gone.
fn scenes(scenes: &'static [Scene]) -> (ScriptedServer, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let server = ScriptedServer::start({
        let opened = Arc::clone(&opened);
        move |connection| {
            while let Ok(request) = connection.read_request() {
                match request.target.rsplit('/').next().unwrap() {
                    "version" => {
                        drop(connection.send(response("200 OK", &[], br#"{"version":"1.0.1"}"#)))
                    }
                    "the-instance" => {
                        let ended = opened.load(Ordering::SeqCst) >= scenes.len();
                        let info: &[u8] = if ended {
                            br#"{"id":"the-instance","sequence":"s","ended":"x"}"#
                        } else {
                            br#"{"id":"the-instance","sequence":"s"}"#
                        };
                        let _ = connection.send(response("200 OK", &[], info));
                    }
                    _ => match scenes.get(opened.fetch_add(1, Ordering::SeqCst)) {
                        Some(scene) => return scene(connection),
                        None => drop(connection.send(response(
                            "404 Not Found",
                            &[],
                            b"{\"error\":\"Instance not found\"}",
                        ))),
                    },
                }
            }
        }
    });
    (server, opened)
}

fn instance(server: &ScriptedServer) -> InstanceClient {
    HostClient::new(server.url())
        .unwrap()
        .instance("the-instance")
        .unwrap()
}

/// What comes, in words.
fn told(item: Result<Followed<LogLine>, Error>) -> String {
    match item {
        Ok(Followed::Item(line)) => line.msg,
        Ok(Followed::Gap(gap)) => format!("gap after {} attempts", gap.attempts),
        Err(error) => format!("error: {error}"),
    }
}

fn one_line_and_lost(connection: &mut Connection) {
    let _ = connection.send([HEAD, &line("one"), b"9\r\n{\"msg\""].concat());
}

fn two_lines_and_open(connection: &mut Connection) {
    let _ = connection.send([HEAD, &line("two"), &line("three")].concat());
    // Open until the client is gone, as with 1.x, which does not end a log.
    let _ = connection.close_after_client();
}

fn refuses_for_now(connection: &mut Connection) {
    let _ = connection.send(response("503 Service Unavailable", &[], b"restarting"));
}

fn refuses(connection: &mut Connection) {
    let _ = connection.send(response("403 Forbidden", &[], b"not yours"));
}

fn ends(connection: &mut Connection) {
    let _ = connection.send([HEAD, &line("last"), b"0\r\n\r\n"].concat());
}

#[test]
fn a_lost_connection_is_a_gap_and_the_end_of_the_instance_is_the_end() {
    within("following", || {
        let (server, opened) = scenes(&[one_line_and_lost, refuses_for_now, ends_open]);
        let seen: Vec<_> = instance(&server).follow_log().unwrap().map(told).collect();
        assert_eq!(seen, ["one", "gap after 2 attempts", "two", "three"]);
        assert_eq!(opened.load(Ordering::SeqCst), 3);
    });
    /// Stays open, but the instance has ended by then: the silence is looked into.
    fn ends_open(connection: &mut Connection) {
        let _ = connection.send([HEAD, &line("two"), &line("three")].concat());
        while connection.read_head().is_ok() {}
    }
}

#[test]
fn an_instance_that_went_in_the_gap_is_a_gap_and_the_end() {
    within("following", || {
        let (server, _) = scenes(&[one_line_and_lost]);
        let seen: Vec<_> = instance(&server).follow_log().unwrap().map(told).collect();
        assert_eq!(seen, ["one", "gap after 1 attempts"]);
    });
}

/// As where the connection is closed when the stream has ended, and the client has not seen that yet.
fn ends_and_hears_no_more(connection: &mut Connection) {
    ends(connection);
    let _ = connection.read_head();
}

#[test]
fn that_a_connection_is_closed_after_a_stream_is_no_gap() {
    within("following", || {
        let (server, opened) = scenes(&[ends_and_hears_no_more]);
        let seen: Vec<_> = instance(&server).follow_log().unwrap().map(told).collect();
        assert_eq!(seen, ["last"]);
        assert_eq!(opened.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_stream_that_ends_with_its_instance_has_no_gap() {
    within("following", || {
        let (server, opened) = scenes(&[ends]);
        let seen: Vec<_> = instance(&server).follow_log().unwrap().map(told).collect();
        assert_eq!(seen, ["last"]);
        assert_eq!(opened.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_refusal_is_an_error_and_the_end() {
    within("following", || {
        let (server, _) = scenes(&[one_line_and_lost, refuses, two_lines_and_open]);
        let seen: Vec<_> = instance(&server).follow_log().unwrap().map(told).collect();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(
            seen[1].contains("refused with status 403 NOT_AUTHORIZED: not yours"),
            "{seen:?}"
        );
    });
}

#[test]
fn following_ends_at_its_deadline_and_when_it_is_cancelled() {
    within("following", || {
        let (server, _) = scenes(&[one_line_and_lost]);
        let (limit, begin) = (Duration::from_millis(500), Instant::now());
        // The hub is not there any more when it is looked for.
        let mut follow = instance(&server).with_deadline(limit).follow_log().unwrap();
        assert_eq!(told(follow.next().unwrap()), "one");
        drop(server);
        let error = follow.next().unwrap().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Deadline { .. }) && begin.elapsed() >= limit,
            "{error}"
        );
        assert!(follow.next().is_none());

        let (server, _) = scenes(&[one_line_and_lost]);
        let token = CancelToken::new();
        let mut follow = instance(&server).with_cancel(&token).follow_log().unwrap();
        assert_eq!(told(follow.next().unwrap()), "one");
        drop(server);
        let reader = std::thread::spawn(move || {
            (follow.next().unwrap().unwrap_err(), follow.next().is_none())
        });
        token.cancel();
        let (error, over) = reader.join().unwrap();
        assert!(error.is_cancelled() && over, "{error}");
    });
}

/// An idle timeout of the caller's is told, and does not end it.
#[test]
fn a_silence_that_the_caller_asked_about_is_told() {
    within("following", || {
        let more = Mailbox::new();
        let server = ScriptedServer::start({
            let more = Arc::clone(&more);
            move |connection| {
                while let Ok(request) = connection.read_request() {
                    if request.target.ends_with("/log") {
                        let _ = connection.send([HEAD, &line("one")].concat());
                        more.take();
                        let _ = connection.send([&line("two")[..], b"0\r\n\r\n"].concat());
                    } else {
                        let body: &[u8] = br#"{"id":"the-instance","version":"1.0.1"}"#;
                        let _ = connection.send(response("200 OK", &[], body));
                    }
                }
            }
        });
        let mut follow = instance(&server)
            .with_idle_timeout(Duration::from_millis(100))
            .follow_log()
            .unwrap();
        assert_eq!(told(follow.next().unwrap()), "one");
        let error = follow.next().unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error}");
        more.put(());
        assert_eq!(told(follow.next().unwrap()), "two");
    });
}

#[test]
fn a_topic_is_followed_line_by_line_to_its_end() {
    within("following", || {
        let (server, _) = scenes(&[one_line_and_lost, ends]);
        let host = HostClient::new(server.url()).unwrap();
        let follow = host
            .follow_topic("t", ContentType::Ndjson)
            .unwrap()
            .json_lines::<LogLine>();
        assert_eq!(
            follow.map(told).collect::<Vec<_>>(),
            ["one", "gap after 1 attempts", "last"]
        );

        let (server, _) = scenes(&[one_line_and_lost, ends]);
        let host = HostClient::new(server.url()).unwrap();
        let lines = host.follow_topic("t", ContentType::Ndjson).unwrap().lines();
        let lines = lines.filter_map(|line| match line.unwrap() {
            Followed::Item(line) => Some(line),
            Followed::Gap(_) => None,
        });
        let expected =
            ["one", "last"].map(|text| format!(r#"{{"msg":"{text}","id":"the-instance"}}"#));
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    });
}

/// A hub's log has no end of its own: where it ends, the hub did.
#[test]
fn the_log_of_a_hub_is_followed_from_one_hub_to_the_next() {
    within("following", || {
        let (server, opened) = scenes(&[one_line_and_lost, ends, two_lines_and_open]);
        let host = HostClient::new(server.url()).unwrap();
        let seen: Vec<_> = host.follow_log().unwrap().take(6).map(told).collect();
        assert_eq!(
            seen,
            [
                "one",
                "gap after 1 attempts",
                "last",
                "gap after 1 attempts",
                "two",
                "three"
            ]
        );
        assert_eq!(opened.load(Ordering::SeqCst), 3);
    });
}

on_each_hub!(the_log_and_the_events_of_an_instance_are_followed_to_its_end);
fn the_log_and_the_events_of_an_instance_are_followed_to_its_end(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    instance.last_event("ready").unwrap();
    let mut pongs = instance.follow_events("pong").unwrap();
    let log = instance.follow_log().unwrap();
    let logged = std::thread::spawn(move || {
        log.map(Result::unwrap)
            .filter(|line| matches!(line, Followed::Item(_)))
            .count()
    });
    instance.send_event("ping", "hey").unwrap();
    assert!(matches!(pongs.next().unwrap().unwrap(), Followed::Item(event) if event.data == "hey"));
    sequence.force_delete().unwrap();
    assert!(pongs.next().is_none());
    println!("{} lines were logged", logged.join().unwrap());
}
