//! A transport over `hyper`, without limits, TLS and connection reuse.
//!
//! `cargo run -p scramjet-client-blocking --example hyper_transport`
//!
//! Prints the version of the hub, and the output of a sequence. Uses the hub of `SCRAMJET_HUB_URL`,
//! or a fake hub.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use scramjet_client_blocking::http::{Request, Response, header};
use scramjet_client_blocking::transport::{Phase, ReasonPhrase, RequestBody, TransportError};
use scramjet_client_blocking::{HostClient, StartOptions, Transport};
use scramjet_client_testing::demo;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();
    let host = HostClient::builder(hub.url())
        .transport(Arc::new(Hyper::new()?))
        .build()?;
    println!(
        "hub        {}, version {}",
        host.base_url(),
        host.version()?.version
    );
    let deployment = host.deploy(demo::shout())?;
    let run = deployment.run(&StartOptions::new(), "some text")?;
    println!("output     {}", run.output.escape_ascii());
    deployment.close()?;
    Ok(())
}

type Body = UnsyncBoxBody<Bytes, io::Error>;
type Received = Result<Response<Incoming>, TransportError>;

/// Sends requests with the client of `hyper`, on a Tokio runtime of its own.
#[derive(Debug)]
pub struct Hyper {
    client: Client<HttpConnector, Body>,
    runtime: Arc<Runtime>,
}

impl Hyper {
    /// Starts the runtime.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        // No connection is reused, because a hub closes connections that are idle for 5 seconds.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http();
        let runtime = Arc::new(Runtime::new()?);
        Ok(Self { client, runtime })
    }

    fn receive(&self, request: Request<Body>) -> Received {
        let response = self.runtime.block_on(self.client.request(request));
        response.map_err(|error| {
            let nothing_sent = error.is_connect();
            let phase = if nothing_sent {
                Phase::Connect
            } else {
                Phase::Wait
            };
            TransportError::new(phase, error)
        })
    }

    /// Reads on this thread, and sends on another one.
    fn upload(&self, request: Request<()>, reader: &mut (dyn Read + Send)) -> Received {
        let (pieces, pulled) = mpsc::channel(1);
        let pulled = stream::unfold(pulled, |mut pulled| async {
            let piece: io::Result<Bytes> = pulled.recv().await?;
            Some((piece.map(Frame::data), pulled))
        });
        let request = request.map(|()| StreamBody::new(pulled).boxed_unsync());
        let refused = AtomicBool::new(false);
        thread::scope(|scope| {
            let response = scope.spawn(|| {
                let response = self.receive(request);
                let accepted = response.as_ref().is_ok_and(|r| r.status().is_success());
                refused.store(!accepted, Ordering::Relaxed);
                response
            });
            let mut buf = vec![0; 64 << 10];
            loop {
                let piece = match reader.read(&mut buf) {
                    // The server needs no more of the upload. The error makes hyper abort it.
                    _ if refused.load(Ordering::Relaxed) => Err(io::Error::other("refused")),
                    Ok(0) => break,
                    Ok(read) => Ok(Bytes::copy_from_slice(buf.get(..read).unwrap_or_default())),
                    Err(error) => Err(error),
                };
                let failed = piece.is_err();
                if pieces.blocking_send(piece).is_err() || failed {
                    break;
                }
            }
            // Ends the upload.
            drop(pieces);
            response.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Transport for Hyper {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let (head, body) = request.into_parts();
        let mut request = Request::from_parts(head, ());
        let length = match &body {
            RequestBody::Empty => None,
            RequestBody::Bytes(bytes) => u64::try_from(bytes.len()).ok(),
            RequestBody::Reader { length, .. } => *length,
        };
        request
            .headers_mut()
            .extend(length.map(|length| (header::CONTENT_LENGTH, length.into())));
        let mut response = match body {
            RequestBody::Empty => {
                self.receive(request.map(|()| Empty::new().map_err(|e| match e {}).boxed_unsync()))
            }
            RequestBody::Bytes(bytes) => {
                let body = Full::new(Bytes::copy_from_slice(bytes));
                self.receive(request.map(|()| body.map_err(|e| match e {}).boxed_unsync()))
            }
            RequestBody::Reader {
                reader,
                length: None,
            } => self.upload(request, reader),
            RequestBody::Reader {
                reader,
                length: Some(length),
            } => self.upload(request, &mut reader.take(length)),
        }?;
        let status = response.status();
        let reason = match response.extensions().get::<hyper::ext::ReasonPhrase>() {
            Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
            None => status.canonical_reason().unwrap_or_default().to_owned(),
        };
        response.extensions_mut().insert(ReasonPhrase(reason));
        let (runtime, piece) = (Arc::clone(&self.runtime), Bytes::new());
        Ok(response.map(|body| -> Box<dyn Read + Send> {
            Box::new(Pieces {
                runtime,
                body,
                piece,
            })
        }))
    }
}

/// The body of a response, and the rest of the piece that is being read.
struct Pieces {
    runtime: Arc<Runtime>,
    body: Incoming,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.body.frame()) {
                Some(Ok(frame)) => self.piece = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
                }
                None => return Ok(0),
            }
        }
        let piece = self.piece.split_to(buf.len().min(self.piece.len()));
        (&*piece).read(buf)
    }
}
