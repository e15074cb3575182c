use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::headers::json;
use crate::operation::Inline;
use crate::{Dialect, Discard, Operation, Path, RequestError, SequenceId};

/// `DELETE /sequence/:id`: removes a sequence.
///
/// Refused with 409 while it is in use, unless by force: then the hub kills its instances first, and answers after about
/// 16 seconds. By force since 0.34.4.
#[derive(Clone, Copy, Debug)]
pub struct DeleteSequence<'a> {
    /// The sequence.
    pub id: &'a SequenceId,
    /// Whether to kill its instances.
    pub force: bool,
}

impl Operation for DeleteSequence<'_> {
    const NAME: &'static str = "delete sequence";
    const METHOD: Method = Method::DELETE;
    type Payload = Inline;
    type Decoder = Discard;

    fn path(&self) -> Path {
        Path::new("sequence").value(SequenceId::WHAT, self.id.as_str())
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        json(headers);
        if self.force {
            // The hub looks for the header's presence alone: any value would force.
            headers.insert(
                HeaderName::from_static("x-seq-kill-inst"),
                HeaderValue::from_static("true"),
            );
        }
        Ok(())
    }

    fn needs_dialect(&self) -> bool {
        self.force
    }

    fn payload(&self, dialect: Dialect) -> Result<Inline, RequestError> {
        if self.force {
            dialect.require("delete sequence by force", Dialect::DELETES_BY_FORCE)?;
        }
        Ok(Inline::new())
    }
}
