use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use scramjet_client_core::NullLine;

use super::*;
use crate::body::upload::Upload;
use crate::limits::cancel::CancelToken;
use crate::transport::direct::ChunkSender;

#[test]
fn read_returns_the_written_bytes_in_order() {
    let (mut writer, mut reader) = pipe(&CallLimits::default());
    let data: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let expected = data.clone();
    let writing = thread::spawn(move || writer.write_all(&data).is_ok());
    let mut read = Vec::new();
    assert_eq!(reader.read_to_end(&mut read).ok(), Some(expected.len()));
    assert!(read == expected && writing.join().is_ok_and(|written| written));
}

#[test]
fn flush_waits_until_the_reader_asks_for_more() {
    let (mut writer, mut reader) = pipe(&CallLimits::default());
    let reading = thread::spawn(move || {
        let mut chunks = Vec::new();
        let mut buf = [0; 16];
        while let Ok(read @ 1..) = reader.read(&mut buf) {
            chunks.push(buf.get(..read).unwrap_or_default().to_vec());
        }
        chunks
    });
    for chunk in [&b"one"[..], b"two", b"three"] {
        assert!(
            writer
                .write_all(chunk)
                .and_then(|()| writer.flush())
                .is_ok()
        );
    }
    drop(writer);
    assert_eq!(
        reading.join().ok(),
        Some(vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()])
    );
}

/// Blocks until the writer is blocked.
fn until_waiting(shared: &Shared) {
    while !shared.state().writer_waits {
        thread::yield_now();
    }
}

#[test]
fn flush_does_not_return_while_the_reader_is_busy() {
    let (mut writer, mut reader) = pipe(&CallLimits::default());
    assert!(writer.write_all(b"one").is_ok());
    assert_eq!(reader.read(&mut [0; 16]).ok(), Some(3));
    let (sender, receiver) = channel();
    let flushing = thread::spawn(move || sender.send(writer.flush().is_ok()).is_ok());
    while !reader.shared.state().writer_waits {
        assert_eq!(
            receiver.try_recv(),
            Err(TryRecvError::Empty),
            "the reader has not come back for more"
        );
        thread::yield_now();
    }
    // This read lets `flush` return. Dropping the writer then lets the read return.
    assert_eq!(reader.read(&mut [0; 16]).ok(), Some(0));
    assert!(flushing.join().is_ok() && receiver.recv() == Ok(true));
}

#[test]
fn write_continues_as_soon_as_there_is_space() {
    let (mut writer, mut reader) = pipe(&CallLimits::default());
    let (sender, receiver) = channel();
    thread::spawn(move || {
        sender
            .send((writer.write_all(&vec![0; CAPACITY + 1]).is_ok(), writer))
            .is_ok()
    });
    until_waiting(&reader.shared);
    assert_eq!(reader.read(&mut [0; 16]).ok(), Some(16));
    let written = receiver
        .recv_timeout(Duration::from_secs(10))
        .map(|(written, _)| written);
    assert_eq!(written, Ok(true), "the writer was not woken");
}

#[test]
fn dropping_the_reader_wakes_a_blocked_writer() {
    for flushes in [false, true] {
        let (mut writer, reader) = pipe(&CallLimits::default());
        let shared = Arc::clone(&reader.shared);
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let written = writer.write_all(&vec![0; if flushes { 1 } else { 2 * CAPACITY }]);
            sender.send((written.is_ok(), writer.flush().is_err()))
        });
        until_waiting(&shared);
        drop(reader);
        assert_eq!(
            receiver.recv_timeout(Duration::from_secs(10)),
            Ok((flushes, true))
        );
    }
}

/// Returns a token, and limits with it.
fn cancellable() -> (CancelToken, CallLimits) {
    let token = CancelToken::new();
    let limits = CallLimits {
        cancel: Some(token.clone()),
        ..CallLimits::default()
    };
    (token, limits)
}

#[test]
fn read_observes_cancel_token_and_deadline() {
    let (token, limits) = cancellable();
    let (_writer, mut reader) = pipe(&limits);
    let reading = thread::spawn(move || {
        reader
            .read(&mut [0])
            .err()
            .and_then(|error| error.downcast().ok())
    });
    token.cancel();
    assert_eq!(reading.join().ok(), Some(Some(StopReason::Cancelled)));

    let limits = CallLimits {
        deadline: Instant::now().checked_add(Duration::from_millis(10)),
        ..CallLimits::default()
    };
    let (_writer, mut reader) = pipe(&limits);
    assert_eq!(
        reader
            .read(&mut [0])
            .err()
            .and_then(|error| error.downcast().ok()),
        Some(StopReason::Deadline)
    );
}

/// Longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Records chunks instead of sending them.
#[derive(Default)]
struct Chunks {
    sent: Mutex<Vec<Vec<u8>>>,
    refuses: AtomicBool,
}

impl ChunkSender for Chunks {
    fn send_chunk(&self, data: &[u8]) -> bool {
        let accepts = !self.refuses.load(Ordering::SeqCst);
        if accepts {
            lock(&self.sent).push(data.to_vec());
        }
        accepts
    }
}

impl Chunks {
    /// Lets the writer of the pipe send these chunks.
    fn open(reader: &PipeReader) -> Arc<Self> {
        let chunks = Arc::<Self>::default();
        let weak = Arc::downgrade(&chunks);
        reader.direct().open(weak);
        chunks
    }

    fn sent(&self) -> Vec<String> {
        let text = |chunk: &Vec<u8>| String::from_utf8_lossy(chunk).into_owned();
        lock(&self.sent).iter().map(text).collect()
    }
}

/// Blocks until the reader is blocked because there is no data.
fn until_reader_waits(shared: &Shared) {
    loop {
        let state = shared.state();
        if state.reader_waits && state.bytes.is_empty() {
            return;
        }
        drop(state);
        thread::yield_now();
    }
}

fn flushed(writer: &mut impl Write, data: &str) -> bool {
    writer
        .write_all(data.as_bytes())
        .and_then(|()| writer.flush())
        .is_ok()
}

#[test]
fn write_sends_directly_only_while_the_reader_waits() {
    let (mut writer, mut reader) = pipe(&CallLimits::default());
    let (shared, chunks) = (Arc::clone(&reader.shared), Chunks::open(&reader));
    assert!(writer.send(b"before the first read").is_ok());
    let (sender, receiver) = channel();
    let reading = thread::spawn(move || {
        let mut buf = [0; 32];
        while let Ok(read @ 1..) = reader.read(&mut buf) {
            let _ = sender.send(buf.get(..read).unwrap_or_default().to_vec());
        }
    });
    let pulled = || receiver.recv_timeout(TIMEOUT).unwrap_or_default();
    assert_eq!(pulled(), b"before the first read");
    until_reader_waits(&shared);
    assert!(flushed(&mut writer, "one") && writer.send(b"two").is_ok());
    assert_eq!(chunks.sent(), ["one", "two"]);
    // Without a flush, further pieces use the buffer.
    assert!(writer.write_all(b"three").is_ok() && writer.write_all(b"four").is_ok());
    assert_eq!(pulled(), b"four");
    assert!(writer.flush().is_ok());
    chunks.refuses.store(true, Ordering::SeqCst);
    assert!(flushed(&mut writer, "five"));
    assert_eq!(pulled(), b"five");
    chunks.refuses.store(false, Ordering::SeqCst);
    assert!(flushed(&mut writer, "six"));
    assert_eq!(chunks.sent(), ["one", "two", "three", "six"]);
    drop(writer);
    assert!(reading.join().is_ok() && receiver.try_recv().is_err());
}

#[test]
fn write_does_not_send_large_data_directly() {
    let (mut writer, mut reader) = pipe(&CallLimits::default());
    let (shared, chunks) = (Arc::clone(&reader.shared), Chunks::open(&reader));
    let reading = thread::spawn(move || {
        let mut read = Vec::new();
        reader.read_to_end(&mut read).map(|_| read.len())
    });
    until_reader_waits(&shared);
    assert!(writer.send(&vec![0; CAPACITY + 1]).is_ok());
    drop(writer);
    let read = reading.join().unwrap_or(Ok(0));
    assert_eq!((read.ok(), chunks.sent().len()), (Some(CAPACITY + 1), 0));
}

/// Cancels the token while it sends, and waits for the end of the read.
struct Blocked {
    token: CancelToken,
    returned: Mutex<Receiver<()>>,
    result: Mutex<Option<RecvTimeoutError>>,
}

