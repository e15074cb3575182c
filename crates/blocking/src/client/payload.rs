//! The body of a request, which several attempts may send.

use http::Method;

use crate::body::upload::reader::UploadReader;
use crate::transport::RequestBody;
use crate::transport::direct::DirectUpload;

/// The body of a request.
pub(super) enum Payload {
    Inline(Vec<u8>),
    Upload(UploadReader),
}

impl Payload {
    /// Returns the body for a transport.
    pub(super) fn request_body(&mut self, method: &Method) -> RequestBody<'_> {
        match self {
            Self::Inline(bytes)
                if bytes.is_empty()
                    && matches!(*method, Method::GET | Method::HEAD | Method::DELETE) =>
            {
                RequestBody::Empty
            }
            Self::Inline(bytes) => RequestBody::Bytes(bytes),
            Self::Upload(upload) => RequestBody::Reader {
                length: upload.length(),
                reader: upload,
            },
        }
    }

    /// Returns the direct writes of an upload.
    pub(super) fn direct(&self) -> Option<DirectUpload> {
        match self {
            Self::Inline(_) => None,
            Self::Upload(upload) => upload.direct(),
        }
    }

    /// Returns `true` if the request needs `Expect: 100-continue`.
    pub(super) fn expects_continue(&self) -> bool {
        matches!(self, Self::Upload(upload) if upload.expects_continue())
    }

    /// Returns `true` if another attempt can send all of it.
    pub(super) fn is_repeatable(&self) -> bool {
        match self {
            Self::Inline(_) => true,
            Self::Upload(upload) => !upload.is_started(),
        }
    }

    /// Returns the number of bytes sent.
    pub(super) fn sent(&self) -> u64 {
        match self {
            Self::Inline(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Upload(upload) => upload.sent(),
        }
    }
}
