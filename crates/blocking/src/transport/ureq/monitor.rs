//! Observes each exchange above TLS, and changes the behavior of ureq.
//!
//! - Records the phase, the timings and the reason phrase, which ureq does not report.
//! - Ends an upload as soon as the server rejects it. ureq reads nothing during an upload.
//! - Accepts every `100 Continue`. ureq accepts only one without headers, in one piece.
//! - Decides if a connection can be reused. ureq ignores `Keep-Alive: timeout`.
//! - Rewrites requests for a proxy that forwards them.

mod exchange_state;
mod reuse;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, Transport,
};
use ::ureq::{Error, Timeout};

pub(super) use self::exchange_state::CHECK_INTERVAL;
use self::exchange_state::ExchangeState;
pub(super) use self::reuse::MAX_IDLE;
use self::reuse::ReuseLimit;
use super::error::ConnectionLost;
use super::proxy::ForwardProxy;
use super::shared_socket::SharedSocket;
use super::{response_head, send_context};
use crate::transport::{Phase, is_closed};

const CONTINUE: u16 = 100;

/// Wraps each new connection in an [`ExchangeMonitor`].
#[derive(Debug)]
pub(super) struct MonitorConnector;

impl<In: Transport> Connector<In> for MonitorConnector {
    type Out = ExchangeMonitor<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<ExchangeMonitor<In>>, Error> {
        let (socket, forward_proxy) = send_context::with(|context| {
            // Records the duration of connecting, or of the TLS handshake.
            context.enter(context.phase, Instant::now());
            (context.socket.take(), context.forward_proxy.take())
        });
        Ok(chained.zip(socket).map(|(inner, socket)| ExchangeMonitor {
            inner,
            socket,
            forward_proxy,
            exchange: None,
            reuse: ReuseLimit::new(),
        }))
    }
}

/// The uppermost transport of a connection.
#[derive(Debug)]
pub(super) struct ExchangeMonitor<In> {
    inner: In,
    socket: Arc<SharedSocket>,
    forward_proxy: Option<Arc<ForwardProxy>>,
    /// `None` while the connection is idle.
    exchange: Option<ExchangeState>,
    reuse: ReuseLimit,
}

impl<In: Transport> ExchangeMonitor<In> {
    /// Returns `true` if the server has rejected the request before the end of the upload.
    fn is_rejected(&mut self) -> bool {
        if self.exchange.as_ref().is_none_or(|state| state.is_accepted) {
            return false;
        }
        let Some(status) = self.early_status() else {
            return false;
        };
        if status < 300 {
            if let Some(state) = &mut self.exchange {
                state.is_accepted = true;
            }
            self.socket.stop_pausing();
            if status > 0 {
                // The rest of the upload needs no further checks.
                self.open_direct_writes();
            }
        }
        status >= 300
    }

    /// Lets the writer of a chunked upload send chunks itself. Over TLS, only ureq can send.
    fn open_direct_writes(&self) {
        if !self.inner.is_tls() {
            let socket = Arc::downgrade(&self.socket);
            send_context::with(|context| {
                if let Some(direct) = &context.direct {
                    direct.open(socket);
                }
            });
        }
    }

    /// Returns the status of a final response that has already arrived. `None` if none has arrived,
    /// 0 if nothing more can be read.
    fn early_status(&mut self) -> Option<u16> {
        // The final response may have arrived together with an interim one.
        let mut head = response_head::final_head(self.inner.buffers().input());
        if head.is_none() && self.socket.has_input() {
            // A direct write would not know what is read here.
            send_context::with(|context| {
                if let Some(direct) = &context.direct {
                    direct.close();
                }
            });
            // The input may be a TLS message without HTTP data, so do not wait long. Errors are
            // ignored here, because the next read returns them again.
            let short = NextTimeout {
                after: Duration::from_millis(1).into(),
                reason: Timeout::RecvResponse,
                ..NextTimeout::default()
            };
            while head.is_none() {
                match self.inner.await_input(short) {
                    Ok(true) => head = response_head::final_head(self.inner.buffers().input()),
                    Ok(false) => return Some(0),
                    Err(_) => return None,
                }
            }
        }
        head.map(|head| head.status)
    }

    /// Sends a part of the request. If sending pauses because data has arrived, checks for a
    /// rejection before it resumes.
    fn send(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.inner.transmit_output(amount, timeout)?;
        self.socket.check_stopped()?;
        while self.socket.is_paused() {
            if self.is_rejected() {
                self.end_upload(None);
                break;
            }
            self.socket.resume(timeout)?;
        }
        Ok(())
    }

    /// Ends the upload and discards the rest. `closed` is the error by which the server closed the
    /// connection.
    fn end_upload(&self, closed: Option<io::Error>) {
        self.socket.discard_writes();
        send_context::with(|context| {
            context.upload_is_over = true;
            if let Some(closed) = closed {
                context.closed = Some(closed.into());
            }
        });
    }

