//! Progress of uploads and streams.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use scramjet_client_blocking::stream::Progress;
use scramjet_client_blocking::{Error, ErrorKind, HostClient, Package, Upload};
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::helpers::{Folder, Mailbox, recording, within};
use crate::package_folder::{bytes_of, sequence};

type Recorded = Arc<Mutex<Vec<(u64, Option<u64>)>>>;

/// Returns the recorded progress, and a callback that continues while `continues` returns `true`.
fn recording_progress(
    continues: impl Fn(Progress) -> bool + Send + 'static,
) -> (
    Recorded,
    impl FnMut(Progress) -> ControlFlow<()> + Send + 'static,
) {
    let recorded = Recorded::default();
    let report = {
        let recorded = Arc::clone(&recorded);
        move |progress: Progress| {
            recorded
                .lock()
                .unwrap()
                .push((progress.bytes, progress.total));
            if continues(progress) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        }
    };
    (recorded, report)
}

/// Checks that progress begins at 0, increases, ends at `bytes`, and always has this total.
fn assert_progress(recorded: &Recorded, bytes: u64, total: Option<u64>) {
    let recorded = recorded.lock().unwrap();
    assert_eq!(recorded.first(), Some(&(0, total)));
    assert_eq!(recorded.last(), Some(&(bytes, total)));
    assert!(
        recorded.iter().all(|(_, seen)| *seen == total)
            && recorded.is_sorted_by(|one, next| one.0 < next.0),
        "{recorded:?}"
    );
}

#[test]
fn upload_progress_reports_bytes_and_total() {
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
        let (recorded, report) = recording_progress(|_| true);
        host.send_sequence(upload.progress(report)).unwrap();
        assert_eq!(requests.take().body.len(), 1_000_000);
        assert_progress(&recorded, 1_000_000, total);
        assert!(
            recorded.lock().unwrap().len() > 3,
            "it is reported during the upload"
        );
    }

    let folder = sequence("package-progress", &[]);
    let package = Package::from_dir(&folder.0).unwrap();
    let (recorded, report) = recording_progress(|_| true);
    host.send_sequence(Upload::from(&package).progress(report))
        .unwrap();
    assert_progress(
        &recorded,
        u64::try_from(bytes_of(&package).len()).unwrap(),
        None,
    );
}

fn assert_cancelled(error: &Error, text: &str) {
    assert!(
        error.is_cancelled() && matches!(error.kind(), ErrorKind::Cancelled { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(text), "{error}");
}

#[test]
fn upload_progress_break_cancels_the_upload() {
    for limit in [0, 100_000] {
        within("an upload that is cancelled", move || {
            let completeness = Mailbox::new();
            let server = ScriptedServer::start({
                let completeness = Arc::clone(&completeness);
                move |connection| {
                    let Ok(mut request) = connection.read_head() else {
                        return;
                    };
                    completeness.put(connection.read_body(&mut request).is_ok());
                }
            });
            let (recorded, report) = recording_progress(move |progress| progress.bytes < limit);
            let upload = Upload::bytes(b"\x1f\x8b".repeat(150_000)).progress(report);
            let error = HostClient::new(server.url())
                .unwrap()
                .send_sequence(upload)
                .unwrap_err();
            assert_cancelled(&error, ": cancelled while sending the request");
            assert!(!completeness.take());
            assert!(recorded.lock().unwrap().last().unwrap().0 < 300_000);
        });
    }
}

#[test]
fn stream_progress_reports_bytes_and_can_cancel() {
    let server = ScriptedServer::start(|connection| {
        while let Ok(request) = connection.read_request() {
            if request.target.ends_with("/stdout") {
                let _ = connection.send(response("200 OK", &[], &[b'x'; 200_000]));
            } else {
                let _ = connection.send(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                     3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                );
            }
        }
    });
    let instance = HostClient::new(server.url())
        .unwrap()
        .instance("i")
        .unwrap();
    let (recorded, report) = recording_progress(|_| true);
    assert_eq!(
        io::copy(
            &mut instance.stdout().unwrap().progress(report),
            &mut io::sink()
        )
        .unwrap(),
        200_000
    );
    assert_progress(&recorded, 200_000, Some(200_000));

    let (recorded, report) = recording_progress(|_| true);
    let lines: Result<Vec<_>, _> = instance
        .output()
        .unwrap()
        .progress(report)
        .lines()
        .collect();
    assert_eq!(lines.unwrap(), ["abcde"]);
    assert_progress(&recorded, 5, None);

    let (recorded, report) = recording_progress(|progress| progress.bytes < 50_000);
    let mut stream = instance.stdout().unwrap().progress(report);
    for _ in 0..2 {
        let error = io::copy(&mut stream, &mut io::sink())
            .unwrap_err()
            .downcast::<Error>()
            .unwrap();
        assert_cancelled(&error, ": cancelled while reading the response");
    }
    let recorded = recorded.lock().unwrap();
    assert_eq!(
        recorded
            .iter()
            .filter(|(bytes, _)| *bytes >= 50_000)
            .count(),
        1,
        "nothing more is reported"
    );

    let mut never = instance
        .stdout()
        .unwrap()
        .progress(|_| ControlFlow::Break(()));
    assert!(never.read(&mut [0]).is_err());
}
