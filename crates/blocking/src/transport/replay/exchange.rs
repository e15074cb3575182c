//! A recorded exchange.

use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;

use http::{Response, StatusCode, header};
use serde_json::Value;

use super::Check;
use crate::transport::http1::{Body, Head, Left};
use crate::transport::script::Sent;
use crate::{BoxError, Phase, Reason, TransportError};

pub(super) struct Exchange {
    pub(super) name: String,
    request: Head,
    body: Vec<u8>,
    /// Whether that is all of it. A request that is refused need not be sent to its end.
    whole: bool,
    reply: Vec<u8>,
}

/// The names of the exchanges in a folder, sorted.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| told(folder, &error))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "request")
        {
            names.extend(
                path.file_stem()
                    .and_then(|name| name.to_str())
                    .map(str::to_owned),
            );
        }
    }
    names.sort();
    Ok(names)
}

fn told(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Exchange {
    pub(super) fn load(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(format!("{name}.request"));
        let mut reader = Cursor::new(fs::read(&path).map_err(|error| told(&path, &error))?);
        let unreadable = |error| told(&path, &error);
        let request = Head::read(&mut reader)
            .and_then(|head| head.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()));
        let request = request.map_err(unreadable)?;
        let mut body = Vec::new();
        let whole = match (Body {
            reader,
            left: request.left(Left::Bytes(0)),
        })
        .read_to_end(&mut body)
        {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(unreadable(error)),
        };
        let path = folder.join(format!("{name}.http"));
        let reply = fs::read(&path).map_err(|error| told(&path, &error))?;
        Ok(Self {
            name: name.to_owned(),
            request,
            body,
            whole,
            reply,
        })
    }

    /// What is not as it was recorded.
    pub(super) fn difference(&self, sent: &Sent, check: Check) -> Option<String> {
        let [method, target, _] = self.request.words();
        let type_of = |headers: &http::HeaderMap| headers.get(header::CONTENT_TYPE).cloned();
        let (recorded_type, sent_type) = (type_of(&self.request.headers), type_of(&sent.headers));
        let (what, recorded, received) = if sent.method != method {
            ("method", method.to_owned(), sent.method.to_string())
        } else if sent.target != target {
            ("target", target.to_owned(), sent.target.clone())
        } else if check >= Check::ContentType
            && recorded_type.is_some()
            && recorded_type != sent_type
        {
            (
                "content-type",
                format!("{recorded_type:?}"),
                format!("{sent_type:?}"),
            )
        } else if check >= Check::Body && !self.is_body(&sent.body) {
            (
                "body",
                String::from_utf8_lossy(&self.body).into_owned(),
                sent.text(),
            )
        } else {
            return None;
        };
        Some(format!(
            "{}: the request differs\n  {what}\n    recorded {recorded}\n    received {received}",
            self.name
        ))
    }

    fn is_body(&self, received: &[u8]) -> bool {
        let value = |bytes| serde_json::from_slice::<Value>(bytes).ok();
        match self.whole {
            true => {
                self.body == received
                    || value(&self.body).is_some_and(|recorded| Some(recorded) == value(received))
            }
            false => received.starts_with(&self.body),
        }
    }

    pub(super) fn answer(self) -> Result<Response<Box<dyn Read + Send>>, BoxError> {
        let unanswered = |source: io::Error| TransportError {
            phase: Phase::Wait,
            source: source.into(),
        };
        let mut reader = Cursor::new(self.reply);
        loop {
            let head = Head::read(&mut reader).map_err(unanswered)?;
            let head = head.ok_or_else(|| {
                unanswered(io::Error::other(format!(
                    "{}: no answer was recorded",
                    self.name
                )))
            })?;
            let [_, status, reason] = head.words();
            let status: StatusCode = status.parse()?;
            if status.is_informational() {
                continue;
            }
            let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
            let left = if bodiless {
                Left::Bytes(0)
            } else {
                head.left(Left::ToTheEnd)
            };
            let body: Box<dyn Read + Send> = Box::new(Body { reader, left });
            let mut response = Response::new(body);
            response.extensions_mut().insert(Reason(reason.to_owned()));
            *response.status_mut() = status;
            *response.headers_mut() = head.headers;
            return Ok(response);
        }
    }
}
