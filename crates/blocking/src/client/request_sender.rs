//! Sends requests, with retries.

use std::io::{self, Read};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use scramjet_client_core::{RequestError, RetryPolicy};

use crate::body::user_reader::UserReader;
use crate::call::context::CallContext;
use crate::call::observer::RequestEvent;
use crate::client::payload::Payload;
use crate::error::Error;
use crate::limits::call_limits::StopReason;
use crate::support::random::random;
use crate::transport::error::{Phase, TransportError};
use crate::transport::{NewConnection, Timings, Transport};

/// Sends the request of one call, and retries it. Not generic over the operation, because programs
/// would then compile this code for each operation.
pub(super) struct RequestSender<'a> {
    pub(super) transport: &'a dyn Transport,
    pub(super) retry: Option<RetryPolicy>,
    pub(super) call: CallContext,
}

/// A response whose body was not read yet.
pub(super) type UnreadResponse = Response<UserReader>;

impl RequestSender<'_> {
    /// Sends the request, and passes the response to `finish`. If either fails, may retry both.
    /// `rebuild` builds the request for the next attempt. Returns the number of bytes sent.
    pub(super) fn run(
        &mut self,
        request: Request<()>,
        payload: Payload,
        rebuild: &dyn Fn() -> Result<Request<()>, RequestError>,
        finish: &mut dyn FnMut(UnreadResponse, CallContext) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        self.call.observe(&RequestEvent::Built);
        self.attempts(request, payload, rebuild, finish)
            .inspect_err(|error| self.call.observe(&RequestEvent::Failed { error }))
    }

    /// Sends the request once.
    pub(super) fn run_once(
        &mut self,
        request: Request<()>,
        body: Vec<u8>,
    ) -> Result<UnreadResponse, Error> {
        self.call.observe(&RequestEvent::Built);
        self.attempt(request, &mut Payload::Inline(body))
    }

    fn attempts(
        &mut self,
        mut request: Request<()>,
        mut payload: Payload,
        rebuild: &dyn Fn() -> Result<Request<()>, RequestError>,
        finish: &mut dyn FnMut(UnreadResponse, CallContext) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut before = None;
        loop {
            let result = self
                .attempt(request, &mut payload)
                .and_then(|response| finish(response, self.call.clone()));
            let error = match result {
                Ok(()) => return Ok(payload.sent()),
                Err(error) => error.after(&mut before),
            };
            let Some(delay) = self.delay(&error, &payload) else {
                return Err(error);
            };
            self.call.observe(&RequestEvent::Retry {
                attempt: self.call.attempts,
                error: &error,
                delay,
            });
            let phase = error.phase().unwrap_or(Phase::Resolve);
            self.call.reached = self.call.reached.max(phase);
            before = Some(error);
            self.call
                .pause(delay, Phase::Connect)
                .map_err(|stopped| stopped.after(&mut before))?;
            request = rebuild().map_err(|error| self.call.failed(error))?;
        }
    }

    fn attempt(
        &mut self,
        request: Request<()>,
        payload: &mut Payload,
    ) -> Result<UnreadResponse, Error> {
        self.call.attempts += 1;
        self.call.observe(&RequestEvent::Attempt {
            attempt: self.call.attempts,
        });
        let (expects_continue, direct) = (payload.expects_continue(), payload.direct());
        let (head, ()) = request.into_parts();
        let body = payload.request_body(&head.method);
        let mut request = Request::from_parts(head, body);
        if expects_continue {
            request
                .headers_mut()
                .insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        if !self.call.limits.is_none() {
            request.extensions_mut().insert(self.call.limits.clone());
        }
        if let Some(direct) = direct {
            request.extensions_mut().insert(direct);
        }
        if self.call.attempts > 1 {
            request.extensions_mut().insert(NewConnection);
        }
        let response = self
            .transport
            .send(request)
            .map_err(|error| self.call.transport_failed(error));
        self.check_response(response, payload)
    }

    // Not inlined, so that a thread that waits for the response occupies less of its stack.
    #[inline(never)]
    fn check_response(
        &self,
        response: Result<Response<Box<dyn Read + Send>>, Error>,
        payload: &mut Payload,
    ) -> Result<UnreadResponse, Error> {
        if let Payload::Upload(upload) = payload {
            match upload.take_error() {
                // The token may have cancelled the reader of the data as well.
                Some(_) if self.call.limits.check() == Err(StopReason::Cancelled) => {
                    return Err(self.call.stopped(StopReason::Cancelled, Phase::Send));
                }
                Some(error) => return Err(self.call.upload_failed(error)),
                None => {}
            }
            let is_success = matches!(&response, Ok(response) if response.status().is_success());
            if is_success && !upload.is_complete() {
                return Err(self.call.transport_failed(incomplete_upload()));
            }
        }
        let response =
            response?.map(|body| UserReader::new(body).retrying(self.call.limits.clone()));
        if self.call.observer.is_some() {
            let timings = response.extensions().get::<Timings>();
            self.call.observe(&RequestEvent::Head {
                attempt: self.call.attempts,
                status: response.status(),
                sent: payload.sent(),
                timings: timings.copied().unwrap_or_default(),
            });
        }
        Ok(response)
    }

    /// Returns the delay before the next attempt. `None` if the request must not be retried.
    fn delay(&self, error: &Error, payload: &Payload) -> Option<Duration> {
        // A retry after a timeout would exceed the time that the user has set for connecting.
        let may_help = error.is_lost() && !error.is_timeout() && payload.is_repeatable();
        let policy = self.retry.as_ref().filter(|_| may_help)?;
        policy.delay(self.call.attempts, self.call.began.elapsed(), random())
    }
}

/// Returns the error for a success that the hub reported before the transport had read the whole
/// upload.
fn incomplete_upload() -> TransportError {
    let problem = "the hub reported success before the upload was complete";
    let error = io::Error::new(io::ErrorKind::UnexpectedEof, problem);
    TransportError::new(Phase::Send, error)
}
