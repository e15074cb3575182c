//! What is uploaded, from wherever it comes: all of it, as it comes, or an error that says whose fault it is.

use std::env;
use std::error::Error as _;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use scramjet_client_blocking::core::SendSequence;
use scramjet_client_blocking::stream::Sent;
use scramjet_client_blocking::transport::{Phase, RequestBody, TransportError};
use scramjet_client_blocking::{Error, ErrorKind, HostClient, Input, InstanceClient, Upload};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_testing::script::from_fn;
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::helpers::{Folder, Mailbox, in_child, peak_memory, recording, within};

/// What the hub gets where the upload is sent as a sequence.
fn received(upload: impl Into<Upload>) -> ReceivedRequest {
    let (server, requests) = recording(br#"{"id":"the-sequence"}"#);
    let (sequence, _) = HostClient::new(server.url())
        .unwrap()
        .send(&SendSequence, upload.into())
        .unwrap();
    assert_eq!(sequence.id, "the-sequence");
    requests.take()
}

/// A package with a length.
fn assert_sized(upload: impl Into<Upload>, content: &[u8]) {
    let request = received(upload);
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/api/v1/sequence")
    );
    assert_eq!(
        request.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(
        request.header("content-length"),
        Some(content.len().to_string().as_str())
    );
    assert_eq!(request.header("transfer-encoding"), None);
    assert!(request.body == content, "other bytes arrived");
}

/// A package without one.
fn assert_chunked(upload: impl Into<Upload>, content: &[u8]) {
    let request = received(upload);
    assert_eq!(
        request.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(
        (
            request.header("content-length"),
            request.header("transfer-encoding")
        ),
        (None, Some("chunked"))
    );
    assert!(request.body == content, "other bytes arrived");
}

#[test]
fn a_package_may_come_from_anywhere() {
    let folder = Folder::new("anywhere");
    // Longer than any buffer on the way.
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(300_001).collect();
    let path = folder.file("package.tar.gz", &content);

    assert_sized(content.clone(), &content);
    assert_sized(content.as_slice(), &content);
    assert_sized(Upload::bytes(Vec::new()), b"");
    assert_sized(Upload::path(&path), &content);
    assert_sized(path.as_path(), &content);
    assert_sized(path.clone(), &content);
    assert_sized(&path, &content);
    assert_sized(File::open(&path).unwrap(), &content);
    assert_sized(Upload::path(folder.file("empty", b"")), b"");

    assert_chunked(Upload::reader(io::Cursor::new(content.clone())), &content);
    assert_chunked(Upload::reader(io::empty()), b"");
    assert_sized(
        Upload::sized_reader(io::Cursor::new(content.clone()), 300_001),
        &content,
    );
    // No more than was announced.
    assert_sized(
        Upload::sized_reader(io::repeat(b'x'), 200_000),
        &vec![b'x'; 200_000],
    );
    assert_sized(Upload::sized_reader(io::repeat(b'x'), 0), b"");
}

#[test]
fn of_a_file_that_was_read_only_the_rest_is_sent() {
    let folder = Folder::new("rest");
    let path = folder.file("data", b"0123456789");
    let at = |position| {
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::Start(position)).unwrap();
        file
    };
    assert_sized(at(4), b"456789");
    assert_sized(at(10), b"");
    // Beyond the end nothing is left, and no length is negative.
    let beyond = within("a file that stands beyond its end", {
        let file = at(20);
        move || received(file)
    });
    assert_eq!(beyond.body, b"");
}

#[test]
#[cfg(unix)]
fn what_is_no_regular_file_is_sent_to_its_end() {
    assert_chunked(File::open("/dev/null").unwrap(), b"");
    assert_chunked(Upload::path("/dev/null"), b"");
}

/// Gives some data and then an error.
struct Failing {
    left: usize,
}

impl Failing {
    const MESSAGE: &'static str = "the tape is torn";
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                Self::MESSAGE,
            ));
        }
        let given = buffer.len().min(self.left);
        buffer[..given].fill(b'.');
        self.left -= given;
        Ok(given)
    }
}

