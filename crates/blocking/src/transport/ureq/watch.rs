//! Looks over ureq's shoulder, above the encryption, for what it does not tell or do: how far a request got, the reason phrase, and an
//! answer that comes before the end of the upload.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, Transport,
};
use ::ureq::{Error, Timeout};

use super::proxy::Forward;
use super::socket::Wire;
use super::{call, status_line};
use crate::transport::Phase;
use crate::transport::is_closed;

/// Node announces that it keeps a connection for 5 seconds. A request that is written while the hub closes is lost, and which of the two came
/// first cannot be seen from here: so stay well away from that moment.
pub(super) const LONGEST_IDLE: Duration = Duration::from_secs(3);

/// The same for a server that announces another time.
fn idle_limit(announced: Duration) -> Duration {
    LONGEST_IDLE.min(announced * 3 / 5)
}

/// Wraps the connection that the connectors before it made.
#[derive(Debug)]
pub(super) struct Watch;

impl<In: Transport> Connector<In> for Watch {
    type Out = Watched<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Watched<In>>, Error> {
        let (wire, forward) = call::current(|call| {
            call.pass(call.phase, Instant::now());
            (call.wire.take(), call.forward.take())
        });
        Ok(chained.zip(wire).map(|(inner, wire)| Watched {
            inner,
            wire,
            forward,
            exchange: None,
            idle_since: Instant::now(),
            idle_limit: LONGEST_IDLE,
        }))
    }
}

#[derive(Debug)]
pub(super) struct Watched<In> {
    inner: In,
    wire: Arc<Wire>,
    /// The proxy at the other end, if it passes requests on.
    forward: Option<Arc<Forward>>,
    /// From the first byte of a request until the connection is free for the next one.
    exchange: Option<Exchange>,
    /// When the last answer began to come. From then on the other side may have been done, however long it took to read it.
    idle_since: Instant,
    /// How long it may be free and still be used again.
    idle_limit: Duration,
}

#[derive(Debug)]
struct Exchange {
    /// When it was last looked whether there is a refusal. It needs no look when it begins.
    looked: Instant,
    /// The head of the answer was noted.
    told: bool,
    /// A success came while there was still something to send. Hubs answer so, and go on taking what is sent. Or nothing that can be read.
    welcome: bool,
    /// ureq was given a whole head that it had passed over, see `await_input`.
    offered: bool,
    /// How many bytes came while there was no answer in them.
    unanswered: usize,
}

impl Exchange {
    fn begin() -> Self {
        Self {
            looked: Instant::now(),
            told: false,
            welcome: false,
            offered: false,
            unanswered: 0,
        }
    }

    /// Whether it is time to look for a refusal.
    fn is_due(&mut self) -> bool {
        let due = self.looked.elapsed() >= LOOK;
        if due {
            self.looked = Instant::now();
        }
        due
    }
}

const CONTINUE: u16 = 100;

/// How often an upload that is taken is interrupted to look for a refusal. A look is three system calls, where to send a line is one: with a look
/// before each, lines in a row take 1.33 times as long as by hand, and not 1.14. Where the other side takes no more, it is looked at once.
const LOOK: Duration = Duration::from_millis(10);

/// So many bytes may come before an answer, in heads of interim ones: twice what ureq takes for one head. It would read them for ever.
const MOST_UNANSWERED: usize = 128 << 10;

impl<In: Transport> Watched<In> {
    /// Whether there is a refusal already, in the midst of the upload.
    fn is_refused(&mut self) -> bool {
        if self
            .exchange
            .as_ref()
            .is_none_or(|exchange| exchange.welcome)
        {
            return false;
        }
        let Some(answer) = self.answer() else {
            return false;
        };
        if answer < 300 {
            self.exchange
                .as_mut()
                .into_iter()
                .for_each(|exchange| exchange.welcome = true);
            self.wire.send_request(false);
        }
        answer >= 300
    }

    /// The status of an answer that is there already; 0 where nothing more can be read that could be one.
    fn answer(&mut self) -> Option<u16> {
        // It may have come with what was read before.
        let mut head = status_line::find(self.inner.buffers().input());
        if head.is_none() && self.wire.is_readable() {
            // There may be less than it seems, for encryption has messages of its own. An error comes back with the next read.
            let glance = NextTimeout {
                after: Duration::from_millis(1).into(),
                reason: Timeout::RecvResponse,
                ..NextTimeout::default()
            };
            while head.is_none() {
                match self.inner.await_input(glance) {
                    Ok(true) => head = status_line::find(self.inner.buffers().input()),
                    Ok(false) => return Some(0),
                    Err(_) => return None,
                }
            }
        }
        head.map(|head| head.status)
    }

    /// Sends, and looks for a refusal whenever the other side says something instead of taking what is sent.
    fn send(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.inner.transmit_output(amount, timeout)?;
        self.wire.check_sending()?;
        while self.wire.has_postponed() {
            if self.is_refused() {
                self.stop_sending(None);
                break;
            }
            self.wire.send_on(timeout)?;
        }
        Ok(())
    }