impl ChunkSender for Blocked {
    fn send_chunk(&self, _: &[u8]) -> bool {
        self.token.cancel();
        let waited = lock(&self.returned).recv_timeout(Duration::from_millis(50));
        *lock(&self.result) = waited.err();
        true
    }
}

#[test]
fn read_does_not_fail_while_the_writer_sends() {
    let (token, limits) = cancellable();
    let (mut writer, mut reader) = pipe(&limits);
    let (sender, receiver) = channel();
    let blocked = Arc::new(Blocked {
        token,
        returned: Mutex::new(receiver),
        result: Mutex::default(),
    });
    let weak = Arc::downgrade(&blocked);
    reader.direct().open(weak);
    let shared = Arc::clone(&reader.shared);
    let reading = thread::spawn(move || {
        let read = reader.read(&mut [0]);
        let _ = sender.send(());
        (read, reader)
    });
    until_reader_waits(&shared);
    assert!(writer.send(b"one").is_ok());
    assert_eq!(*lock(&blocked.result), Some(RecvTimeoutError::Timeout));
    let read = reading.join();
    assert!(read.is_ok_and(|(read, _reader)| read.is_err()));
    // The transport may use the connection for something else now.
    assert!(!writer.direct.send(b"two", || true));
}

#[test]
fn direct_writes_are_checked_for_null_lines_and_counted() {
    let (mut writer, reader) = pipe(&CallLimits::default());
    let (shared, chunks) = (Arc::clone(&reader.shared), Chunks::open(&reader));
    let direct = reader.direct();
    let upload = Upload::reader(reader).direct(direct).without_null_lines();
    let (sender, receiver) = channel();
    let reading = thread::spawn(move || {
        let mut upload = upload.open(&CallLimits::default())?;
        let mut buf = [0; 32];
        while let read @ 1.. = upload.read(&mut buf)? {
            let _ = sender.send(buf.get(..read).unwrap_or_default().to_vec());
        }
        io::Result::Ok(upload.sent())
    });
    until_reader_waits(&shared);
    // The reader passes the rest of a line that was held back.
    assert!(flushed(&mut writer, "1\nnu") && flushed(&mut writer, "mber\n"));
    assert_eq!(chunks.sent(), ["1\n", "number\n"]);
    assert!(flushed(&mut writer, "nul"));
    chunks.refuses.store(true, Ordering::SeqCst);
    assert!(flushed(&mut writer, "ls\n2\n"));
    assert_eq!(
        receiver.recv_timeout(TIMEOUT).ok(),
        Some(b"nulls\n2\n".to_vec())
    );
    chunks.refuses.store(false, Ordering::SeqCst);
    assert!(flushed(&mut writer, "nu"));
    drop(writer);
    let sent = reading.join().unwrap_or(Ok(0));
    assert_eq!(receiver.recv_timeout(TIMEOUT).ok(), Some(b"nu".to_vec()));
    assert_eq!(sent.ok(), Some(19));
    assert_eq!(chunks.sent(), ["1\n", "number\n"]);
}

#[test]
fn a_null_line_is_not_sent_directly() {
    let (mut writer, reader) = pipe(&CallLimits::default());
    let (shared, chunks) = (Arc::clone(&reader.shared), Chunks::open(&reader));
    let direct = reader.direct();
    let upload = Upload::reader(reader).direct(direct).without_null_lines();
    let reading = thread::spawn(move || {
        let mut upload = upload.open(&CallLimits::default())?;
        let mut read = Vec::new();
        let result = upload.read_to_end(&mut read);
        io::Result::Ok((read, result.err().and(upload.take_error())))
    });
    until_reader_waits(&shared);
    assert!(flushed(&mut writer, "1\nnu"));
    assert!(!flushed(&mut writer, "ll\n2\n"));
    assert_eq!(chunks.sent(), ["1\n"]);
    let (read, error) = reading.join().ok().and_then(Result::ok).unwrap_or_default();
    let null = error.and_then(|error| error.downcast::<NullLine>().ok());
    assert_eq!((read, null.map(|null| null.line)), (Vec::new(), Some(2)));
}

#[cfg(feature = "ureq")]
mod over_tcp {
    use std::io::BufReader;
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::AtomicUsize;

    use http::Request;

