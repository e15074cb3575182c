//! Requests that are built but not sent, to print them as commands of `curl`.

mod curl;
mod secrets;
mod shell;

use std::{fmt, mem};

use scramjet_client_core::http::{HeaderMap, Method, Request, Uri};
use scramjet_client_core::{Operation, Streamed};

use crate::call::context::CallContext;
use crate::client::Client;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::instance::InstanceClient;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::platform::middleware::MiddlewareClient;
use crate::handles::platform::multi_manager::MultiManagerClient;
use crate::handles::sequence::SequenceClient;

/// A request without its secrets, to inspect, to log, or to print as a command of `curl`.
///
/// ```
/// use scramjet_client_blocking::core::{Endpoint, InstanceId, KillInstance, KillOptions};
/// use scramjet_client_blocking::http::{HeaderName, HeaderValue};
/// use scramjet_client_blocking::types::DryRun;
///
/// let mut hub = Endpoint::new("http://localhost:8000/api/v1")?;
/// let token = HeaderValue::from_static("Bearer s3cret");
/// hub.set_header(HeaderName::from_static("authorization"), token)?;
/// let (id, options) = (InstanceId::new("i-1")?, KillOptions::new());
///
/// let dry_run = DryRun::new(hub.request(&KillInstance { id: &id, options: &options })?);
/// assert_eq!(
///     dry_run.to_string(),
///     "curl http://localhost:8000/api/v1/instance/i-1/_kill \
///      -H 'authorization: Bearer ***' -H 'content-type: application/json' --data-binary '{}'"
/// );
/// assert_eq!(dry_run.hidden(), ["authorization"]);
/// # Ok::<(), scramjet_client_blocking::core::RequestError>(())
/// ```
///
/// # The command
///
/// [`Display`](fmt::Display) writes one line for a POSIX shell (`sh`, `bash`, `zsh`), whatever
/// bytes the request contains. `curl` then sends the same method, URL, headers and body, except
/// hidden values. `{:#}` writes several lines, and lists the names of the hidden values in a
/// comment.
///
/// For everything else, `curl` uses its own settings: its `User-Agent`, the proxy of the
/// environment, and the certificates of the system (`--cacert` sets others). It buffers its output;
/// add `-N` for a stream that does not end.
///
/// The command reads an upload from its standard input, so you can append `< package.tar.gz`.
/// [`with_file`](Self::with_file) names a file instead.
///
/// # Secrets
///
/// A dry run shows only values that this library defines, such as a timeout, an id or a content
/// type. `***` replaces all others: every header that the caller has set, `appConfig`, `args`, the
/// data of an event, and anything else in a body. [`with_values`](Self::with_values) shows the
/// complete body. The values of the caller's headers are never shown, because a dry run does not
/// contain them.
#[derive(Clone)]
pub struct DryRun {
    method: Method,
    url: Uri,
    headers: HeaderMap,
    body: DryRunBody,
    /// The complete body, if `body` hides a part of it.
    whole: Option<Vec<u8>>,
    file: Option<String>,
    hidden: Vec<String>,
    /// The number of headers in `hidden`. They come first.
    hidden_headers: usize,
}

/// The body of a [`DryRun`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DryRunBody {
    /// The bytes of the body; empty if the request has no body.
    Bytes(Vec<u8>),
    /// An upload, whose bytes come from elsewhere.
    Upload,
}

impl From<Vec<u8>> for DryRunBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Streamed> for DryRunBody {
    fn from(_: Streamed) -> Self {
        Self::Upload
    }
}

impl DryRun {
    /// Creates a dry run of a request, without the secrets of the request.
    #[must_use]
    pub fn new<B: Into<DryRunBody>>(request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let (mut headers, mut body, mut hidden) = (head.headers, body.into(), Vec::new());
        secrets::hide_in_headers(&mut headers, &mut hidden);
        let (hidden_headers, mut whole) = (hidden.len(), None);
        if let DryRunBody::Bytes(bytes) = &mut body {
            let shown = secrets::hide_in_body(bytes, &mut hidden);
            whole = shown.map(|shown| mem::replace(bytes, shown));
        }
        Self {
            method: head.method,
            url: head.uri,
            headers,
            body,
            whole,
            file: None,
            hidden,
            hidden_headers,
        }
    }

    /// Shows the complete body, with all secrets in it.
    #[must_use]
    pub fn with_values(mut self) -> Self {
        if let Some(whole) = self.whole.take() {
            self.body = whole.into();
            self.hidden.truncate(self.hidden_headers);
        }
        self
    }

