//! Drives flows over a transport: the one place where procedures of several requests meet threads
//! and the clock.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::mem::{forget, replace};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode};
use scramjet_client_core::BodyLength;
use scramjet_client_core::flow::{Command, ExchangeId, Flow, FlowError, Input, Progress, Send};

use crate::call::context::CallContext;
use crate::call::observer::RequestEvent;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::limits::cancel::CancelToken;
use crate::support::panics::in_drop;
use crate::support::sync::lock;
use crate::support::threads;
use crate::transport::ReasonPhrase;
use crate::transport::error::{Phase, TransportError};

/// How many pieces of responses may wait for the flow. A stream that is not read on is held up then.
const PIECES: usize = 16;

/// How long a caller whose limits are reached waits for the clean-up before it goes on in the
/// background. A healthy hub takes milliseconds.
pub(crate) const FOREGROUND_LIMIT: Duration = Duration::from_secs(1);

/// So many exchanges are remembered after their end, for the errors of the flow.
const REMEMBERED: usize = 64;

/// Drives a flow within the limits of a client.
///
/// Requests with a time limit are sent on the caller's thread. Others, which wait for something,
/// have a thread each, and so has a question that was interrupted. When the limits of the caller are reached, the flow is given up, and driven to
/// its end in the background if that takes longer.
pub(crate) struct Driver<F> {
    flow: F,
    client: Client,
    /// Describes the whole in errors.
    about: CallContext,
    /// The last request that waits for something, if the whole is more than asking: a start, and
    /// afterwards what tells that the instance is ready.
    waiting: Option<CallContext>,
    limits: CallLimits,
    began: Instant,
    open: BTreeMap<ExchangeId, Open>,
    threads: Threads,
    told: Receiver<Told>,
    past: Past,
    quiet_since: Instant,
    /// A request that is to be sent next.
    next: Option<Box<Send>>,
    /// The way to the next result has begun, and not ended.
    advancing: bool,
}

/// An exchange that is not over.
struct Open {
    /// Ends it.
    token: CancelToken,
    call: Option<CallContext>,
}

/// What the threads of exchanges share.
#[derive(Clone)]
struct Threads {
    tell: SyncSender<Told>,
    /// The request on the caller's thread.
    here: Arc<Mutex<Option<Here>>>,
}

/// A request on the caller's thread.
struct Here {
    token: CancelToken,
    /// It only asks for something, and can be sent again if something comes elsewhere meanwhile.
    asks: bool,
}

impl Threads {
    /// Ends the request on the caller's thread, if there is such a one.
    fn interrupt(&self, is: impl FnOnce(&mut Here) -> bool) {
        let here = self.here().take_if(is);
        here.into_iter().for_each(|here| here.token.cancel());
    }

    fn here(&self) -> MutexGuard<'_, Option<Here>> {
        lock(&self.here)
    }

    /// Wakes the caller's thread.
    fn wake(&self) {
        self.interrupt(|_| true);
        // If the channel is full, it is awake.
        let _ = self.tell.try_send(Told::Wake);
    }
}

/// Something that a thread of an exchange has to tell.
enum Told {
    Head(ExchangeId, Box<Head>),
    Body(ExchangeId, Vec<u8>),
    /// After so many bytes.
    End(ExchangeId, u64),
    Failed(ExchangeId, Box<Error>),
    /// The observer or the transport has panicked.
    Panicked(ExchangeId, Box<dyn Any + std::marker::Send>),
    /// The caller has cancelled.
    Wake,
}

struct Head {
    status: StatusCode,
    reason: String,
    headers: HeaderMap,
    call: CallContext,
}

/// How the last exchanges were called, and how they failed.
#[derive(Default)]
struct Past {
    calls: BTreeMap<ExchangeId, CallContext>,
    failures: BTreeMap<ExchangeId, Error>,
}

impl Past {
    fn remember(&mut self, id: ExchangeId, call: CallContext, failure: Option<Error>) {
        self.calls.insert(id, call);
        self.failures.extend(failure.map(|error| (id, error)));
        if self.calls.len() > REMEMBERED {
            if let Some((oldest, _)) = self.calls.pop_first() {
                self.failures.remove(&oldest);
            }
        }
    }
}

