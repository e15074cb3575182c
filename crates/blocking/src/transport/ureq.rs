//! The transport over ureq. The files below it are the only ones that use ureq's `unversioned` API.

mod buffers;
mod call;
mod connect;
mod socket;
mod status_line;
mod watch;

use std::io::{self, Read};
use std::time::Duration;

use ::ureq::config::ConfigBuilder;
use ::ureq::typestate::AgentScope;
use ::ureq::unversioned::transport::Connector;
use ::ureq::{Agent, BodyReader, SendBody};
use http::{Request, Response, header};
use scramjet_client_core::RequestError;

use self::call::Call;
use self::connect::{Dial, Later};
use self::watch::{Lost, Watch};
use super::{BoxError, Fresh, Outgoing, Phase, Reason, Transport, TransportError};
use crate::CallLimits;

/// HTTP over [ureq](https://docs.rs/ureq): a pool of connections, plain or (feature `rustls`) encrypted.
///
/// A connection is used again for 3 seconds after its last answer, for hubs announce that they close theirs after 5; where another time is
/// announced, for three fifths of it. At most 64 idle ones are kept, see [`UreqConfig::max_idle_connections`]. The environment's proxy settings are not looked at.
#[derive(Debug)]
pub struct UreqTransport {
    agent: Agent,
}

/// Settings of a [`UreqTransport`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UreqConfig {
    /// How long connecting may take, encryption included, for all addresses of the host together. `None` leaves it to the
    /// operating system. 10 seconds where nothing is said.
    pub connect_timeout: Option<Duration>,
    /// Certificates to trust (PEM), and not those of Mozilla. Needs the feature `rustls`.
    pub ca_certificates: Option<Vec<u8>>,
    /// How many connections are kept for later when nobody uses them; 0 for none. As many calls as one likes can be made at the same time, but
    /// what they open beyond this number is closed after them. 64 where nothing is said.
    pub max_idle_connections: usize,
}

impl Default for UreqConfig {
    fn default() -> Self {
        Self { connect_timeout: Some(Duration::from_secs(10)), ca_certificates: None, max_idle_connections: 64 }
    }
}

impl UreqTransport {
    /// A transport with a pool of its own.
    ///
    /// # Errors
    /// The certificates cannot be read, or the feature that they need is not there.
    pub fn new(config: &UreqConfig) -> Result<Self, RequestError> {
        let agent = Agent::config_builder();
        let agent = match &config.ca_certificates {
            Some(pem) => trust(agent, pem)?,
            None => agent,
        };
        Ok(Self::with(agent, config))
    }

    fn with(agent: ConfigBuilder<AgentScope>, config: &UreqConfig) -> Self {
        let connect_timeout = config.connect_timeout.filter(|limit| *limit < FOR_EVER).map(|limit| limit.max(AT_ONCE));
        let config = agent
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .accept_encoding("")
            .user_agent(concat!("scramjet-client/", env!("CARGO_PKG_VERSION")))
            // Each connection knows how long it may be idle: see `Watched`.
            .max_idle_age(watch::LONGEST_IDLE)
            .max_idle_connections(config.max_idle_connections)
            .max_idle_connections_per_host(config.max_idle_connections)
            .timeout_connect(connect_timeout)
            // No other timeouts: an answer may take days to come. (A global one would also cost a thread for each request.)
            .build();
        #[cfg(feature = "rustls")]
        let connector = Dial.chain(::ureq::unversioned::transport::RustlsConnector::default()).chain(Watch);
        #[cfg(not(feature = "rustls"))]
        let connector = Dial.chain(Watch);
        Self { agent: Agent::with_parts(config, connector, Later) }
    }
}

impl Default for UreqTransport {
    fn default() -> Self {
        Self::with(Agent::config_builder(), &UreqConfig::default())
    }
}

#[cfg(feature = "rustls")]
fn trust(agent: ConfigBuilder<AgentScope>, pem: &[u8]) -> Result<ConfigBuilder<AgentScope>, RequestError> {
    use ::ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(RequestError::option("ca_certificates", &error.to_string())),
        }
    }
    if certificates.is_empty() {
        return Err(RequestError::option("ca_certificates", "there is no certificate in it; one begins with -----BEGIN CERTIFICATE-----"));
    }
    Ok(agent.tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build()))
}

