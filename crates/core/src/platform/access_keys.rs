use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::headers;
use crate::operation::{Inline, inline_json};
use crate::{Dialect, Discard, Extra, Json, Operation, Path, RequestError, SpaceId, Timestamp};

/// `GET /spaces`: the spaces that the credentials give access to.
#[derive(Clone, Copy, Debug)]
pub struct ListSpaces;

impl Operation for ListSpaces {
    const NAME: &'static str = "list spaces";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<Vec<SpaceInfo>>;

    fn path(&self) -> Path {
        Path::new("spaces")
    }
}

/// A space, as the Middleware names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SpaceInfo {
    /// Its id.
    pub id: SpaceId,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

fn keys_of(space: &SpaceId) -> Path {
    Path::new("space")
        .value(SpaceId::WHAT, space.as_str())
        .literal("apikey")
}

/// `GET /space/:id/apikey`: the access keys of a space. Not the keys themselves, only what is said about them.
#[derive(Clone, Copy, Debug)]
pub struct ListAccessKeys<'a> {
    /// The space.
    pub space: &'a SpaceId,
}

impl Operation for ListAccessKeys<'_> {
    const NAME: &'static str = "list access keys";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<AccessKeys>;

    fn path(&self) -> Path {
        keys_of(self.space)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers::json(headers);
        Ok(())
    }
}

/// The access keys of a space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AccessKeys {
    /// One entry for each key.
    #[serde(default)]
    pub access_keys: Vec<AccessKey>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What is said about an access key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessKey {
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// What its creator said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `POST /space/:id/apikey`: creates an access key. The reply holds the key, in a form that is not declared.
#[derive(Clone, Copy, Debug)]
pub struct CreateAccessKey<'a> {
    /// The space.
    pub space: &'a SpaceId,
    /// What is said about the key; white space around it is left out.
    pub description: Option<&'a str>,
}

impl Operation for CreateAccessKey<'_> {
    const NAME: &'static str = "create access key";
    const METHOD: Method = Method::POST;
    type Payload = Inline;
    type Decoder = Json<Value>;

    fn path(&self) -> Path {
        keys_of(self.space)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers::json(headers);
        Ok(())
    }

    fn payload(&self, _: Dialect) -> Result<Inline, RequestError> {
        let body = match self.description.map(str::trim) {
            Some(description) => json!({ "description": description }),
            None => json!({}),
        };
        inline_json("description", &body)
    }
}

/// `DELETE /space/:id/apikey`: revokes an access key.
#[derive(Clone, Copy)]
pub struct RevokeAccessKey<'a> {
    /// The space.
    pub space: &'a SpaceId,
    /// The key. A secret: it is not shown in `Debug` output.
    pub key: &'a str,
}

impl core::fmt::Debug for RevokeAccessKey<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RevokeAccessKey")
            .field("space", self.space)
            .finish_non_exhaustive()
    }
}

impl Operation for RevokeAccessKey<'_> {
    const NAME: &'static str = "revoke access key";
    const METHOD: Method = Method::DELETE;
    type Payload = Inline;
    type Decoder = Discard;

    fn path(&self) -> Path {
        keys_of(self.space)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers::json(headers);
        let problem = || {
            RequestError::header(
                "x-revoke",
                "the key is empty, or contains a character that HTTP does not allow",
            )
        };
        let mut key = HeaderValue::from_str(self.key)
            .ok()
            .filter(|key| !key.is_empty())
            .ok_or_else(problem)?;
        let name = HeaderName::from_static("x-revoke");
        headers::check_value(&name, &key)?;
        key.set_sensitive(true);
        headers.insert(name, key);
        Ok(())
    }
}

/// `DELETE /space/:id/apikey`: revokes all access keys of a space. The reply says how many.
#[derive(Clone, Copy, Debug)]
pub struct RevokeAllAccessKeys<'a> {
    /// The space.
    pub space: &'a SpaceId,
}

impl Operation for RevokeAllAccessKeys<'_> {
    const NAME: &'static str = "revoke all access keys";
    const METHOD: Method = Method::DELETE;
    type Payload = Inline;
    type Decoder = Json<RevokedAccessKeys>;

    fn path(&self) -> Path {
        keys_of(self.space)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers::json(headers);
        headers.insert(
            HeaderName::from_static("x-revoke-all"),
            HeaderValue::from_static("true"),
        );
        Ok(())
    }
}

/// What was revoked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RevokedAccessKeys {
    /// How many keys.
    #[serde(default)]
    pub keys_revoked: u64,
    /// All further members, for example `message`.
    #[serde(flatten)]
    pub extra: Extra,
}