impl Client {
    /// Drives a flow to its result. `about` describes it in errors.
    pub(crate) fn drive<F, T>(&self, about: CallContext, flow: F) -> Result<T, Error>
    where
        F: Flow<Output = Result<T, FlowError>> + std::marker::Send + 'static,
    {
        let result = Driver::new(self, about, flow)?.run();
        result.map_err(|error| self.explain(error))
    }
}

impl<F, T> Driver<F>
where
    F: Flow<Output = Result<T, FlowError>>,
{
    pub(crate) fn new(client: &Client, mut about: CallContext, flow: F) -> Result<Self, Error> {
        let client = client.fix_deadline();
        let limits = client.options.limits(Duration::ZERO, &mut about)?;
        let (tell, told) = sync_channel(PIECES);
        let (began, quiet_since) = (Instant::now(), Instant::now());
        let threads = Threads {
            tell,
            here: Arc::default(),
        };
        Ok(Self {
            flow,
            client,
            about,
            waiting: None,
            limits,
            began,
            open: BTreeMap::new(),
            threads,
            told,
            past: Past::default(),
            quiet_since,
            next: None,
            advancing: false,
        })
    }

    /// Drives a flow that has several results to the next one.
    pub(crate) fn next(&mut self) -> Result<T, Error> {
        if replace(&mut self.advancing, true) {
            // What the flow waits for does not come any more.
            let error = io::Error::other("an earlier call panicked");
            return Err(self
                .about
                .unanswered(TransportError::new(Phase::Read, error)));
        }
        let result = self.next_result();
        self.advancing = false;
        result
    }

    fn next_result(&mut self) -> Result<T, Error> {
        self.quiet_since = Instant::now();
        match self.advance() {
            Ok(result) => result.map_err(|error| self.error(error)),
            Err(End::Stopped(stopped)) => {
                let mut open = self.open.values();
                let phase = match open.next() {
                    None => Phase::Connect,
                    Some(open) if open.call.is_none() => Phase::Wait,
                    Some(_) => Phase::Read,
                };
                Err(self.about.stopped(stopped, phase))
            }
            Err(End::Failed(error)) => Err(*error),
        }
    }

    fn advance(&mut self) -> Result<Result<T, FlowError>, End> {
        let threads = self.threads.clone();
        let wake = move || threads.wake();
        let _hook = self
            .limits
            .cancel
            .as_ref()
            .map(|token| token.on_cancel(wake));
        loop {
            self.limits.check()?;
            if let Some(send) = self.next.take() {
                self.send(send)?;
            }
            match self.flow.poll(self.began.elapsed()) {
                Command::Send(send) => self.next = Some(send),
                Command::Abort(id) => self.close(id),
                Command::Done(result) => return Ok(result),
                Command::Wait { until } => self.wait(until)?,
            }
        }
    }

    fn send(&mut self, send: Box<Send>) -> Result<(), End> {
        if send.timeout.is_some() {
            return self.send_here(send);
        }
        if !self.about.only_asks() {
            let (method, uri) = (send.request.method(), send.request.uri());
            self.waiting = Some(self.about.with_request(send.operation, method, uri));
        }
        self.send_apart(send)
    }

    /// The limits of an exchange that begins.
    fn begin(&mut self, send: &Send) -> (CallLimits, CancelToken) {
        // Not a child of the caller's: the flow decides what becomes of it when the caller gives up.
        let token = CancelToken::new();
        let open = Open {
            token: token.clone(),
            call: None,
        };
        self.open.insert(send.id, open);
        let mut limits = CallLimits {
            cancel: Some(token.clone()),
            ..CallLimits::default()
        };
        if let Some(limit) = send.timeout {
            let ends = Instant::now().checked_add(limit);
            limits.deadline = ends.into_iter().chain(self.limits.deadline).min();
            limits.idle = self.limits.idle;
        }
        (limits, token)
    }

    /// Sends a request on a thread of its own.
    fn send_apart(&mut self, send: Box<Send>) -> Result<(), End> {
        let (id, (limits, _)) = (send.id, self.begin(&send));
        let carrier = Carrier {
            client: self.client.clone(),
            threads: self.threads.clone(),
            id,
            limits,
        };
        let started = threads::start("scramjet-exchange", move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| carrier.carry(send))) {
                carrier.tell(Told::Panicked(id, panic));
            }
        });
        started.map_err(|error| {
            self.open.remove(&id);
            End::Failed(self.about.failed(error).into())
        })
    }

    /// Sends a request on this thread, and hands in all of its response.
    fn send_here(&mut self, send: Box<Send>) -> Result<(), End> {
        let (id, (limits, token)) = (send.id, self.begin(&send));
        let asks = send.request.method() == Method::GET;
        let again = asks.then(|| send.clone());
        *self.threads.here() = Some(Here { token, asks });
        let failed = self.exchange(send, limits).err();
        let interrupted = self.threads.here().take().is_none();
        let Some((call, error)) = failed.map(|failed| *failed) else {
            return Ok(());
        };
        match again {
            // It did not fail by itself. On this thread, streams that never pause would interrupt it
            // each time.
            Some(again)
                if (interrupted || self.limits.check().is_err())
                    && progress(&error) < Progress::Answered =>
            {
                self.send_apart(again)
            }
            _ => {
                self.failed(id, call, error);
                Ok(())
            }
        }
    }

    fn exchange(
        &mut self,
        send: Box<Send>,
        limits: CallLimits,
    ) -> Result<(), Box<(CallContext, Error)>> {
        let id = send.id;
        let (call, incoming) = self.client.attempt(*send, limits);
        let incoming = match incoming {
            Ok(incoming) => incoming,
            Err(error) => return Err(Box::new((call, error))),
        };
        let (head, mut body) = incoming.into_parts();
        let reason = head.extensions.get::<ReasonPhrase>();
        self.handle(Input::Head {
            id,
            status: head.status,
            reason: reason.map_or("", |reason| &reason.0),
            headers: &head.headers,
        });
        let mut buffer = [0; 4 << 10];
        let mut length = BodyLength::new(head.status, &head.headers);
        loop {
            match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    length.add(read);
                    let bytes = buffer.get(..read).unwrap_or_default();
                    self.handle(Input::Body { id, bytes });
                }
                Err(error) => {
                    let error = TransportError::new(Phase::Read, error);
                    let error = call.interrupted(error, length);
                    return Err(Box::new((call, error)));
                }
            }
        }
        call.tell(&RequestEvent::Body {
            bytes: length.received(),
            complete: true,
        });
        self.past.remember(id, call, None);
        self.open.remove(&id);
        self.handle(Input::End { id });
        Ok(())
    }

    fn handle(&mut self, input: Input<'_>) {
        self.flow.handle(self.began.elapsed(), input);
    }

    fn failed(&mut self, id: ExchangeId, call: CallContext, error: Error) {
        call.tell(&RequestEvent::Failed { error: &error });
        let (progress, passes) = (progress(&error), error.may_be_transient());
        self.past.remember(id, call, Some(error));
        self.open.remove(&id);
        self.handle(Input::Failed {
            id,
            progress,
            transient: passes,
        });
    }

    fn close(&mut self, id: ExchangeId) {
        self.open.remove(&id);
    }

    /// Waits for something to come, until a time of the flow.
    fn wait(&mut self, until: Option<Duration>) -> Result<(), StopReason> {
        if let Ok(told) = self.told.try_recv() {
            self.told(told);
            return Ok(());
        }
        let until = until.and_then(|until| self.began.checked_add(until));
        let idle = self.limits.end_of_wait(self.quiet_since);
        let ends = until.into_iter().chain(idle.map(|(end, _)| end)).min();
        let received = match ends {
            None => self.told.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(ends) => self
                .told
                .recv_timeout(ends.saturating_duration_since(Instant::now())),
        };
        match received {
            Ok(told) => {
                self.told(told);
                Ok(())
            }
            Err(_) => self.check_idle(),
        }
    }

    /// Whether the limits of the caller are reached.
    fn check_idle(&self) -> Result<(), StopReason> {
        self.limits.check()?;
        match self.limits.end_of_wait(self.quiet_since) {
            Some((end, stopped)) if end <= Instant::now() => Err(stopped),
            _ => Ok(()),
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Wake => {}
            Told::Panicked(id, panic) => {
                if self.open.contains_key(&id) {
                    resume_unwind(panic);
                }
                forget(panic);
            }
            Told::Head(id, head) => {
                let Some(open) = self.open.get_mut(&id) else {
                    return;
                };
                open.call = Some(head.call);
                self.quiet_since = Instant::now();
                let (status, headers) = (head.status, &head.headers);
                self.handle(Input::Head {
                    id,
                    status,
                    reason: &head.reason,
                    headers,
                });
            }
            Told::Body(id, bytes) => {
                if !self.open.contains_key(&id) {
                    return;
                }
                self.quiet_since = Instant::now();
                self.handle(Input::Body { id, bytes: &bytes });
            }
            Told::End(id, bytes) => {
                let Some(mut open) = self.open.remove(&id) else {
                    return;
                };
                if let Some(call) = open.call.take() {
                    call.tell(&RequestEvent::Body {
                        bytes,
                        complete: true,
                    });
                    self.past.remember(id, call, None);
                }
                self.handle(Input::End { id });
            }
            Told::Failed(id, error) => {
                let Some(mut open) = self.open.remove(&id) else {
                    return;
                };
                let call = open.call.take().unwrap_or_else(|| self.about.clone());
                self.failed(id, call, *error);
            }
        }
    }

    /// The request that is open when a limit is reached.
    fn waiting(&self) -> &CallContext {
        self.waiting.as_ref().unwrap_or(&self.about)
    }

    /// The error that the flow has come to.
    pub(crate) fn error(&mut self, error: FlowError) -> Error {
        match error {
            FlowError::Failed(id) => match self.past.failures.remove(&id) {
                Some(error) => error,
                None => self.about.failed(BodyLength::default().cut_off()),
            },
            FlowError::Reply(id, error) => self
                .past
                .calls
                .get(&id)
                .unwrap_or(&self.about)
                .failed(*error),
            FlowError::Request(error) => self.about.failed(error),
            FlowError::Ended(ended) => self.about.failed(ErrorKind::Ended(ended)),
            FlowError::FailedEvent(event) => self.about.failed(ErrorKind::Failed(event)),
            FlowError::TimedOut(limit) => self.waiting().failed(ErrorKind::Deadline {
                phase: Phase::Wait,
                limit,
            }),
            FlowError::Attempts(errors) => self.attempts(errors, None),
            // It was not given up here.
            FlowError::Cancelled | _ => self.about.stopped(StopReason::Cancelled, Phase::Wait),
        }
    }

    /// Several attempts; `given_up` takes the place of the end of the last one.
    fn attempts(&mut self, errors: Vec<FlowError>, mut given_up: Option<Error>) -> Error {
        let errors = errors
            .into_iter()
            .map(|error| match (error, given_up.take()) {
                (FlowError::Cancelled, Some(error)) => error,
                (error, before) => {
                    given_up = before;
                    self.error(error)
                }
            });
        let errors = errors.collect();
        self.about.of_attempts(errors)
    }
}