#[cfg(not(feature = "rustls"))]
fn trust(_: ConfigBuilder<AgentScope>, _: &[u8]) -> Result<ConfigBuilder<AgentScope>, RequestError> {
    Err(RequestError::option("ca_certificates", "this program was built without encryption; enable the feature `rustls`"))
}

/// From here on a timeout is none: ureq adds it to a time, which must not overflow. A hundred years.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The shortest timeout: ureq takes zero for none.
const AT_ONCE: Duration = Duration::from_millis(1);

impl Transport for UreqTransport {
    fn send(&self, request: Request<Outgoing<'_>>) -> Result<Response<Box<dyn Read + Send>>, BoxError> {
        let (mut parts, body) = request.into_parts();
        let limits = parts.extensions.remove::<CallLimits>().unwrap_or_default();
        let fresh = parts.extensions.remove::<Fresh>().is_some();
        let mut unsent = false;
        let (result, call) = call::make(limits, fresh, || match body {
            Outgoing::Empty => self.agent.run(Request::from_parts(parts, ())),
            Outgoing::Bytes(bytes) => self.agent.run(Request::from_parts(parts, bytes)),
            Outgoing::Reader { reader, length } => {
                if let Some(length) = length {
                    parts.headers.insert(header::CONTENT_LENGTH, length.into());
                }
                let mut wanted = Wanted { reader, left: length, ended: length == Some(0) };
                let result = self.agent.run(Request::from_parts(parts, SendBody::from_reader(&mut wanted)));
                unsent = !wanted.ended;
                result
            }
        });
        match (result, call) {
            // A success, but not of the whole upload.
            (Ok(response), Call { closed: Some(source), .. }) if response.status().is_success() => {
                Err(TransportError { phase: Phase::Send, source }.into())
            }
            // Asked whether it wants the upload, it did not.
            (Ok(response), _) if response.status().is_success() && unsent => {
                let source = io::Error::new(io::ErrorKind::UnexpectedEof, "it was answered with a success before the upload was sent");
                Err(TransportError { phase: Phase::Send, source: source.into() }.into())
            }
            (Ok(response), call) => {
                let mut response = response.map(|body| -> Box<dyn Read + Send> { Box::new(Incoming(body.into_reader())) });
                if let Some((status, reason)) = call.status_line {
                    if status == response.status().as_u16() {
                        response.extensions_mut().insert(Reason(reason));
                    }
                }
                response.extensions_mut().insert(call.timings);
                Ok(response)
            }
            (Err(error), call) => Err(TransportError { phase: call.phase, source: call.closed.unwrap_or_else(|| cause(error)) }.into()),
        }
    }
}

/// The data of an upload, as long as it is wanted: when the other side has answered it ends, or seems to be sent up to its announced length,
/// and ureq goes on to the answer.
struct Wanted<'a> {
    reader: &'a mut (dyn Read + Send),
    left: Option<u64>,
    ended: bool,
}

impl Read for Wanted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let enough = call::current(|call| call.enough);
        let read = match self.left {
            None if enough => 0,
            None => self.reader.read(buf)?,
            Some(left) => {
                let max = usize::try_from(left).unwrap_or(buf.len()).min(buf.len());
                if enough { max } else { self.reader.read(buf.get_mut(..max).unwrap_or_default())? }
            }
        };
        self.left = self.left.map(|left| left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX)));
        self.ended = self.left.map_or(read == 0, |left| left == 0);
        Ok(read)
    }
}

/// The body of a reply.
struct Incoming(BodyReader<'static>);

impl Read for Incoming {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(|error| match ::ureq::Error::from(error) {
            // Its word for a connection that ends in the midst of a chunk's length.
            error @ ::ureq::Error::BodyStalled => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            error => match error.into_io().downcast::<Lost>() {
                Ok(Lost(error)) => io::Error::new(io::ErrorKind::UnexpectedEof, error),
                Err(error) => error,
            },
        })
    }
}

/// ureq's own wrapping of an IO error says nothing that the IO error does not; and what this library said comes out as it was.
fn cause(error: ::ureq::Error) -> BoxError {
    match error {
        ::ureq::Error::Io(error) => match error.downcast::<crate::Stopped>() {
            Ok(stopped) => stopped.into(),
            Err(error) => error.downcast::<Lost>().map_or_else(Into::into, |Lost(error)| error.into()),
        },
        // Only connecting has a timeout of ureq's.
        error @ ::ureq::Error::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, error).into(),
        error => error.into(),
    }
}
