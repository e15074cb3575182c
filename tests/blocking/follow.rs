//! `follow_log`, `follow_topic` and `follow_events`: streams that reconnect.

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
use crate::samples::Uploaded;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn line(text: &str) -> Vec<u8> {
    let line = format!("{{\"msg\":\"{text}\",\"id\":\"the-instance\"}}\n");
    format!("{:x}\r\n{line}\r\n", line.len()).into_bytes()
}

/// The reaction of the server when the client opens a stream.
type StreamScript = fn(&mut Connection);

/// Starts a hub of 1.x with one instance. Each opened stream runs the next script. After the last
/// one, the instance is gone.
fn serve_scripts(scripts: &'static [StreamScript]) -> (ScriptedServer, Arc<AtomicUsize>) {
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
                        let ended = opened.load(Ordering::SeqCst) >= scripts.len();
                        let info: &[u8] = if ended {
                            br#"{"id":"the-instance","sequence":"s","ended":"x"}"#
                        } else {
                            br#"{"id":"the-instance","sequence":"s"}"#
                        };
                        let _ = connection.send(response("200 OK", &[], info));
                    }
                    _ => match scripts.get(opened.fetch_add(1, Ordering::SeqCst)) {
                        Some(script) => return script(connection),
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

/// Returns a short description of the item.
fn describe(item: Result<Followed<LogLine>, Error>) -> String {
    match item {
        Ok(Followed::Item(line)) => line.msg,
        Ok(Followed::Gap(gap)) => format!("gap after {} attempts", gap.attempts),
        Err(error) => format!("error: {error}"),
    }
}

fn one_line_and_cut_off(connection: &mut Connection) {
    let _ = connection.send([HEAD, &line("one"), b"9\r\n{\"msg\""].concat());
}

fn two_lines_and_open(connection: &mut Connection) {
    let _ = connection.send([HEAD, &line("two"), &line("three")].concat());
    // Like hubs of 1.x, which do not end a log.
    let _ = connection.close_after_client();
}

fn refuses_with_503(connection: &mut Connection) {
    let _ = connection.send(response("503 Service Unavailable", &[], b"restarting"));
}

fn refuses_with_403(connection: &mut Connection) {
    let _ = connection.send(response("403 Forbidden", &[], b"not yours"));
}

fn ends(connection: &mut Connection) {
    let _ = connection.send([HEAD, &line("last"), b"0\r\n\r\n"].concat());
}

#[test]
fn follow_log_returns_gaps_and_ends_with_the_instance() {
    within("following", || {
        let (server, opened) = serve_scripts(&[one_line_and_cut_off, refuses_with_503, ends_open]);
        let seen: Vec<_> = instance(&server)
            .follow_log()
            .unwrap()
            .map(describe)
            .collect();
        assert_eq!(seen, ["one", "gap after 2 attempts", "two", "three"]);
        assert_eq!(opened.load(Ordering::SeqCst), 3);
    });
    /// The stream stays open, but the instance has ended. The client checks the instance because
    /// the stream is idle.
    fn ends_open(connection: &mut Connection) {
        let _ = connection.send([HEAD, &line("two"), &line("three")].concat());
        while connection.read_head().is_ok() {}
    }
}

#[test]
fn follow_log_ends_after_a_gap_if_the_instance_is_gone() {
    within("following", || {
        let (server, _) = serve_scripts(&[one_line_and_cut_off]);
        let seen: Vec<_> = instance(&server)
            .follow_log()
            .unwrap()
            .map(describe)
            .collect();
        assert_eq!(seen, ["one", "gap after 1 attempts"]);
    });
}

/// Ends the stream, and closes the connection at the next request without a response.
fn ends_and_drops_the_next_request(connection: &mut Connection) {
    ends(connection);
    let _ = connection.read_head();
}

#[test]
fn follow_log_has_no_gap_if_the_connection_closes_after_the_stream() {
    within("following", || {
        let (server, opened) = serve_scripts(&[ends_and_drops_the_next_request]);
        let seen: Vec<_> = instance(&server)
            .follow_log()
            .unwrap()
            .map(describe)
            .collect();
        assert_eq!(seen, ["last"]);
        assert_eq!(opened.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn follow_log_has_no_gap_if_the_stream_ends_with_the_instance() {
    within("following", || {
        let (server, opened) = serve_scripts(&[ends]);
        let seen: Vec<_> = instance(&server)
            .follow_log()
            .unwrap()
            .map(describe)
            .collect();
        assert_eq!(seen, ["last"]);
        assert_eq!(opened.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn follow_log_ends_with_the_refusal_of_the_hub() {
    within("following", || {
        let (server, _) =
            serve_scripts(&[one_line_and_cut_off, refuses_with_403, two_lines_and_open]);
        let seen: Vec<_> = instance(&server)
            .follow_log()
            .unwrap()
            .map(describe)
            .collect();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(
            seen[1].contains("refused with status 403 NOT_AUTHORIZED: not yours"),
            "{seen:?}"
        );
    });
}

#[test]
fn follow_log_ends_at_its_deadline_and_on_cancel() {
    within("following", || {
        let (server, _) = serve_scripts(&[one_line_and_cut_off]);
        let (limit, begin) = (Duration::from_millis(500), Instant::now());
        // The server is gone when the client reconnects.
        let mut follow = instance(&server).with_deadline(limit).follow_log().unwrap();
        assert_eq!(describe(follow.next().unwrap()), "one");
        drop(server);
        let error = follow.next().unwrap().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Deadline { .. }) && begin.elapsed() >= limit,
            "{error}"
        );
        assert!(follow.next().is_none());

        let (server, _) = serve_scripts(&[one_line_and_cut_off]);
        let token = CancelToken::new();
        let mut follow = instance(&server).with_cancel(&token).follow_log().unwrap();
        assert_eq!(describe(follow.next().unwrap()), "one");
        drop(server);
        let reader = std::thread::spawn(move || {
            (follow.next().unwrap().unwrap_err(), follow.next().is_none())
        });
        token.cancel();
        let (error, over) = reader.join().unwrap();
        assert!(error.is_cancelled() && over, "{error}");
    });
}

#[test]
fn follow_log_reports_an_idle_timeout_and_continues() {
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
        assert_eq!(describe(follow.next().unwrap()), "one");
        let error = follow.next().unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error}");
        more.put(());
        // On a busy machine, the line arrives after more timeouts.
        let is_timeout = |item: &Result<_, Error>| item.as_ref().is_err_and(Error::is_timeout);
        let next = follow.find(|item| !is_timeout(item));
        assert_eq!(describe(next.unwrap()), "two");
    });
}

#[test]
fn follow_topic_returns_lines_until_the_topic_ends() {
    within("following", || {
        let (server, _) = serve_scripts(&[one_line_and_cut_off, ends]);
        let host = HostClient::new(server.url()).unwrap();
        let follow = host
            .follow_topic("t", ContentType::Ndjson)
            .unwrap()
            .json_lines::<LogLine>();
        assert_eq!(
            follow.map(describe).collect::<Vec<_>>(),
            ["one", "gap after 1 attempts", "last"]
        );

        let (server, _) = serve_scripts(&[one_line_and_cut_off, ends]);
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

/// The log of a hub has no end. If it ends, the hub has stopped.
#[test]
fn follow_log_of_a_hub_continues_after_a_restart() {
    within("following", || {
        let (server, opened) = serve_scripts(&[one_line_and_cut_off, ends, two_lines_and_open]);
        let host = HostClient::new(server.url()).unwrap();
        let seen: Vec<_> = host.follow_log().unwrap().take(6).map(describe).collect();
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

on_each_hub!(follow_log_and_follow_events_end_with_the_instance);
fn follow_log_and_follow_events_end_with_the_instance(host: HostClient) {
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