impl<F, T> Driver<F>
where
    F: Flow<Output = Result<T, FlowError>> + std::marker::Send + 'static,
{
    /// Drives the flow to its result.
    pub(crate) fn run(mut self) -> Result<T, Error> {
        match self.advance() {
            Ok(result) => result.map_err(|error| self.error(error)),
            Err(End::Stopped(stopped)) => Err(self.give_up(stopped)),
            Err(End::Failed(error)) => Err(*error),
        }
    }

    /// The limits of the caller are reached: the flow cleans up, and the caller does not wait for
    /// that longer than a moment.
    fn give_up(mut self, stopped: StopReason) -> Error {
        let error = self.waiting().stopped(stopped, Phase::Wait);
        self.flow.cancel(self.began.elapsed());
        self.limits = CallLimits::default();
        let sends = loop {
            match self.flow.poll(self.began.elapsed()) {
                Command::Abort(id) => self.close(id),
                Command::Done(Err(FlowError::Attempts(errors))) => {
                    return self.attempts(errors, Some(error));
                }
                Command::Done(_) => return error,
                Command::Send(send) => {
                    self.next = Some(send);
                    break true;
                }
                Command::Wait { .. } => break false,
            }
        };
        let (tell, told) = sync_channel(1);
        let finish = move || {
            let _ = self.advance();
            // The caller may have gone on.
            let _ = tell.try_send(());
        };
        if threads::start("scramjet-cleanup", finish).is_ok() && sends {
            let _ = told.recv_timeout(FOREGROUND_LIMIT);
        }
        error
    }
}

