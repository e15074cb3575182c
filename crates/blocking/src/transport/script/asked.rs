use std::fmt;
use std::io::{self, Read};

use http::{HeaderMap, Method, Uri, request};

/// A request that was sent, with everything in it: also what is kept out of errors and `Debug` output elsewhere.
#[derive(Clone)]
#[non_exhaustive]
pub struct Sent {
    /// The method.
    pub method: Method,
    /// The path, and the query where there is one.
    pub target: String,
    /// The headers as they were sent, tokens included.
    pub headers: HeaderMap,
    /// As much of the body as was read.
    pub body: Vec<u8>,
    /// Whether that is all of the body.
    pub complete: bool,
}

impl Sent {
    /// The value of a header, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text. What is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Method and target, the headers without the secret values, and the length of the body.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("complete", &self.complete)
            .finish()
    }
}

/// A request whose body is on its way. As a [`Read`], it is that body; what nobody reads of it is read when the request was answered,
/// unless the answer is a refusal.
pub struct Asked<'a> {
    sent: Sent,
    rest: &'a mut (dyn Read + Send),
    error: Option<io::Error>,
}

impl<'a> Asked<'a> {
    pub(in crate::transport) fn new(
        head: &request::Parts,
        rest: &'a mut (dyn Read + Send),
    ) -> Self {
        Self::with(
            head.method.clone(),
            target(&head.uri),
            head.headers.clone(),
            rest,
        )
    }

    pub(in crate::transport) fn with(
        method: Method,
        target: String,
        headers: HeaderMap,
        rest: &'a mut (dyn Read + Send),
    ) -> Self {
        Self {
            sent: Sent {
                method,
                target,
                headers,
                body: Vec::new(),
                complete: false,
            },
            rest,
            error: None,
        }
    }

    /// The request, when all of its body was read: waits for that. [`Sent::complete`] says whether it came to its end.
    pub fn read_all(&mut self) -> &Sent {
        // What goes wrong is kept for whoever sends it.
        let _ = io::copy(self, &mut io::sink());
        &self.sent
    }

    /// The request, with as much of its body as was read.
    #[must_use]
    pub fn so_far(&self) -> &Sent {
        &self.sent
    }

    /// What was sent, and why no more of it could be read.
    pub(in crate::transport) fn into_sent(self) -> (Sent, Option<io::Error>) {
        (self.sent, self.error)
    }
}

impl Read for Asked<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.sent.complete || buf.is_empty() {
            return Ok(0);
        }
        if let Some(error) = &self.error {
            return Err(error.kind().into());
        }
        match self.rest.read(buf) {
            Ok(0) => {
                self.sent.complete = true;
                Ok(0)
            }
            Ok(read) => {
                self.sent
                    .body
                    .extend_from_slice(buf.get(..read).unwrap_or_default());
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.error = Some(error);
                Err(kind.into())
            }
        }
    }
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asked").field(&self.sent).finish()
    }
}

pub(in crate::transport) fn target(uri: &Uri) -> String {
    uri.path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned()
}