/// A server that tells of each request whether it arrived whole, and answers those.
fn telling() -> (ScriptedServer, Arc<Mailbox<bool>>) {
    let whole = Mailbox::new();
    let server = ScriptedServer::start({
        let whole = Arc::clone(&whole);
        move |connection| {
            while let Ok(mut request) = connection.read_head() {
                let complete = connection.read_body(&mut request).is_ok();
                whole.put(complete);
                if !complete {
                    return;
                }
                let _ =
                    connection.send(response("200 OK", &[], br#"{"id":"x","version":"1.0.1"}"#));
            }
        }
    });
    (server, whole)
}

/// The cause of an abandoned upload.
fn cause(error: &Error) -> &io::Error {
    let ErrorKind::Upload(cause) = error.kind() else {
        panic!("{error:?}")
    };
    assert!(error.source().is_some_and(|source| {
        source
            .downcast_ref::<io::Error>()
            .is_some_and(|source| std::ptr::eq(source, cause))
    }));
    cause
}

#[test]
fn an_upload_that_fails_is_abandoned_and_its_own_error_is_told() {
    for left in [0, 10, 500_000] {
        for length in [None, Some(1_000_000)] {
            within("an upload that fails", move || {
                let (server, whole) = telling();
                let host = HostClient::new(server.url()).unwrap();
                let upload = match length {
                    Some(length) => Upload::sized_reader(Failing { left }, length),
                    None => Upload::reader(Failing { left }),
                };
                let error = host.send(&SendSequence, upload).unwrap_err();
                assert_eq!(
                    (cause(&error).kind(), cause(&error).to_string().as_str()),
                    (io::ErrorKind::PermissionDenied, Failing::MESSAGE)
                );
                let told = format!(
                    "send sequence (POST {}/sequence): cannot upload the data",
                    server.url()
                );
                assert_eq!(error.to_string(), told);
                assert!(!whole.take(), "the hub takes what arrived for the whole");
                // And the client goes on, on another connection.
                assert!(host.version().is_ok());
                assert!(whole.take());
            });
        }
    }
}

#[test]
fn an_upload_shorter_than_announced_is_abandoned() {
    for (content, left) in [(&b"12345"[..], 5), (b"", 10)] {
        within("a short upload", move || {
            let (server, whole) = telling();
            let host = HostClient::new(server.url()).unwrap();
            let error = host
                .send(&SendSequence, Upload::sized_reader(content, 10))
                .unwrap_err();
            assert_eq!(cause(&error).kind(), io::ErrorKind::UnexpectedEof);
            assert_eq!(
                cause(&error).to_string(),
                format!("the data ended {left} bytes before its announced length")
            );
            assert!(!whole.take(), "the hub takes what arrived for the whole");
        });
    }
}

#[test]
fn a_file_that_shrinks_is_abandoned() {
    let folder = Folder::new("shrinks");
    let path = folder.file("data", &[b'.'; 1000]);
    let upload = Upload::file(File::open(&path).unwrap());
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(400)
        .unwrap();
    within("a file that shrinks", move || {
        let (server, whole) = telling();
        let error = HostClient::new(server.url())
            .unwrap()
            .send(&SendSequence, upload)
            .unwrap_err();
        assert_eq!(
            cause(&error).to_string(),
            "the data ended 600 bytes before its announced length"
        );
        assert!(!whole.take());
    });
}

#[test]
fn what_cannot_be_opened_is_told_before_a_connection_is_made() {
    let folder = Folder::new("missing");
    let missing = folder.0.join("missing.tar.gz");
    let (server, _) = recording(b"{}");
    let host = HostClient::new(server.url()).unwrap();
    for (path, kind) in [
        (&missing, io::ErrorKind::NotFound),
        (&folder.0, io::ErrorKind::IsADirectory),
    ] {
        let error = host.send_sequence(path).unwrap_err();
        assert_eq!(cause(&error).kind(), kind);
        assert!(
            cause(&error)
                .to_string()
                .starts_with(&format!("{}: ", path.display())),
            "{error:?}"
        );
        assert_eq!(error.operation(), Some("send sequence"));
        let instance = host.instance("the-instance").unwrap();
        assert_eq!(
            cause(&instance.send_input(Input::bytes(path)).unwrap_err()).kind(),
            kind
        );
        assert_eq!(
            cause(&instance.send_stdin(Input::bytes(path)).unwrap_err()).kind(),
            kind
        );
    }
    assert_eq!(server.connections(), 0);
}

#[test]
#[cfg(unix)]
fn an_open_directory_is_abandoned() {
    let folder = Folder::new("directory");
    let directory = File::open(&folder.0).unwrap();
    within("a directory", move || {
        let (server, _) = recording(b"{}");
        let error = HostClient::new(server.url())
            .unwrap()
            .send_sequence(directory)
            .unwrap_err();
        assert_eq!(cause(&error).kind(), io::ErrorKind::IsADirectory);
    });
}

/// The reader's `Interrupted` is not an error.
#[test]
fn an_interrupted_read_is_made_again() {
    struct Interrupted(bool, &'static [u8]);
    impl Read for Interrupted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 = !self.0;
            if self.0 {
                Err(io::ErrorKind::Interrupted.into())
            } else {
                self.1.read(buffer)
            }
        }
    }
    assert_chunked(
        Upload::reader(Interrupted(false, b"0123456789")),
        b"0123456789",
    );
}

#[test]
fn a_long_upload_takes_no_memory() {
    const HUB: &str = "TEST_UPLOAD_CHILD_HUB";
    const LENGTH: u64 = 64 << 20;
    if let Ok(url) = env::var(HUB) {
        within("a long upload", move || {
            let instance = HostClient::new(url)
                .unwrap()
                .instance("the-instance")
                .unwrap();
            // The buffers that any upload takes.
            let little = Input::text("a little").end(false);
            instance.send_input(little).unwrap();
            let before = peak_memory();
            let sent = instance
                .send_input(Upload::reader(io::repeat(b'.').take(LENGTH)))
                .unwrap();
            let grown = peak_memory() - before;
            assert_eq!(sent.bytes, LENGTH);
            assert!(grown < 8 << 20, "the peak grew by {grown} bytes");
        });
        return;
    }
    let (server, requests) = recording(b"");
    in_child(&[(HUB, &server.url())]);
    assert_eq!(requests.take().body.len(), 8);
    // The instance is asked for its state as well.
    let mut uploads = std::iter::from_fn(|| Some(requests.take()));
    let long = uploads.find(|request| request.method == "POST").unwrap();
    assert_eq!(long.header("transfer-encoding"), Some("chunked"));
    assert_eq!(u64::try_from(long.body.len()).unwrap(), LENGTH);
}

#[test]
fn the_bytes_that_were_sent_are_counted() {
    let (server, requests) = recording(b"");
    let instance = HostClient::new(server.url())
        .unwrap()
        .instance("the-instance")
        .unwrap();
    let folder = Folder::new("counted");
    let path = folder.file("lines", b"1\n2\n3\n");
    let rows: [(Input, usize); 6] = [
        (Input::text("zażółć"), 10),
        (Input::text(""), 0),
        (Input::bytes(vec![0; 100_000]), 100_000),
        (Input::ndjson(path.as_path()), 6),
        (
            Input::bytes(Upload::reader(io::repeat(b'.').take(54_321))),
            54_321,
        ),
        (
            Input::bytes(Upload::sized_reader(io::repeat(b'.'), 12_345)),
            12_345,
        ),
    ];
    for (input, length) in rows {
        let what = format!("{input:?}");
        let sent = instance.send_input(input.end(false)).unwrap();
        assert_eq!(sent.bytes, u64::try_from(length).unwrap(), "{what}");
        assert_eq!(requests.take().body.len(), length, "{what}");
        assert_eq!(requests.take().method, "GET", "{what}");
    }
    assert_eq!(instance.send_stdin("1234").unwrap().bytes, 4);
    assert_eq!(
        requests.take().target,
        "/api/v1/instance/the-instance/stdin"
    );
}

/// Hubs send the head of their answer at once, and its end when they have taken everything.
#[test]
fn sent_is_said_when_the_hub_has_taken_everything() {
    type Send = fn(&InstanceClient) -> Result<Sent, Error>;
    let sends: [(&str, Send); 3] = [
        ("text", |instance| instance.send_input("some text")),
        ("a reader", |instance| {
            instance.send_input(Upload::reader(io::repeat(b'.').take(200_000)))
        }),
        ("stdin", |instance| instance.send_stdin("some text")),
    ];
    for (name, send) in sends {
        let (taken, whole) = (Arc::new(AtomicBool::new(false)), Mailbox::new());
        let server = ScriptedServer::start({
            let (taken, whole) = (Arc::clone(&taken), Arc::clone(&whole));
            move |connection| {
                let mut request = connection.read_head().unwrap();
                let _ = connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                whole.put(connection.read_body(&mut request).is_ok());
                taken.store(true, Ordering::SeqCst);
                let _ = connection.send(b"0\r\n\r\n");
                let _ = connection.close_after_client();
            }
        });
        let instance = HostClient::new(server.url())
            .unwrap()
            .instance("the-instance")
            .unwrap();
        let said_after = within(name, move || {
            send(&instance).unwrap();
            taken.load(Ordering::SeqCst)
        });
        assert!(whole.take() && said_after, "{name}: it was said before");
    }
}

/// The same without a network, where nothing depends on who is quicker.
#[test]
fn sent_is_said_at_the_end_of_the_answer() {
    struct Slow(Arc<AtomicUsize>);
    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let reads = self.0.fetch_add(1, Ordering::SeqCst);
            buffer[0] = b' ';
            Ok(usize::from(reads < 3))
        }
    }
    let reads = Arc::new(AtomicUsize::new(0));
    let transport = from_fn({
        let reads = Arc::clone(&reads);
        move |request: http::Request<RequestBody<'_>>| {
            if request.method() == http::Method::GET {
                return Err(TransportError::new(Phase::Tls, "it cannot be asked"));
            }
            if let RequestBody::Reader { reader, .. } = request.into_body() {
                io::copy(reader, &mut io::sink()).unwrap();
            }
            Ok(http::Response::new(
                Box::new(Slow(Arc::clone(&reads))) as Box<dyn Read + Send>
            ))
        }
    });
    let host = HostClient::builder("http://hub:8000/api/v1")
        .transport(Arc::new(transport))
        .build()
        .unwrap();
    host.instance("the-instance")
        .unwrap()
        .send_input("text")
        .unwrap();
    assert_eq!(reads.load(Ordering::SeqCst), 4, "three pieces and the end");
}

/// An answer that never ends is not "sent", and neither is one that is cut off.
#[test]
fn sent_is_not_said_where_the_answer_breaks_off() {
    let server = ScriptedServer::start(|connection| {
        connection.read_request().unwrap();
        let _ = connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    });
    let instance = HostClient::new(server.url())
        .unwrap()
        .instance("the-instance")
        .unwrap();
    let error = instance.send_input("text").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("connection lost while reading the response (got 0 bytes)"),
        "{error}"
    );
}

#[test]
fn debug_output_says_where_an_upload_comes_from() {
    for (upload, text) in [
        (Upload::bytes(*b"secret"), "Upload(6 bytes)"),
        (Upload::path(Path::new("a").join("b")), "Upload(a/b)"),
        (Upload::reader(io::empty()), "Upload(reader)"),
        (
            Upload::sized_reader(io::empty(), 7),
            "Upload(reader of 7 bytes)",
        ),
    ] {
        assert_eq!(format!("{upload:?}"), text);
    }
    assert!(!format!("{:?}", Input::text("secret")).contains("secret"));
}
