use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, HeaderValue, Request, Response, header};
use scramjet_client_blocking::Transport;
use scramjet_client_blocking::transport::{Phase, ReasonPhrase, RequestBody, TransportError};

use crate::http1::{MessageHead, chunk, is_bodiless};
use crate::request::{SECRET_HEADERS, target};

/// A transport that records the exchanges of another one, for [`Replay`](super::Replay).
///
/// The names of the files consist of a number, the method and the last segment of the path, for
/// example `0001-get-version`. The recorder writes the bytes as they arrive, so a truncated
/// exchange is truncated when it is played.
///
/// The files do not contain the values of headers that were set on the client, nor those of
/// `Authorization`, `Proxy-Authorization`, `Cookie` and `Set-Cookie`. They do contain the bodies,
/// so search them for secrets before you share them.
pub struct Recorder {
    inner: Arc<dyn Transport>,
    folder: PathBuf,
    next: AtomicUsize,
}

impl Recorder {
    /// Returns a recorder that writes to a folder. Creates the folder if it does not exist, and
    /// overwrites files of the same names.
    ///
    /// # Errors
    /// If the folder cannot be created.
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
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
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

        let mut headers = redacted(&head.headers);
        let length = match &body {
            RequestBody::Empty => None,
            RequestBody::Bytes(bytes) => u64::try_from(bytes.len()).ok(),
            RequestBody::Reader { length, .. } => *length,
        };
        let mut recording = MessageFile {
            file: file("request").map_err(write_error)?,
            chunked: length.is_none() && matches!(body, RequestBody::Reader { .. }),
        };
        let line = format!("{} {target} HTTP/1.1", head.method);
        recording
            .begin(line, &mut headers, length)
            .map_err(write_error)?;
        // The file stays empty if there is no response.
        let response = file("http").map_err(write_error)?;

        let mut recorded = None;
        let body = match body {
            RequestBody::Empty => RequestBody::Empty,
            RequestBody::Bytes(bytes) => {
                recording.piece(bytes).map_err(write_error)?;
                RequestBody::Bytes(bytes)
            }
            RequestBody::Reader { reader, length } => RequestBody::Reader {
                reader: recorded.insert(RecordedBody {
                    inner: reader,
                    recording,
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
            .get::<ReasonPhrase>()
            .map_or("", |reason| &reason.0);
        let mut headers = redacted(&head.headers);
        let mut recording = MessageFile {
            file: response,
            chunked: !is_bodiless(head.status) && !headers.contains_key(header::CONTENT_LENGTH),
        };
        let line = format!("HTTP/1.1 {} {reason}", head.status.as_u16());
        recording
            .begin(line, &mut headers, None)
            .map_err(write_error)?;
        Ok(Response::from_parts(
            head,
            Box::new(RecordedBody {
                inner: body,
                recording,
            }),
        ))
    }
}

/// Returns the error for a file that cannot be written.
fn write_error(error: io::Error) -> TransportError {
    TransportError::new(Phase::Wait, error)
}

/// Returns the headers with redacted credentials.
fn redacted(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for (name, value) in &mut headers {
        if value.is_sensitive() || SECRET_HEADERS.contains(name) {
            *value = HeaderValue::from_static("(left out)");
        }
    }
    headers
}

/// The file of a message that is being recorded.
struct MessageFile {
    file: File,
    chunked: bool,
}

impl MessageFile {
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
            &MessageHead {
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

/// A reader that records the body that it reads.
struct RecordedBody<R> {
    inner: R,
    recording: MessageFile,
}

impl<R: Read> Read for RecordedBody<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        // The end is an empty chunk, which is written once.
        if read > 0 || (self.recording.chunked && !buf.is_empty()) {
            let bytes = buf.get(..read).unwrap_or_default();
            self.recording.piece(bytes)?;
            self.recording.chunked &= read > 0;
        }
        Ok(read)
    }
}
