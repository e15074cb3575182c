//! Uploads from memory, files and readers: all the data arrives unchanged, or the call fails.

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
#[cfg(target_os = "linux")]
use scramjet_client_tests::process::peak;
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::helpers::{FnReader, Folder, Mailbox, in_child, recording, within};

/// Sends the upload as a sequence, and returns the request that the hub received.
fn received(upload: impl Into<Upload>) -> ReceivedRequest {
    let (server, requests) = recording(br#"{"id":"the-sequence"}"#);
    let (sequence, _) = HostClient::new(server.url())
        .unwrap()
        .send(&SendSequence, upload.into())
        .unwrap();
    assert_eq!(sequence.id, "the-sequence");
    requests.take()
}

/// Checks that the package is sent with a length.
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

/// Checks that the package is sent chunked.
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
fn send_accepts_every_kind_of_upload() {
    let folder = Folder::new("anywhere");
    // Larger than all buffers.
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
    // A sized reader sends no more than its length.
    assert_sized(
        Upload::sized_reader(io::repeat(b'x'), 200_000),
        &vec![b'x'; 200_000],
    );
    assert_sized(Upload::sized_reader(io::repeat(b'x'), 0), b"");
}

#[test]
fn upload_file_sends_only_the_data_after_its_position() {
    let folder = Folder::new("rest");
    let path = folder.file("data", b"0123456789");
    let at = |position| {
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::Start(position)).unwrap();
        file
    };
    assert_sized(at(4), b"456789");
    assert_sized(at(10), b"");
    // At a position after the end, there is no data, and the length is not negative.
    let beyond = within("a file whose position is after its end", {
        let file = at(20);
        move || received(file)
    });
    assert_eq!(beyond.body, b"");
}

#[test]
#[cfg(unix)]
fn upload_path_sends_a_special_file_chunked() {
    assert_chunked(File::open("/dev/null").unwrap(), b"");
    assert_chunked(Upload::path("/dev/null"), b"");
}

/// A reader that fails after some data.
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
        let length = buffer.len().min(self.left);
        buffer[..length].fill(b'.');
        self.left -= length;
        Ok(length)
    }
}

/// Starts a server that reports whether each request was complete, and responds to complete ones.
fn completeness_server() -> (ScriptedServer, Arc<Mailbox<bool>>) {
    let completeness = Mailbox::new();
    let server = ScriptedServer::start({
        let completeness = Arc::clone(&completeness);
        move |connection| {
            while let Ok(mut request) = connection.read_head() {
                let complete = connection.read_body(&mut request).is_ok();
                completeness.put(complete);
                if !complete {
                    return;
                }
                let _ =
                    connection.send(response("200 OK", &[], br#"{"id":"x","version":"1.0.1"}"#));
            }
        }
    });
    (server, completeness)
}

/// Returns the error of the reader.
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
fn send_returns_the_error_of_a_failing_reader() {
    for left in [0, 10, 500_000] {
        for length in [None, Some(1_000_000)] {
            within("an upload that fails", move || {
                let (server, completeness) = completeness_server();
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
                let expected = format!(
                    "send sequence (POST {}/sequence): cannot upload the data",
                    server.url()
                );
                assert_eq!(error.to_string(), expected);
                assert!(!completeness.take(), "the hub got a complete upload");
                // The client continues on another connection.
                assert!(host.version().is_ok());
                assert!(completeness.take());
            });
        }
    }
}

#[test]
fn sized_reader_with_too_little_data_is_an_error() {
    for (content, left) in [(&b"12345"[..], 5), (b"", 10)] {
        within("a short upload", move || {
            let (server, completeness) = completeness_server();
            let host = HostClient::new(server.url()).unwrap();
            let error = host
                .send(&SendSequence, Upload::sized_reader(content, 10))
                .unwrap_err();
            assert_eq!(cause(&error).kind(), io::ErrorKind::UnexpectedEof);
            assert_eq!(
                cause(&error).to_string(),
                format!("the data ended {left} bytes before its announced length")
            );
            assert!(!completeness.take(), "the hub got a complete upload");
        });
    }
}

#[test]
fn upload_file_that_shrinks_is_an_error() {
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
        let (server, completeness) = completeness_server();
        let error = HostClient::new(server.url())
            .unwrap()
            .send(&SendSequence, upload)
            .unwrap_err();
        assert_eq!(
            cause(&error).to_string(),
            "the data ended 600 bytes before its announced length"
        );
        assert!(!completeness.take());
    });
}

