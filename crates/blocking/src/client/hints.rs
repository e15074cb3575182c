//! Likely reasons for a `404`, for the end of the error message.

use scramjet_client_core::{ApiError, GetVersion, Operation};

use super::Client;
use crate::error::{Error, ErrorKind};

/// The path of a hub's API.
const API_PATH: &str = "/api/v1";

const BASE_PATH_HINT: &str = "is the base path (/api/v1) missing?";

const NAME_HINT: &str =
    "hubs look up sequences by id; to look one up by name, use HostClient::sequence_named";

impl Client {
    /// Returns a likely reason for the error, if it is a `404`.
    pub(super) fn hint(&self, error: &Error) -> Option<&'static str> {
        let ErrorKind::Reply(reply) = error.kind() else {
            return None;
        };
        let refusal = reply.api().filter(|refusal| refusal.is_not_found())?;
        if self.may_lack_base_path(error, refusal) {
            return Some(BASE_PATH_HINT);
        }
        let names_a_sequence = error
            .url()
            .and_then(sequence_id)
            .is_some_and(|id| !is_uuid(id));
        (refusal.is_from_hub() && names_a_sequence).then_some(NAME_HINT)
    }

    /// Returns `true` if the base URL may lack the path of the API, so that no route is found.
    fn may_lack_base_path(&self, error: &Error, refusal: &ApiError) -> bool {
        let (_, address) = self.base_url().split_once("://").unwrap_or_default();
        let path = address.find('/').and_then(|at| address.get(at..));
        let is_suspect = match path {
            None => true,
            Some(path) => error.operation() == Some(GetVersion::NAME) && !path.ends_with(API_PATH),
        };
        // The base URL is right if the hub has responded with its version before, or if it knows
        // the route and names what it did not find.
        let has_sent_version = self.endpoint.has_hub_version();
        let knows_route = refusal.is_from_hub() && !refusal.body.trim_ascii().is_empty();
        is_suspect && !has_sent_version && !knows_route
    }
}

/// Returns the id of the sequence in a URL, if the URL has one.
fn sequence_id(url: &str) -> Option<&str> {
    let (_, rest) = url.rsplit_once("/sequence/")?;
    rest.split(['/', '?']).next()
}

/// Returns `true` for a UUID. Hubs assign UUIDs as ids of sequences.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    let is_hex = |c: char| c == '-' || c.is_ascii_hexdigit();
    text.chars().all(is_hex) && lengths.eq([8, 4, 4, 4, 12])
}
