use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, HeaderValue, Request, Response, header};

use crate::transport::http1::{Head, chunk};
use crate::transport::script::target;
use crate::{BoxError, Outgoing, Reason, Transport};

/// Writes down what goes through another transport, for [`Replay`](super::Replay). The files are named by their number, the method and the
/// end of the path; they are written as the bytes come, so that what breaks off does so when it is played.
///
/// Left out are the values of headers that the client was given or that are secrets by their nature: `Authorization`, `Cookie`, `Set-Cookie`.
/// Bodies are kept as they are: look through them before you hand them on.
pub struct Recorder {
    inner: Arc<dyn Transport>,
    folder: PathBuf,
    next: AtomicUsize,
}

impl Recorder {
    /// Records into this folder, which is made where it is not there. What it held stays, but for files of the same names.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(transport: Arc<dyn Transport>, folder: impl AsRef<Path>) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self {
            inner: transport,
            folder: folder.as_ref().to_owned(),
            next: AtomicUsize::new(1),
        })
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Transport for Recorder {
    fn send(
        &self,
        request: Request<Outgoing<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, BoxError> {
        let (head, body) = request.into_parts();
        let target = target(&head.uri);
        let last: String = target
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let name = format!(
            "{number:04}-{}-{last}",
            head.method.as_str().to_ascii_lowercase()
        );
        let file = |extension: &str| File::create(self.folder.join(format!("{name}.{extension}")));

        let mut headers = public(&head.headers);
        let length = match &body {
            Outgoing::Empty => None,
            Outgoing::Bytes(bytes) => u64::try_from(bytes.len()).ok(),
            Outgoing::Reader { length, .. } => *length,
        };
        let mut tape = Tape {
            file: file("request")?,
            chunked: length.is_none() && matches!(body, Outgoing::Reader { .. }),
        };
        tape.begin(
            format!("{} {target} HTTP/1.1", head.method),
            &mut headers,
            length,
        )?;
        // Before it is answered, there is no answer.
        let reply = file("http")?;

        let mut taped = None;
        let body = match body {
            Outgoing::Empty => Outgoing::Empty,
            Outgoing::Bytes(bytes) => {
                tape.piece(bytes)?;
                Outgoing::Bytes(bytes)
            }
            Outgoing::Reader { reader, length } => Outgoing::Reader {
                reader: taped.insert(Taped {
                    inner: reader,
                    tape,
                }),
                length,
            },
        };
        let (head, body) = self
            .inner
            .send(Request::from_parts(head, body))?
            .into_parts();

        let reason = head
            .extensions
            .get::<Reason>()
            .map_or("", |reason| &reason.0);
        let mut headers = public(&head.headers);
        let bodiless = matches!(head.status.as_u16(), 204 | 304);
        let mut tape = Tape {
            file: reply,
            chunked: !bodiless && !headers.contains_key(header::CONTENT_LENGTH),
        };
        tape.begin(
            format!("HTTP/1.1 {} {reason}", head.status.as_u16()),
            &mut headers,
            None,
        )?;
        Ok(Response::from_parts(
            head,
            Box::new(Taped { inner: body, tape }),
        ))
    }
}

/// The headers without what nobody else should see.
fn public(headers: &HeaderMap) -> HeaderMap {
    let secret = [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
        header::SET_COOKIE,
    ];
    let mut headers = headers.clone();
    for (name, value) in &mut headers {
        if value.is_sensitive() || secret.contains(name) {
            *value = HeaderValue::from_static("(left out)");
        }
    }
    headers
}

/// A message that is being written down.
struct Tape {
    file: File,
    chunked: bool,
}

impl Tape {
    fn begin(
        &mut self,
        first_line: String,
        headers: &mut HeaderMap,
        length: Option<u64>,
    ) -> io::Result<()> {
        headers.remove(header::TRANSFER_ENCODING);
        if self.chunked {
            headers.insert(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
        }
        if let Some(length) = length {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        self.file.write_all(
            &Head {
                first_line,
                headers: std::mem::take(headers),
            }
            .to_bytes(),
        )
    }

    fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.chunked {
            self.file.write_all(&chunk(bytes))
        } else {
            self.file.write_all(bytes)
        }
    }
}

/// A body that is written down as it is read.
struct Taped<R> {
    inner: R,
    tape: Tape,
}

impl<R: Read> Read for Taped<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        // A chunk of no bytes is the end, and is written once.
        if read > 0 || (self.tape.chunked && !buf.is_empty()) {
            self.tape.piece(buf.get(..read).unwrap_or_default())?;
            self.tape.chunked &= read > 0;
        }
        Ok(read)
    }
}