/// The end of a flow that was not its own.
enum End {
    Stopped(StopReason),
    Failed(Box<Error>),
}

impl From<StopReason> for End {
    fn from(stopped: StopReason) -> Self {
        Self::Stopped(stopped)
    }
}

impl<F> Driver<F> {
    /// Drives another flow, which goes on with the exchanges of this one.
    pub(crate) fn map<G>(self, change: impl FnOnce(F) -> G) -> Driver<G> {
        let Self {
            flow,
            client,
            about,
            waiting,
            limits,
            began,
            open,
            threads,
            told,
            past,
            quiet_since,
            next,
            advancing,
        } = self;
        Driver {
            flow: change(flow),
            client,
            about,
            waiting,
            limits,
            began,
            open,
            threads,
            told,
            past,
            quiet_since,
            next,
            advancing,
        }
    }
}

/// The exchange ends with this.
impl Drop for Open {
    fn drop(&mut self) {
        in_drop(|| self.token.cancel());
    }
}

/// Carries out an exchange on a thread of its own.
struct Carrier {
    client: Client,
    threads: Threads,
    id: ExchangeId,
    limits: CallLimits,
}

impl Carrier {
    fn carry(&self, send: Box<Send>) {
        let id = self.id;
        let (call, incoming) = self.client.attempt(*send, self.limits.clone());
        let incoming = match incoming {
            Ok(incoming) => incoming,
            Err(error) => return self.tell(Told::Failed(id, error.into())),
        };
        let (head, mut body) = incoming.into_parts();
        let reason = head
            .extensions
            .get::<ReasonPhrase>()
            .map_or("", |reason| &reason.0)
            .to_owned();
        let (status, headers) = (head.status, head.headers);
        let head = Head {
            status,
            reason,
            headers,
            call: call.clone(),
        };
        let mut length = BodyLength::new(head.status, &head.headers);
        self.tell(Told::Head(id, head.into()));
        loop {
            let mut buffer = vec![0; 16 << 10];
            match body.read(&mut buffer) {
                Ok(0) => return self.tell(Told::End(id, length.received())),
                Ok(read) => {
                    length.add(read);
                    buffer.truncate(read);
                    self.tell(Told::Body(id, buffer));
                }
                Err(error) => {
                    let error = TransportError::new(Phase::Read, error);
                    let error = call.interrupted(error, length);
                    return self.tell(Told::Failed(id, error.into()));
                }
            }
        }
    }

    fn tell(&self, told: Told) {
        let token = self.limits.cancel.as_ref();
        if token.is_some_and(CancelToken::is_cancelled) {
            return;
        }
        self.threads.interrupt(|here| here.asks);
        // The flow may be over.
        let _ = self.threads.tell.send(told);
    }
}

/// How far an exchange had come.
fn progress(error: &Error) -> Progress {
    match error.phase() {
        Some(Phase::Resolve | Phase::Connect | Phase::Tls) => Progress::NothingSent,
        Some(Phase::Read) => Progress::Answered,
        _ => Progress::MayBeReceived,
    }
}
