//! A request that is shown, and not sent.

mod curl;
mod secrets;
mod shell;

use alloc::string::String;
use alloc::vec::Vec;
use core::{fmt, mem};

use http::{HeaderMap, Method, Request, Uri};

use crate::Streamed;

/// What would be sent, without its secrets: to look at, to log, or to print as a command of `curl`.
///
/// ```
/// use scramjet_client_core::http::{HeaderName, HeaderValue};
/// use scramjet_client_core::{DryRun, Endpoint, InstanceId, KillInstance, KillOptions};
///
/// let mut hub = Endpoint::new("http://localhost:8000/api/v1")?;
/// hub.set_header(HeaderName::from_static("authorization"), HeaderValue::from_static("Bearer s3cret"))?;
/// let (id, options) = (InstanceId::new("i-1")?, KillOptions::new());
///
/// let dry_run = DryRun::new(hub.request(&KillInstance { id: &id, options: &options })?);
/// assert_eq!(
///     dry_run.to_string(),
///     "curl http://localhost:8000/api/v1/instance/i-1/_kill \
///      -H 'authorization: Bearer ***' -H 'content-type: application/json' --data-binary '{}'"
/// );
/// assert_eq!(dry_run.hidden(), ["authorization"]);
/// # Ok::<(), scramjet_client_core::RequestError>(())
/// ```
///
/// # The command
///
/// It is one line for a POSIX shell (`sh`, `bash`, `zsh`), whatever bytes are in it, and makes `curl` send the same request: method, address,
/// headers and body. `{:#}` breaks it into several lines, and says what is missing. Of what is not in the request, `curl` has its own: its
/// `User-Agent`, the proxy of the environment, the certificates of the system (`--cacert` names others). A stream that does not end shows up at
/// once with `-N`.
///
/// What is uploaded is read from the standard input, so `< package.tar.gz` can be appended; or see [`with_file`](Self::with_file).
///
/// # Secrets
///
/// Only the values that this library defines are shown, such as a timeout, an id or a content type.
/// `***` takes the place of all others: of every header that the caller set, and of `appConfig`,
/// `args`, the data of an event, and anything else in a body. [`with_values`](Self::with_values)
/// shows the body as it is; the headers that the caller set are not in this value at all.
#[derive(Clone)]
pub struct DryRun {
    method: Method,
    url: Uri,
    headers: HeaderMap,
    body: DryRunBody,
    /// The body as it is, if something in it is hidden.
    whole: Option<Vec<u8>>,
    file: Option<String>,
    hidden: Vec<String>,
    hidden_headers: usize,
}

/// What a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DryRunBody {
    /// These bytes; none where it has no body.
    Bytes(Vec<u8>),
    /// What is uploaded.
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
    /// Takes the secrets out of a request.
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

    /// Shows the body as it is, with all secrets that it may hold.
    #[must_use]
    pub fn with_values(mut self) -> Self {
        if let Some(whole) = self.whole.take() {
            self.body = whole.into();
            self.hidden.truncate(self.hidden_headers);
        }
        self
    }

    /// Lets the command upload this file, where it uploads something.
    #[must_use]
    pub fn with_file(self, path: impl Into<String>) -> Self {
        Self {
            file: Some(path.into()),
            ..self
        }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The address.
    #[must_use]
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// The headers, but for those that belong to the connection or tell the length of the body.
    /// `***` is the value of those that the caller set.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body, with `***` in the place of what may be a secret.
    #[must_use]
    pub fn body(&self) -> &DryRunBody {
        &self.body
    }

    /// What was taken out: names of headers, and of members of the body.
    #[must_use]
    pub fn hidden(&self) -> &[String] {
        &self.hidden
    }
}

/// With what is shown.
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

/// The command.
impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        curl::write(self, f)
    }
}
