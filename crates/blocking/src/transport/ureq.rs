use std::io::{self, Read};
use std::time::Duration;

use ::ureq::config::ConfigBuilder;
use ::ureq::typestate::AgentScope;
use ::ureq::unversioned::resolver::DefaultResolver;
use ::ureq::unversioned::transport::{Connector, DefaultConnector};
use ::ureq::{Agent, BodyReader, SendBody};
use http::{Request, Response, header};
use scramjet_client_core::RequestError;

use super::watch::{Facts, Watch, watch};
use super::{BoxError, Outgoing, Phase, Reason, Transport, TransportError};

/// HTTP over [ureq](https://docs.rs/ureq): a pool of connections, plain or (feature `rustls`) encrypted.
///
/// A connection is used again for 3 seconds after its last answer; hubs close theirs after 5. At most 16 idle ones are kept
/// for a host. The environment's proxy settings are not looked at.
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
}

impl Default for UreqConfig {
    fn default() -> Self {
        Self { connect_timeout: Some(Duration::from_secs(10)), ca_certificates: None }
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
        Ok(Self::with(agent, config.connect_timeout))
    }

    fn with(agent: ConfigBuilder<AgentScope>, connect_timeout: Option<Duration>) -> Self {
        let config = agent
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .accept_encoding("")
            .user_agent(concat!("scramjet-client/", env!("CARGO_PKG_VERSION")))
            // Node announces 5 seconds. A request that is written while the hub closes is lost, and which of the two came
            // first cannot be seen from here: so stay well away from that moment.
            .max_idle_age(Duration::from_secs(3))
            .max_idle_connections(32)
            .max_idle_connections_per_host(16)
            .timeout_connect(connect_timeout.filter(|limit| *limit < FOR_EVER).map(|limit| limit.max(AT_ONCE)))
            // No other timeouts: an answer may take days to come. (A global one would also cost a thread for each request.)
            .build();
        let connector = DefaultConnector::default().chain(Watch);
        Self { agent: Agent::with_parts(config, connector, DefaultResolver::default()) }
    }
}

impl Default for UreqTransport {
    fn default() -> Self {
        Self::with(Agent::config_builder(), UreqConfig::default().connect_timeout)
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
        let (result, facts) = watch(|| match body {
            Outgoing::Empty => self.agent.run(Request::from_parts(parts, ())),
            Outgoing::Bytes(bytes) => self.agent.run(Request::from_parts(parts, bytes)),
            Outgoing::Reader { mut reader, length: None } => self.agent.run(Request::from_parts(parts, SendBody::from_reader(&mut reader))),
            Outgoing::Reader { reader, length: Some(length) } => {
                parts.headers.insert(header::CONTENT_LENGTH, length.into());
                self.agent.run(Request::from_parts(parts, SendBody::from_reader(&mut reader.take(length))))
            }
        });
        match result {
            Ok(response) => {
                let mut response = response.map(|body| -> Box<dyn Read + Send> { Box::new(Incoming(body.into_reader())) });
                if let Some((status, reason)) = facts.status_line {
                    if status == response.status().as_u16() {
                        response.extensions_mut().insert(Reason(reason));
                    }
                }
                Ok(response)
            }
            Err(error) => Err(TransportError { phase: phase(&facts), source: cause(error) }.into()),
        }
    }
}

/// The body of a reply.
struct Incoming(BodyReader<'static>);

impl Read for Incoming {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(|error| match ::ureq::Error::from(error) {
            // Its word for a connection that ends in the midst of a chunk's length.
            error @ ::ureq::Error::BodyStalled => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            error => error.into_io(),
        })
    }
}

fn phase(facts: &Facts) -> Phase {
    match facts {
        Facts { sending_failed: true, .. } => Phase::Send,
        Facts { sending: true, .. } => Phase::Wait,
        Facts { connected: true, .. } => Phase::Send,
        _ => Phase::Connect,
    }
}

/// ureq's own wrapping of an IO error says nothing that the IO error does not.
fn cause(error: ::ureq::Error) -> BoxError {
    match error {
        ::ureq::Error::Io(error) => error.into(),
        error => error.into(),
    }
}