    /// Waits for the word of the other side that it wants the upload, or does not. To ureq only the barest `100 Continue` is such a word, and
    /// whatever has headers, or comes in pieces, is the answer: so it is shown nothing but an answer, and told that its waiting is over.
    fn await_word(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let begin = Instant::now();
        loop {
            while let Some((status, length)) = status_line::whole(self.inner.buffers().input()) {
                if status >= 200 {
                    return Ok(true);
                }
                self.inner.buffers().input_consume(length);
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

    /// Whether something was read ahead, and perhaps not decrypted yet: what nobody has asked for must not be the answer to the next request. Looks
    /// at nothing but what is in memory, as there is no time to wait; an end, or what cannot be decrypted, makes no usable connection either.
    fn holds_more(&mut self) -> bool {
        let no_time = NextTimeout {
            after: Duration::ZERO.into(),
            reason: Timeout::RecvResponse,
            ..NextTimeout::default()
        };
        !matches!(self.inner.await_input(no_time), Err(Error::Timeout(_)))
    }

    /// What is left to send is not wanted any more.
    fn stop_sending(&self, closed: Option<io::Error>) {
        self.wire.mute();
        call::current(|call| {
            call.enough = true;
            call.closed = closed.map(Into::into);
        });
    }
}

impl<In: Transport> Transport for Watched<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| !exchange.told) {
            // To ureq, a `100 Continue` with headers is an error. Proxies send it so.
            while let Some((CONTINUE, length)) = status_line::whole(self.inner.buffers().input()) {
                self.inner.buffers().input_consume(length);
            }
            if let Some(head) =
                status_line::find(self.inner.buffers().input()).filter(|head| head.length.is_some())
            {
                exchange.told = true;
                self.idle_since = Instant::now();
                self.idle_limit = match &self.forward {
                    // Tinyproxy closes after each response, and does not announce it.
                    Some(_) if !head.stays_open => Duration::ZERO,
                    _ => head.keep_alive.map_or(LONGEST_IDLE, idle_limit),
                };
                call::current(|call| call.answered(head.status, head.reason));
            }
        }
        self.inner.buffers()
    }

    fn transmit_output(&mut self, mut amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.exchange.is_none() {
            if let Some(forward) = &self.forward {
                call::current(|call| call.forward = Some(Arc::clone(forward)));
                // All of the head is there: it is shorter than the buffer.
                let addressed = forward.address(self.inner.buffers().output(), amount);
                amount = addressed.ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
            }
            // ureq would take the first bytes that come for ones which it can use, because it could use the last ones of the exchange before.
            self.inner.buffers().input_consume(0);
            self.exchange = Some(Exchange::begin());
            self.wire.serve(call::current(|call| {
                call.begin_sending();
                call.limits.clone()
            }));
            self.wire.send_request(true);
        } else if self.wire.is_muted() {
            return Ok(());
        } else if self.exchange.as_mut().is_some_and(Exchange::is_due) && self.is_refused() {
            self.stop_sending(None);
            return Ok(());
        }
        let sent = self.send(amount, timeout);
        // It may have answered before it closed the connection.
        let closed = self.wire.closed();
        call::current(|call| match (&sent, &closed) {
            (Ok(()), None) => call.sent(),
            // Of what was not begun, the other side knows nothing.
            _ if self.wire.has_sent() => call.phase = Phase::Send,
            _ => {}
        });
        if closed.is_some() {
            self.stop_sending(closed);
        }
        sent
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if timeout.reason == Timeout::Await100 {
            return self.await_word(timeout);
        }
        // ureq takes input that it has seen and left for a part of something, and waits for the rest. But it leaves an answer that comes in
        // place of a `100 Continue` although it is whole, and it has not seen what was read here. So it is shown such a head again.
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| !exchange.offered) {
            if status_line::find(self.inner.buffers().input())
                .is_some_and(|head| head.length.is_some())
            {
                exchange.offered = true;
                return Ok(true);
            }
        }
        let untold = self
            .exchange
            .as_ref()
            .is_some_and(|exchange| !exchange.told);
        if untold
            && self
                .exchange
                .as_ref()
                .is_some_and(|exchange| exchange.unanswered > MOST_UNANSWERED)
        {
            let error = "interim answers came without end, and no answer";
            return Err(io::Error::new(ErrorKind::InvalidData, error).into());
        }
        let before = self.inner.buffers().input().len();
        let result = self.inner.await_input(timeout);
        if let Some(exchange) = self.exchange.as_mut().filter(|_| untold) {
            exchange.unanswered += self.inner.buffers().input().len().saturating_sub(before);
        }
        match result {
            // In a body, ureq takes these for the end that the other side meant, where nothing else tells its length.
            Err(Error::Io(error))
                if self.exchange.as_ref().is_some_and(|exchange| exchange.told)
                    && is_closed(error.kind()) =>
            {
                Err(Error::Io(io::Error::other(Lost(error))))
            }
            result => result,
        }
    }

    fn is_open(&mut self) -> bool {
        // Asked when the connection goes back into the pool, and when it is taken out again. What has come meanwhile shows the second time: looking
        // the first time as well would cost three of the eight system calls of a small request.
        if self.exchange.take().is_some() {
            self.wire.release();
            return !self.wire.is_spent() && !self.idle_limit.is_zero();
        }
        let good = self.idle_since.elapsed() < self.idle_limit && !call::current(|call| call.fresh);
        good && self.inner.is_open() && !self.holds_more()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// A connection that was lost, and not closed, in the midst of an answer.
#[derive(Debug)]
pub(super) struct Lost(pub(super) io::Error);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Lost {}