    /// Waits for `100 Continue` or a final response.
    ///
    /// ureq recognizes a `100 Continue` only if it has no headers and arrives in one piece. It
    /// would treat all other input as the final response. So this function consumes interim
    /// responses. It reports a `100 Continue` as a timeout, after which ureq sends the upload.
    fn await_continue(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let begin = Instant::now();
        loop {
            let buffers = self.inner.buffers();
            while let Some((status, length)) = response_head::first_complete(buffers.input()) {
                if status >= 200 {
                    return Ok(true);
                }
                buffers.input_consume(length);
                if status == CONTINUE {
                    return Err(Error::Timeout(Timeout::Await100));
                }
            }
            let left = timeout.after.saturating_sub(begin.elapsed());
            if !self.inner.await_input(NextTimeout {
                after: left.into(),
                ..timeout
            })? {
                return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Returns `true` if the buffers below hold unread data, decrypted or not. Such data must not
    /// become the response to the next request. Also returns `true` if the connection has ended or
    /// its data cannot be decrypted. The timeout of zero prevents a read from the socket.
    fn has_unread_input(&mut self) -> bool {
        let no_time = NextTimeout {
            after: Duration::ZERO.into(),
            reason: Timeout::RecvResponse,
            ..NextTimeout::default()
        };
        !matches!(self.inner.await_input(no_time), Err(Error::Timeout(_)))
    }

    /// Begins an exchange. Returns the length of the request's head, which a proxy may change.
    fn begin_exchange(&mut self, mut amount: usize) -> Result<usize, Error> {
        if let Some(proxy) = &self.forward_proxy {
            send_context::with(|context| context.forward_proxy = Some(Arc::clone(proxy)));
            // The first output is the complete head, because heads are shorter than the buffer.
            let rewritten = proxy.rewrite_head(self.inner.buffers().output(), amount);
            amount = rewritten.ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
        }
        // Resets `can_use_input`. Otherwise ureq would treat the first received bytes as a complete
        // head, because it has consumed bytes in the exchange before.
        self.inner.buffers().input_consume(0);
        self.exchange = Some(ExchangeState::new());
        self.socket.begin_call(send_context::with(|context| {
            context.begin_request();
            context.limits.clone()
        }));
        self.socket.begin_request();
        self.open_direct_writes();
        Ok(amount)
    }
}

impl<In: Transport> Transport for ExchangeMonitor<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        if let Some(state) = self.exchange.as_mut().filter(|state| !state.has_head) {
            let buffers = self.inner.buffers();
            // Proxies send `100 Continue` with headers, which ureq rejects.
            while let Some((CONTINUE, length)) = response_head::first_complete(buffers.input()) {
                buffers.input_consume(length);
            }
            let head = response_head::final_head(buffers.input());
            if let Some(head) = head.filter(|head| head.length.is_some()) {
                state.has_head = true;
                self.reuse.restart(&head, self.forward_proxy.is_some());
                send_context::with(|context| context.head_received(head.status, head.reason));
            }
        }
        self.inner.buffers()
    }

    fn transmit_output(&mut self, mut amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.exchange.is_none() {
            amount = self.begin_exchange(amount)?;
        } else if self.socket.discards_writes() {
            // A direct write may have found a rejection or a closed connection.
            let closed = self.socket.take_closed();
            if closed.is_some() {
                send_context::with(|context| context.phase = Phase::Send);
            }
            self.end_upload(closed);
            return Ok(());
        } else if self
            .exchange
            .as_mut()
            .is_some_and(ExchangeState::is_check_due)
            && self.is_rejected()
        {
            self.end_upload(None);
            return Ok(());
        }
        let sent = self.send(amount, timeout);
        // Not an error yet, because the server may have responded before it closed the connection.
        let closed = self.socket.take_closed();
        send_context::with(|context| match (&sent, &closed) {
            (Ok(()), None) => context.part_sent(),
            _ if self.socket.is_request_started() => context.phase = Phase::Send,
            // The server has received nothing.
            _ => {}
        });
        if closed.is_some() {
            self.end_upload(closed);
        }
        sent
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if timeout.reason == Timeout::Await100 {
            return self.await_continue(timeout);
        }
        // ureq waits for more input even if a complete head is in the buffer already: a final
        // response instead of a `100 Continue`, or one that was read during the upload. So report
        // input once without waiting.
        if let Some(state) = self.exchange.as_mut().filter(|state| !state.head_announced) {
            let head = response_head::final_head(self.inner.buffers().input());
            if head.is_some_and(|head| head.length.is_some()) {
                state.head_announced = true;
                return Ok(true);
            }
        }
        let is_before_head = self.exchange.as_ref().is_some_and(|state| !state.has_head);
        if is_before_head
            && self
                .exchange
                .as_ref()
                .is_some_and(ExchangeState::has_too_many_interim_bytes)
        {
            let message = "too many interim (1xx) responses without a final response";
            return Err(io::Error::new(ErrorKind::InvalidData, message).into());
        }
        let before = self.inner.buffers().input().len();
        let result = self.inner.await_input(timeout);
        if let Some(state) = self.exchange.as_mut().filter(|_| is_before_head) {
            let after = self.inner.buffers().input().len();
            state.add_interim_bytes(after.saturating_sub(before));
        }
        match result {
            Err(Error::Io(error))
                if self.exchange.as_ref().is_some_and(|state| state.has_head)
                    && is_closed(error.kind()) =>
            {
                Err(Error::Io(io::Error::other(ConnectionLost(error))))
            }
            result => result,
        }
    }

    fn is_open(&mut self) -> bool {
        // ureq calls this when the connection enters the pool and when it leaves it. Only the
        // second call checks the socket, because the first check would add three system calls to
        // the eight of a small request.
        if self.exchange.take().is_some() {
            self.socket.end_call();
            return self.socket.is_reusable() && self.reuse.allows_reuse();
        }
        let is_usable =
            !self.reuse.is_over() && !send_context::with(|context| context.needs_new_connection);
        is_usable && self.inner.is_open() && !self.has_unread_input()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
