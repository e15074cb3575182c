use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::sequence_path;
use crate::operation::Inline;
use crate::{Dialect, Discard, Operation, Path, RequestError, SequenceId};

/// `DELETE /sequence/:id`: deletes a sequence.
///
/// Response: ignored; 409 if the sequence has instances. On 1.x, these include instances that ended
/// less than 15 seconds ago. With `force`, the hub kills the instances first, and responds after
/// about 16 seconds.
#[derive(Clone, Copy, Debug)]
pub struct DeleteSequence<'a> {
    /// The sequence.
    pub id: &'a SequenceId,
    /// If `true`, the hub kills the instances of the sequence. Since hub 0.34.4.
    pub force: bool,
}

impl Operation for DeleteSequence<'_> {
    const NAME: &'static str = "delete sequence";
    const METHOD: Method = Method::DELETE;
    type Payload = Inline;
    type Decoder = Discard;

    fn path(&self) -> Path {
        sequence_path(self.id)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        if self.force {
            // The hub checks only the presence of the header; `false` would force as well.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, assert_request_to, hub_of, id};

    #[test]
    fn delete_sequence_has_a_content_type() {
        let id = &id("s");
        let expected = "
            DELETE /sequence/s
            content-type: application/json
            ";
        let delete = DeleteSequence { id, force: false };
        assert_request(&delete, expected);
        assert_request_to(&hub_of("0.18.7"), &delete, expected);
    }

    #[test]
    fn delete_sequence_forces_with_a_header() {
        let id = &id("s");
        assert_request(
            &DeleteSequence { id, force: true },
            "
            DELETE /sequence/s
            content-type: application/json
            x-seq-kill-inst: true
            ",
        );
    }
}
