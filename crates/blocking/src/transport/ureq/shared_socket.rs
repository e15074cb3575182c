//! A socket that applies the limits of a call, and that another thread can shut down.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use ::ureq::Error;
use ::ureq::unversioned::transport::NextTimeout;

use super::monitor::CHECK_INTERVAL;
use super::response_head;
use super::timed_stream::{TimedStream, Timer, WRITE_TICK};
use super::wait_budget::{WaitBudget, stopped};
use crate::limits::call_limits::{AwaitedInput, CallLimits, StopReason};
use crate::limits::cancel::OnCancel;
use crate::support::sync::lock;
use crate::transport::direct::ChunkSender;
use crate::transport::is_closed;

/// Upper bound for the head of an early response, with the interim responses before it, that a
/// direct write can find.
const MAX_EARLY_HEAD: usize = 16 << 10;

/// A socket and its state. The `Socket` below TLS, the `ExchangeMonitor` above TLS and the hook of
/// a [`CancelToken`](crate::CancelToken) share it.
#[derive(Debug)]
pub(super) struct SharedSocket {
    stream: TimedStream,
    is_shut_down: AtomicBool,
    discards_writes: AtomicBool,
    call: Mutex<CurrentCall>,
    sending: Mutex<Sending>,
}

/// The call that uses the socket.
#[derive(Debug, Default)]
struct CurrentCall {
    limits: CallLimits,
    /// Shuts the socket down if the call is cancelled.
    _on_cancel: Option<OnCancel>,
}

/// The state of writes.
#[derive(Debug, Default)]
struct Sending {
    timer: Timer,
    /// The data belongs to a request, so the server may respond, or close the connection, before it
    /// has received all of it.
    is_request: bool,
    /// The operating system has accepted a part of the request.
    is_started: bool,
    /// A blocked write pauses if data arrives, because it may be an early response.
    pauses_for_input: bool,
    /// The writer of the data sends it on its own thread, so nobody can end a pause.
    is_direct: bool,
    /// Last check for an early response before a direct write.
    last_check: Option<Instant>,
    /// Data held back during such a pause. It is at most the content of the buffers above, because
    /// the transports send nothing else during the pause.
    held_back: Vec<u8>,
    /// The error by which the server closed the connection.
    closed: Option<io::Error>,
    /// The limits of the call ended a write. TLS libraries may ignore that error and write again,
    /// which must fail at once.
    stopped: Option<StopReason>,
}