#[test]
fn send_sequence_and_send_input_report_a_missing_file_before_connecting() {
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
fn send_sequence_of_an_open_directory_is_an_error() {
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

#[test]
fn upload_reader_retries_an_interrupted_read() {
    let (mut interrupts, mut data) = (false, &b"0123456789"[..]);
    let reader = FnReader(move |buffer: &mut [u8]| {
        interrupts = !interrupts;
        if interrupts {
            return Err(io::ErrorKind::Interrupted.into());
        }
        data.read(buffer)
    });
    assert_chunked(Upload::reader(reader), b"0123456789");
}

#[test]
#[cfg(target_os = "linux")]
fn send_input_uses_constant_memory() {
    const HUB: &str = "TEST_UPLOAD_CHILD_HUB";
    const LENGTH: u64 = 64 << 20;
    if let Ok(url) = env::var(HUB) {
        within("a long upload", move || {
            let instance = HostClient::new(url)
                .unwrap()
                .instance("the-instance")
                .unwrap();
            // Allocates the buffers that every upload needs.
            let little = Input::text("a little").end(false);
            instance.send_input(little).unwrap();
            let before = peak();
            let sent = instance
                .send_input(Upload::reader(io::repeat(b'.').take(LENGTH)))
                .unwrap();
            let grown = peak() - before;
            assert_eq!(sent.bytes, LENGTH);
            assert!(grown < 8 << 20, "the peak grew by {grown} bytes");
        });
        return;
    }
    let (server, requests) = recording(b"");
    in_child(&[(HUB, &server.url())]);
    assert_eq!(requests.take().body.len(), 8);
    // The client also requests the state of the instance.
    let mut uploads = std::iter::from_fn(|| Some(requests.take()));
    let long = uploads.find(|request| request.method == "POST").unwrap();
    assert_eq!(long.header("transfer-encoding"), Some("chunked"));
    assert_eq!(u64::try_from(long.body.len()).unwrap(), LENGTH);
}

#[test]
fn send_input_returns_the_number_of_bytes() {
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

/// Hubs send the response head at once, and the end of the response after they have received
/// everything.
#[test]
fn send_input_returns_after_the_hub_has_received_everything() {
    type Send = fn(&InstanceClient) -> Result<Sent, Error>;
    let sends: [(&str, Send); 3] = [
        ("text", |instance| instance.send_input("some text")),
        ("a reader", |instance| {
            instance.send_input(Upload::reader(io::repeat(b'.').take(200_000)))
        }),
        ("stdin", |instance| instance.send_stdin("some text")),
    ];
    for (name, send) in sends {
        let (taken, completeness) = (Arc::new(AtomicBool::new(false)), Mailbox::new());
        let server = ScriptedServer::start({
            let (taken, completeness) = (Arc::clone(&taken), Arc::clone(&completeness));
            move |connection| {
                let mut request = connection.read_head().unwrap();
                let _ = connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                completeness.put(connection.read_body(&mut request).is_ok());
                taken.store(true, Ordering::SeqCst);
                let _ = connection.send(b"0\r\n\r\n");
                let _ = connection.close_after_client();
            }
        });
        let instance = HostClient::new(server.url())
            .unwrap()
            .instance("the-instance")
            .unwrap();
        let was_received = within(name, move || {
            send(&instance).unwrap();
            taken.load(Ordering::SeqCst)
        });
        assert!(
            completeness.take() && was_received,
            "{name}: the call returned too early"
        );
    }
}

/// Like the previous test, but without a network, so that it does not depend on timing.
#[test]
fn send_input_returns_at_the_end_of_the_response() {
    let reads = Arc::new(AtomicUsize::new(0));
    let transport = from_fn({
        let reads = Arc::clone(&reads);
        move |request: http::Request<RequestBody<'_>>| {
            if request.method() == http::Method::GET {
                return Err(TransportError::new(Phase::Tls, "no connection"));
            }
            if let RequestBody::Reader { reader, .. } = request.into_body() {
                io::copy(reader, &mut io::sink()).unwrap();
            }
            let reads = Arc::clone(&reads);
            let body: Box<dyn Read + Send> = Box::new(FnReader(move |buffer: &mut [u8]| {
                buffer[0] = b' ';
                Ok(usize::from(reads.fetch_add(1, Ordering::SeqCst) < 3))
            }));
            Ok(http::Response::new(body))
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

#[test]
fn send_input_fails_if_the_response_is_cut_off() {
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
fn upload_debug_names_the_source_of_the_data() {
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
