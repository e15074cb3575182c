use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use crate::headers::octet_stream;
use crate::operation::{Inline, get};
use crate::{Discard, Extra, Json, Operation, Path, RequestError, StoreItemId, Streamed};

get! {
    /// `GET /s3`: returns the sequences in a Manager's store.
    ///
    /// Response: a list of [`StoreItem`] as JSON.
    pub struct ListStoreItems;
    NAME = "list store items";
    PATH = "s3";
    Decoder = Json<Vec<StoreItem>>;
}

/// A sequence in a Manager's store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoreItem {
    /// The id of the sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<StoreItemId>,
    /// The name of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// All other members.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `PUT /s3/:id` or, without an id, `PUT /s3`: uploads a package to a Manager's store.
///
/// Request: the package. Response: [`StoreItem`] as JSON.
#[derive(Clone, Copy, Debug)]
pub struct PutStoreItem<'a> {
    /// The id for the package. If it is `None`, the Manager assigns one.
    pub id: Option<&'a StoreItemId>,
}

impl Operation for PutStoreItem<'_> {
    const NAME: &'static str = "put store item";
    const METHOD: Method = Method::PUT;
    type Payload = Streamed;
    type Decoder = Json<StoreItem>;

    fn path(&self) -> Path {
        match self.id {
            Some(id) => Path::new("s3").value(StoreItemId::WHAT, id.as_str()),
            None => Path::new("s3"),
        }
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        octet_stream(headers);
        Ok(())
    }
}

/// `DELETE /s3/:id`: deletes a package from a Manager's store.
///
/// Response: ignored.
#[derive(Clone, Copy, Debug)]
pub struct DeleteStoreItem<'a> {
    /// The package.
    pub id: &'a StoreItemId,
}

impl Operation for DeleteStoreItem<'_> {
    const NAME: &'static str = "delete store item";
    const METHOD: Method = Method::DELETE;
    type Payload = Inline;
    type Decoder = Discard;

    fn path(&self) -> Path {
        Path::new("s3").value(StoreItemId::WHAT, self.id.as_str())
    }
}

/// `DELETE /store`: deletes all packages from a Manager's store.
///
/// Response: ignored.
#[derive(Clone, Copy, Debug)]
pub struct ClearStore;

impl Operation for ClearStore {
    const NAME: &'static str = "clear store";
    const METHOD: Method = Method::DELETE;
    type Payload = Inline;
    type Decoder = Discard;

    fn path(&self) -> Path {
        Path::new("store")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_round_trip, id};

    #[test]
    fn list_store_items_has_no_body() {
        assert_request(&ListStoreItems, "GET /s3");
    }

    #[test]
    fn put_store_item_streams_bytes() {
        assert_request(
            &PutStoreItem { id: None },
            "
            PUT /s3
            content-type: application/octet-stream

            <streamed>
            ",
        );
        assert_request(
            &PutStoreItem {
                id: Some(&id("ITEM")),
            },
            "
            PUT /s3/ITEM
            content-type: application/octet-stream

            <streamed>
            ",
        );
    }

    #[test]
    fn delete_store_item_has_a_content_type() {
        assert_request(
            &DeleteStoreItem { id: &id("ITEM") },
            "
            DELETE /s3/ITEM
            content-type: application/json
            ",
        );
    }

    #[test]
    fn clear_store_has_a_content_type() {
        assert_request(
            &ClearStore,
            "
            DELETE /store
            content-type: application/json
            ",
        );
    }

    #[test]
    fn store_item_keeps_unknown_members() {
        assert_round_trip::<StoreItem>(json!({
            "id": "s", "name": "n", "version": "1", "later": 1,
        }));
    }
}
