use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use crate::headers::{json, octet_stream};
use crate::operation::Inline;
use crate::{Discard, Extra, Json, Operation, Path, RequestError, StoreItemId, Streamed};

/// `GET /s3`: the sequences in a Manager's store.
#[derive(Clone, Copy, Debug)]
pub struct ListStoreItems;

impl Operation for ListStoreItems {
    const NAME: &'static str = "list store items";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<Vec<StoreItem>>;

    fn path(&self) -> Path {
        Path::new("s3")
    }
}

/// A sequence in a Manager's store, by its configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoreItem {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<StoreItemId>,
    /// Its package's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its package's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// All further members.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `PUT /s3/:id`, or `PUT /s3` for one without an id: puts a package into a Manager's store.
#[derive(Clone, Copy, Debug)]
pub struct PutStoreItem<'a> {
    /// The id that it is to have; the Manager gives it one where none is said.
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

/// `DELETE /s3/:id`: removes a package from a Manager's store.
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

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        json(headers);
        Ok(())
    }
}

/// `DELETE /store`: removes all packages from a Manager's store.
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

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        json(headers);
        Ok(())
    }
}