impl SharedSocket {
    pub(super) fn new(stream: TcpStream) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            stream: TimedStream::new(stream)?,
            is_shut_down: AtomicBool::new(false),
            discards_writes: AtomicBool::new(false),
            call: Mutex::default(),
            sending: Mutex::default(),
        }))
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        lock(&self.sending)
    }

    fn call(&self) -> MutexGuard<'_, CurrentCall> {
        lock(&self.call)
    }

    fn limits(&self) -> CallLimits {
        self.call().limits.clone()
    }

    fn set_call(&self, limits: CallLimits, _on_cancel: Option<OnCancel>) {
        let call = CurrentCall { limits, _on_cancel };
        let before = std::mem::replace(&mut *self.call(), call);
        // Dropped without the lock, because this waits for a running hook.
        drop(before);
    }

    /// Applies the limits of a call to all reads and writes until [`end_call`](Self::end_call).
    pub(super) fn begin_call(self: &Arc<Self>, limits: CallLimits) {
        let socket = Arc::downgrade(self);
        let on_cancel = limits.cancel.as_ref().map(|token| {
            token.on_cancel(move || {
                if let Some(socket) = socket.upgrade() {
                    socket.shutdown();
                }
            })
        });
        self.set_call(limits, on_cancel);
    }

    /// Removes the limits of the call. Cancelling the call has no effect on the socket afterwards.
    pub(super) fn end_call(&self) {
        self.set_call(CallLimits::default(), None);
        let mut sending = self.sending();
        (sending.is_request, sending.pauses_for_input) = (false, false);
    }

    /// Marks all data sent from now on as a request. Sending pauses if data arrives.
    pub(super) fn begin_request(&self) {
        let mut sending = self.sending();
        sending.is_request = true;
        sending.pauses_for_input = true;
        sending.is_started = false;
    }

    /// Sends the rest of the request without pauses.
    pub(super) fn stop_pausing(&self) {
        self.sending().pauses_for_input = false;
    }

    /// Returns `true` if the server may have received a part of the request.
    pub(super) fn is_request_started(&self) -> bool {
        self.sending().is_started
    }

    /// Sends within the limits of the call. For a request, two cases are no errors:
    ///
    /// - Sending pauses if data arrives while the server accepts none. The rest is held back: see
    ///   [`is_paused`](Self::is_paused) and [`resume`](Self::resume).
    /// - If the server has closed the connection, the rest is discarded, because the response may
    ///   have arrived before: see [`take_closed`](Self::take_closed).
    pub(super) fn send(&self, bytes: &[u8], timeout: NextTimeout) -> Result<(), Error> {
        let sending = &mut *self.sending();
        if sending.held_back.is_empty() {
            return self.send_now(sending, bytes, timeout);
        }
        sending.held_back.extend_from_slice(bytes);
        Ok(())
    }

    /// Returns `true` if data is held back.
    pub(super) fn is_paused(&self) -> bool {
        !self.sending().held_back.is_empty()
    }

    /// Sends the data that was held back.
    pub(super) fn resume(&self, timeout: NextTimeout) -> Result<(), Error> {
        let sending = &mut *self.sending();
        let held_back = std::mem::take(&mut sending.held_back);
        self.send_now(sending, &held_back, timeout)
    }

    fn send_now(
        &self,
        sending: &mut Sending,
        bytes: &[u8],
        timeout: NextTimeout,
    ) -> Result<(), Error> {
        if let Some(reason) = sending.stopped {
            return Err(stopped(reason));
        }
        let result = self.try_send(sending, bytes, timeout);
        if let Err(Error::Io(error)) = &result {
            sending.stopped = stop_reason(error);
        }
        result
    }

    fn try_send(
        &self,
        sending: &mut Sending,
        bytes: &[u8],
        timeout: NextTimeout,
    ) -> Result<(), Error> {
        let mut budget = WaitBudget::new(self.limits(), timeout)?;
        let mut rest = bytes;
        while !rest.is_empty() && !self.discards_writes() {
            let left = budget.left()?.unwrap_or(WRITE_TICK);
            match self.stream.write(&mut sending.timer, left, rest) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(written) => {
                    sending.is_started = true;
                    rest = rest.get(written..).unwrap_or_default();
                    budget.progress();
                }
                Err(error) => match self.fatal(error) {
                    Some(Error::Io(error)) if sending.is_request && is_closed(error.kind()) => {
                        sending.closed = Some(error);
                        self.discard_writes();
                    }
                    Some(error) => return Err(error),
                    None if sending.pauses_for_input && self.has_input() => {
                        if !sending.is_direct {
                            sending.held_back = rest.to_vec();
                            return Ok(());
                        }
                        match self.early_status() {
                            Some(..300) => sending.pauses_for_input = false,
                            Some(_) => self.discard_writes(),
                            None => {}
                        }
                    }
                    None => {}
                },
            }
        }
        Ok(())
    }

    /// Fails if a limit ended an earlier write, because a TLS library may have ignored that error.
    pub(super) fn check_stopped(&self) -> Result<(), Error> {
        let reason = self.sending().stopped;
        reason.map_or(Ok(()), |reason| Err(stopped(reason)))
    }

    /// Takes the error by which the server closed the connection during a request.
    pub(super) fn take_closed(&self) -> Option<io::Error> {
        self.sending().closed.take()
    }

    /// Receives data. If none is available, waits within the limits of the call. Returns 0 at the
    /// end of the stream.
    pub(super) fn receive(
        self: &Arc<Self>,
        timer: &mut Timer,
        buf: &mut [u8],
        timeout: NextTimeout,
    ) -> Result<usize, Error> {
        let limits = self.limits();
        let hook = limits.wait_hook.clone();
        let hook = hook.map(|hook| {
            let input: Arc<dyn AwaitedInput> = Arc::<Self>::clone(self);
            (hook, input)
        });
        let budget = WaitBudget::new(limits, timeout)?;
        loop {
            let mut left = budget.left()?;
            if let Some((hook, input)) = &hook {
                if let Some(again) = hook.run(input).map_err(stopped)? {
                    let pause = again.saturating_duration_since(Instant::now());
                    left = Some(left.map_or(pause, |left| left.min(pause)));
                }
            }
            match self.stream.read(timer, left, buf) {
                // A shut-down socket reads like one that the server has closed.
                Ok(0) if self.is_shut_down() => return Err(stopped(StopReason::Cancelled)),
                Ok(read) => return Ok(read),
                Err(error) => {
                    if let Some(error) = self.fatal(error) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Converts an error of the socket. `None` if the call can be repeated, because only a wait has
    /// ended.
    fn fatal(&self, error: io::Error) -> Option<Error> {
        match error.kind() {
            _ if self.is_shut_down() => Some(stopped(StopReason::Cancelled)),
            ErrorKind::WouldBlock | ErrorKind::Interrupted => None,
            // TCP keep-alive found the connection dead. The next read would return the end of the
            // stream, as if the server had closed the connection.
            ErrorKind::TimedOut => Some(io::Error::new(ErrorKind::ConnectionAborted, error).into()),
            _ => Some(error.into()),
        }
    }

    /// Ends all blocked reads and writes. The connection is unusable afterwards.
    fn shutdown(&self) {
        self.is_shut_down.store(true, Ordering::SeqCst);
        // Fails if the connection is closed already. Then nothing is blocked.
        let _ = self.stream.shutdown();
    }

    fn is_shut_down(&self) -> bool {
        self.is_shut_down.load(Ordering::SeqCst)
    }

    /// Discards all data written from now on, because the server needs no more of the request.
    pub(super) fn discard_writes(&self) {
        self.discards_writes.store(true, Ordering::SeqCst);
    }

    pub(super) fn discards_writes(&self) -> bool {
        self.discards_writes.load(Ordering::SeqCst)
    }

    /// Returns `true` unless the connection was shut down or discards writes.
    pub(super) fn is_reusable(&self) -> bool {
        !self.discards_writes() && !self.is_shut_down()
    }

    /// Returns `true` if the connection can serve another call: nothing has arrived, not even the
    /// end of the stream.
    pub(super) fn is_open(&self) -> bool {
        self.is_reusable() && self.peek().is_none()
    }

    /// Returns `true` if data is available.
    pub(super) fn has_input(&self) -> bool {
        matches!(self.peek(), Some(Ok(1..)))
    }

    /// Returns the status of a final response that has arrived, without consuming it.
    fn early_status(&self) -> Option<u16> {
        let mut buf = vec![0; MAX_EARLY_HEAD];
        let peeked = self.stream.peek(&mut buf).ok()?;
        response_head::final_head(buf.get(..peeked)?).map(|head| head.status)
    }

    /// Peeks at one byte without waiting; `None` if nothing has arrived.
    fn peek(&self) -> Option<io::Result<usize>> {
        match self.stream.peek(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            result => Some(result),
        }
    }
}

impl AwaitedInput for SharedSocket {
    fn has_input(&self) -> bool {
        self.has_input()
    }
}

impl ChunkSender for SharedSocket {
    fn send_chunk(&self, data: &[u8]) -> bool {
        let sending = &mut *self.sending();
        // After an early success, nothing that arrives matters.
        let is_due = sending.pauses_for_input
            && sending
                .last_check
                .is_none_or(|check| check.elapsed() >= CHECK_INTERVAL);
        if is_due {
            sending.last_check = Some(Instant::now());
            // The thread that runs the request reads an early response.
            if self.has_input() {
                return false;
            }
        }
        if self.discards_writes() {
            return false;
        }
        // One write, so that the chunk arrives in one piece.
        let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
        chunk.extend_from_slice(data);
        chunk.extend_from_slice(b"\r\n");
        sending.is_direct = true;
        let sent = self.send_now(sending, &chunk, NextTimeout::default());
        sending.is_direct = false;
        if let (Err(error), None) = (sent, sending.stopped) {
            // Nothing may follow a part of a chunk.
            sending.closed = Some(error.into_io());
            self.discard_writes();
            let _ = self.stream.shutdown();
        }
        sending.stopped.is_none() && !self.discards_writes()
    }
}

fn stop_reason(error: &io::Error) -> Option<StopReason> {
    error.get_ref()?.downcast_ref().copied()
}

#[cfg(test)]
mod tests;