    use super::*;
    use crate::transport::direct::{DirectUpload, address};
    use crate::transport::{RequestBody, Transport, UreqTransport};

    /// Counts the reads of the transport.
    struct Counted<'a>(PipeReader, &'a AtomicUsize);

    impl Read for Counted<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.read(buf)
        }
    }

    /// Reads up to these bytes.
    fn receive_until(stream: &mut impl Read, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut received = Vec::new();
        while !received.ends_with(end) {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            received.extend(byte);
        }
        Ok(received)
    }

    /// Reads a chunked request, and responds before or after its body. Returns the body.
    fn serve(stream: &TcpStream, responds_early: bool) -> io::Result<String> {
        let mut reader = BufReader::new(stream);
        let respond = |mut stream: &TcpStream, status: &str| {
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
        };
        receive_until(&mut reader, b"\r\n\r\n")?;
        if responds_early {
            respond(stream, "202 Accepted")?;
        }
        let body = receive_until(&mut reader, b"\r\n0\r\n\r\n")?;
        if !responds_early {
            respond(stream, "200 OK")?;
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Sends the data of a pipe, and counts the reads of the transport. With `replace_reader`, like
    /// another transport that puts its own reader before that of the upload.
    fn send(
        url: &str,
        reader: PipeReader,
        reads: &AtomicUsize,
        replace_reader: bool,
    ) -> io::Result<http::StatusCode> {
        let writes = reader.direct();
        let mut reader = Counted(reader, reads);
        let direct = DirectUpload {
            writes,
            reader: address(&reader),
        };
        let mut other = Box::new(&mut reader);
        let body = RequestBody::Reader {
            reader: if replace_reader {
                &mut other
            } else {
                &mut **other
            },
            length: None,
        };
        let request = Request::post(url).extension(direct).body(body);
        let response = UreqTransport::default().send(request.map_err(io::Error::other)?);
        Ok(response.map_err(io::Error::other)?.status())
    }

    /// Writes some pieces to an upload. Returns its body, and the number of reads of the transport.
    fn upload(is_reader_replaced: bool) -> io::Result<(String, usize)> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("http://{}/", listener.local_addr()?);
        let serving = thread::spawn(move || serve(&listener.accept()?.0, false));
        let (mut writer, reader) = pipe(&CallLimits::default());
        let shared = Arc::clone(&reader.shared);
        let reads = AtomicUsize::new(0);
        thread::scope(|scope| {
            let sending = scope.spawn(|| send(&url, reader, &reads, is_reader_replaced));
            for pieces in [&["one"][..], &["two", "three"], &["a longer fourth piece"]] {
                until_reader_waits(&shared);
                for piece in pieces {
                    writer.write_all(piece.as_bytes())?;
                    if piece == &"two" {
                        // Only then the next piece is one of its own.
                        until_reader_waits(&shared);
                    }
                }
                writer.flush()?;
            }
            drop(writer);
            assert_eq!(
                sending.join().ok().and_then(Result::ok),
                Some(http::StatusCode::OK)
            );
            io::Result::Ok(())
        })?;
        let body = serving.join().unwrap_or_else(|_| Ok(String::new()))?;
        Ok((body, reads.load(Ordering::SeqCst)))
    }

    const BODY: &str =
        "3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n15\r\na longer fourth piece\r\n0\r\n\r\n";

    #[test]
    fn direct_chunks_do_not_wake_the_reader() -> io::Result<()> {
        // It returns "three" and the end.
        assert_eq!(upload(false)?, (BODY.to_owned(), 2));
        Ok(())
    }

    #[test]
    fn a_reader_that_another_transport_replaced_returns_all_data() -> io::Result<()> {
        assert_eq!(upload(true)?, (BODY.to_owned(), 5));
        Ok(())
    }

    /// Hubs respond to some uploads as soon as they begin.
    #[test]
    fn chunks_are_direct_after_an_early_success() -> io::Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("http://{}/", listener.local_addr()?);
        let serving = thread::spawn(move || serve(&listener.accept()?.0, true));
        let (mut writer, reader) = pipe(&CallLimits::default());
        let shared = Arc::clone(&reader.shared);
        let (reads, mut pieces) = (AtomicUsize::new(0), 0);
        thread::scope(|scope| {
            let sending = scope.spawn(|| send(&url, reader, &reads, false));
            until_reader_waits(&shared);
            let mut write = |is_done: &dyn Fn(Duration) -> bool| {
                let begin = Instant::now();
                while !is_done(begin.elapsed()) {
                    assert!(begin.elapsed() < Duration::from_secs(60));
                    assert!(flushed(&mut writer, "x"));
                    pieces += 1;
                }
            };
            // Until the response has arrived.
            write(&|_| reads.load(Ordering::SeqCst) > 1);
            // Long enough for several checks for a response, each 10 ms after the one before.
            write(&|time| time > Duration::from_millis(100));
            // The thread that runs the request returns at most two pieces: if the first check finds
            // the response, it does not look at it yet.
            let reads = reads.load(Ordering::SeqCst);
            assert!((2..=3).contains(&reads), "{reads} reads of {pieces} pieces");
            drop(writer);
            let status = sending.join().ok().and_then(Result::ok);
            assert_eq!(status, Some(http::StatusCode::ACCEPTED));
        });
        let body = serving.join().unwrap_or_else(|_| Ok(String::new()))?;
        assert_eq!(body, "1\r\nx\r\n".repeat(pieces) + "0\r\n\r\n");
        Ok(())
    }

    /// Sends the data of a pipe as a request with this header.
    fn post(
        listener: &TcpListener,
        mut reader: PipeReader,
        (name, value): (&str, &str),
    ) -> io::Result<http::StatusCode> {
        let direct = DirectUpload {
            writes: reader.direct(),
            reader: address(&reader),
        };
        let body = RequestBody::Reader {
            reader: &mut reader,
            length: None,
        };
        let limits = CallLimits {
            deadline: Instant::now().checked_add(TIMEOUT),
            ..CallLimits::default()
        };
        let request = Request::post(format!("http://{}/", listener.local_addr()?))
            .header(name, value)
            .extension(direct)
            .extension(limits)
            .body(body)
            .map_err(io::Error::other)?;
        let response = UreqTransport::default().send(request);
        Ok(response.map_err(io::Error::other)?.status())
    }

    #[test]
    fn a_body_with_a_content_length_has_no_chunks() -> io::Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let (mut writer, reader) = pipe(&CallLimits::default());
        let shared = Arc::clone(&reader.shared);
        thread::scope(|scope| {
            let sending = scope.spawn(|| post(&listener, reader, ("Content-Length", "6")));
            let (mut stream, _) = listener.accept()?;
            for piece in ["one", "two"] {
                until_reader_waits(&shared);
                writer.write_all(piece.as_bytes())?;
                writer.is_flushed = true;
            }
            let (mut received, mut buf) = (Vec::new(), [0; 1024]);
            while !String::from_utf8_lossy(&received).contains("two") {
                let read = stream.read(&mut buf)?;
                assert_ne!(read, 0, "{received:?}");
                received.extend_from_slice(buf.get(..read).unwrap_or_default());
            }
            drop(writer);
            drop(stream);
            // An error: a transport that knows the length must set it in the body.
            assert!(sending.join().is_ok_and(|sent| sent.is_err()));
            assert!(received.ends_with(b"\r\n\r\nonetwo"), "{received:?}");
            Ok(())
        })
    }

    #[test]
    fn write_finds_a_refusal_that_arrived_together_with_100_continue() -> io::Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let (mut writer, reader) = pipe(&CallLimits::default());
        let (shared, begin) = (Arc::clone(&reader.shared), Instant::now());
        thread::scope(|scope| {
            let sending = scope.spawn(|| post(&listener, reader, ("Expect", "100-continue")));
            let (mut stream, _) = listener.accept()?;
            // The head, at least in part.
            assert_ne!(stream.read(&mut [0; 1024])?, 0);
            let response = b"HTTP/1.1 100 Continue\r\n\r\n\
                             HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(response)?;
            until_reader_waits(&shared);
            // The server reads nothing more.
            while writer
                .write_all(&[b'x'; CAPACITY])
                .and_then(|()| writer.flush())
                .is_ok()
            {}
            let sent = sending.join().ok().and_then(Result::ok);
            assert_eq!(sent, Some(http::StatusCode::PAYLOAD_TOO_LARGE));
            // Not only after the deadline.
            assert!(begin.elapsed() < TIMEOUT);
            drop(stream);
            Ok(())
        })
    }
}