    /// Sets the file that the command uploads. It has no effect if the request is not an upload.
    #[must_use]
    pub fn with_file(self, path: impl Into<String>) -> Self {
        Self {
            file: Some(path.into()),
            ..self
        }
    }

    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the URL.
    #[must_use]
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// Returns the headers, without those that the transport adds, such as `Content-Length`. The
    /// value of a header that the caller has set is `***`.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the body, with `***` in place of values that may be secrets.
    #[must_use]
    pub fn body(&self) -> &DryRunBody {
        &self.body
    }

    /// Returns the names of the headers and of the members of the body that are hidden.
    #[must_use]
    pub fn hidden(&self) -> &[String] {
        &self.hidden
    }
}

/// Shows the same values as the accessors, without secrets.
impl fmt::Debug for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DryRun")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .field("file", &self.file)
            .field("hidden", &self.hidden)
            .finish_non_exhaustive()
    }
}

/// Writes the command of `curl`.
impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        curl::write(self, f)
    }
}

/// Builds the request of an operation, without its secrets.
fn dry_run<O>(client: &Client, operation: &O) -> Result<DryRun, Error>
where
    O: Operation<Payload: Into<DryRunBody>>,
{
    let request = client.endpoint().request(operation);
    let request = request.map_err(|error| CallContext::unbuilt::<O>().failed(error))?;
    Ok(DryRun::new(request))
}

/// Defines the method `dry_run` of a handle. The path after the colon leads to the handle's
/// [`Client`].
macro_rules! dry_run {
    ($handle:ident: $($client:ident).+) => {
        /// Requests that are built but not sent.
        impl $handle {
            /// Builds the request that this handle would send for an operation, to inspect it or to
            /// print it as a command of `curl`. Sends nothing.
            ///
            /// Hides values that may be secrets: the headers that you have set, and values in the
            /// body. [`with_values`](DryRun::with_values) shows the body.
            ///
            /// The operations are structs in [`core`](crate::core). For example,
            /// [`SequenceClient::start`](crate::SequenceClient::start) sends a
            /// [`StartSequence`](crate::core::StartSequence). To find the operation of a method,
            /// search for the HTTP method and path that its documentation states.
            ///
            /// # Errors
            /// - A value of the operation cannot be sent.
            /// - The hub is known to be too old for the operation.
            /// - The request depends on the version of the hub, and the version is unknown. To make
            ///   it known, call [`HostClient::version`](crate::HostClient::version), or set
            ///   [`HostClientBuilder::hub_version`](crate::HostClientBuilder::hub_version).
            ///
            /// ```
            /// # #[cfg(feature = "ureq")] {
            /// use scramjet_client_blocking::core::{SendSequence, StartSequence};
            /// use scramjet_client_blocking::{HostClient, StartOptions};
            ///
            /// let url = "http://localhost:8000/api/v1";
            /// let host = HostClient::builder(url).bearer_token("s3cret").build()?;
            /// println!("{}", host.dry_run(&SendSequence)?.with_file("package.tar.gz"));
            ///
            /// // The request of sequence.start(&options):
            /// let sequence = host.sequence("shout")?;
            /// let options = StartOptions::new().arg("it's");
            /// let start = StartSequence { id: sequence.id(), options: &options };
            /// let dry_run = sequence.dry_run(&start)?;
            /// assert_eq!(
            ///     dry_run.to_string(),
            ///     "curl http://localhost:8000/api/v1/sequence/shout/start \
            ///      -H 'authorization: Bearer ***' \
            ///      -H 'content-type: application/json' --data-binary '{\"args\":\"***\"}'"
            /// );
            /// let command = dry_run.with_values().to_string();
            /// assert!(command.ends_with(r#" --data-binary '{"args":["it'\''s"]}'"#));
            /// # }
            /// # Ok::<(), scramjet_client_blocking::Error>(())
            /// ```
            #[doc(alias = "curl")]
            pub fn dry_run<O>(&self, operation: &O) -> Result<DryRun, Error>
            where
                O: Operation<Payload: Into<DryRunBody>>,
            {
                dry_run(&self.$($client).+, operation)
            }
        }
    };
}

dry_run!(HostClient: client);
dry_run!(SequenceClient: host.client);
dry_run!(InstanceClient: host.client);
dry_run!(ManagerClient: client);
dry_run!(MultiManagerClient: client);
dry_run!(MiddlewareClient: client);
