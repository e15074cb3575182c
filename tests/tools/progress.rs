//! Uploads and streams tell how far they have come.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use scramjet_client_blocking::stream::Progress;
use scramjet_client_blocking::{Error, ErrorKind, HostClient, Package, Upload};
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::folder::{bytes_of, sequence};
use crate::helpers::{Folder, Mailbox, recording, within};

type Told = Arc<Mutex<Vec<(u64, Option<u64>)>>>;

/// What is told, and whom to tell, who goes on for as long as it is so.
fn telling(
    go_on: impl Fn(Progress) -> bool + Send + 'static,
) -> (
    Told,
    impl FnMut(Progress) -> ControlFlow<()> + Send + 'static,
) {
    let told = Told::default();
    let report = {
        let told = Arc::clone(&told);
        move |progress: Progress| {
            told.lock().unwrap().push((progress.bytes, progress.total));
            if go_on(progress) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        }
    };
    (told, report)
}

/// It begins with nothing, always grows, comes to all of it, and tells the total each time.
fn assert_told(told: &Told, bytes: u64, total: Option<u64>) {
    let told = told.lock().unwrap();
    assert_eq!(told.first(), Some(&(0, total)));
    assert_eq!(told.last(), Some(&(bytes, total)));
    assert!(
        told.iter().all(|(_, seen)| *seen == total)
            && told.is_sorted_by(|one, next| one.0 < next.0),
        "{told:?}"
    );
}

#[test]
fn an_upload_tells_how_far_it_has_come() {
    let folder = Folder::new("upload-progress");
    let content = b"\x1f\x8b".repeat(500_000);
    let path = folder.file("package", &content);
    let (server, requests) = recording(br#"{"id":"s"}"#);
    let host = HostClient::new(server.url()).unwrap();
    for (upload, total) in [
        (Upload::path(&path), Some(1_000_000)),
        (Upload::bytes(content.clone()), Some(1_000_000)),
        (Upload::reader(io::Cursor::new(content.clone())), None),
    ] {
        let (told, report) = telling(|_| true);
        host.send_sequence(upload.progress(report)).unwrap();
        assert_eq!(requests.take().body.len(), 1_000_000);
        assert_told(&told, 1_000_000, total);
        assert!(told.lock().unwrap().len() > 3, "it is told as it goes");
    }

    let folder = sequence("package-progress", &[]);
    let package = Package::from_dir(&folder.0).unwrap();
    let (told, report) = telling(|_| true);
    host.send_sequence(Upload::from(&package).progress(report))
        .unwrap();
    assert_told(
        &told,
        u64::try_from(bytes_of(&package).len()).unwrap(),
        None,
    );
}

fn assert_cancelled(error: &Error, said: &str) {
    assert!(
        error.is_cancelled() && matches!(error.kind(), ErrorKind::Cancelled { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(said), "{error}");
}

#[test]
fn an_upload_ends_where_it_is_asked_to_and_is_not_taken_for_whole() {
    for limit in [0, 100_000] {
        within("an upload that is cancelled", move || {
            let whole = Mailbox::new();
            let server = ScriptedServer::start({
                let whole = Arc::clone(&whole);
                move |connection| {
                    let Ok(mut request) = connection.read_head() else {
                        return;
                    };
                    whole.put(connection.read_body(&mut request).is_ok());
                }
            });
            let (told, report) = telling(move |progress| progress.bytes < limit);
            let upload = Upload::bytes(b"\x1f\x8b".repeat(150_000)).progress(report);
            let error = HostClient::new(server.url())
                .unwrap()
                .send_sequence(upload)
                .unwrap_err();
            assert_cancelled(&error, ": cancelled while sending the request");
            assert!(!whole.take());
            assert!(told.lock().unwrap().last().unwrap().0 < 300_000);
        });
    }
}

#[test]
fn a_stream_tells_how_far_it_has_come_and_ends_where_it_is_asked_to() {
    let server = ScriptedServer::start(|connection| {
        while let Ok(request) = connection.read_request() {
            if request.target.ends_with("/stdout") {
                let _ = connection.send(response("200 OK", &[], &[b'x'; 200_000]));
            } else {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
            }
        }
    });
    let instance = HostClient::new(server.url())
        .unwrap()
        .instance("i")
        .unwrap();
    let (told, report) = telling(|_| true);
    assert_eq!(
        io::copy(
            &mut instance.stdout().unwrap().progress(report),
            &mut io::sink()
        )
        .unwrap(),
        200_000
    );
    assert_told(&told, 200_000, Some(200_000));

    let (told, report) = telling(|_| true);
    let lines: Result<Vec<_>, _> = instance
        .output()
        .unwrap()
        .progress(report)
        .lines()
        .collect();
    assert_eq!(lines.unwrap(), ["abcde"]);
    assert_told(&told, 5, None);

    let (told, report) = telling(|progress| progress.bytes < 50_000);
    let mut stream = instance.stdout().unwrap().progress(report);
    for _ in 0..2 {
        let error = io::copy(&mut stream, &mut io::sink())
            .unwrap_err()
            .downcast::<Error>()
            .unwrap();
        assert_cancelled(&error, ": cancelled while reading the response");
    }
    let told = told.lock().unwrap();
    assert_eq!(
        told.iter().filter(|(bytes, _)| *bytes >= 50_000).count(),
        1,
        "it is told nothing more"
    );

    let mut never = instance
        .stdout()
        .unwrap()
        .progress(|_| ControlFlow::Break(()));
    assert!(never.read(&mut [0]).is_err());
}
