use std::sync::mpsc::{TryRecvError, channel};
use std::thread;
use std::time::Duration;

use super::*;
use crate::limits::cancel::CancelToken;

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

#[test]
fn read_observes_cancel_token_and_deadline() {
    let token = CancelToken::new();
    let limits = CallLimits {
        cancel: Some(token.clone()),
        ..CallLimits::default()
    };
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
