use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::headers;
use crate::operation::{Inline, get, inline_json};
use crate::{Dialect, Discard, Extra, Json, Operation, Path, RequestError, SpaceId, Timestamp};

get! {
    /// `GET /spaces`: returns the spaces that the credentials give access to.
    ///
    /// Response: a list of [`SpaceInfo`] as JSON.
    pub struct ListSpaces;
    NAME = "list spaces";
    PATH = "spaces";
    Decoder = Json<Vec<SpaceInfo>>;
}

/// The Middleware's description of a space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SpaceInfo {
    /// The id of the space.
    pub id: SpaceId,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The path of the access keys of a space: `space/:id/apikey`.
fn keys_path(space: &SpaceId) -> Path {
    Path::new("space")
        .value(SpaceId::WHAT, space.as_str())
        .literal("apikey")
}

/// `GET /space/:id/apikey`: returns the descriptions of a space's access keys, without the keys
/// themselves.
///
/// Response: [`AccessKeys`] as JSON.
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
        keys_path(self.space)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        // The TypeScript client sends the content type for this `GET` too.
        headers::json(headers);
        Ok(())
    }
}

/// The access keys of a space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AccessKeys {
    /// One entry per key.
    #[serde(default)]
    pub access_keys: Vec<AccessKey>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The description of an access key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessKey {
    /// The time of its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// The text that its creator gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `POST /space/:id/apikey`: creates an access key.
///
/// Request: the description as JSON. Response: JSON that contains the key; its form is not
/// declared.
#[derive(Clone, Copy, Debug)]
pub struct CreateAccessKey<'a> {
    /// The space.
    pub space: &'a SpaceId,
    /// The description of the key. White space around it is removed.
    pub description: Option<&'a str>,
}

impl Operation for CreateAccessKey<'_> {
    const NAME: &'static str = "create access key";
    const METHOD: Method = Method::POST;
    type Payload = Inline;
    type Decoder = Json<Value>;

    fn path(&self) -> Path {
        keys_path(self.space)
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
///
/// Request: the key in the header `x-revoke`. Response: ignored.
#[derive(Clone, Copy)]
pub struct RevokeAccessKey<'a> {
    /// The space.
    pub space: &'a SpaceId,
    /// The key. `Debug` output does not show it.
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
        keys_path(self.space)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
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

/// `DELETE /space/:id/apikey`: revokes all access keys of a space.
///
/// Request: the header `x-revoke-all: true`. Response: [`RevokedAccessKeys`] as JSON.
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
        keys_path(self.space)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers.insert(
            HeaderName::from_static("x-revoke-all"),
            HeaderValue::from_static("true"),
        );
        Ok(())
    }
}

/// The response to the revocation of all access keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RevokedAccessKeys {
    /// The number of revoked keys.
    #[serde(default)]
    pub keys_revoked: u64,
    /// All other members, for example `message`.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{
        assert_request, assert_request_to, assert_round_trip, hub_with_token, id,
    };

    #[test]
    fn list_spaces_has_no_body() {
        assert_request(&ListSpaces, "GET /spaces");
    }

    #[test]
    fn list_access_keys_has_a_content_type() {
        assert_request_to(
            &hub_with_token(),
            &ListAccessKeys { space: &id("SP") },
            "
            GET /space/SP/apikey
            authorization: Sensitive
            content-type: application/json
            ",
        );
    }

    #[test]
    fn create_access_key_trims_the_description() {
        let (space, description) = (&id("SP"), Some(" desc "));
        assert_request_to(
            &hub_with_token(),
            &CreateAccessKey { space, description },
            r#"
            POST /space/SP/apikey
            authorization: Sensitive
            content-type: application/json

            {"description":"desc"}
            "#,
        );
        let description = None;
        assert_request_to(
            &hub_with_token(),
            &CreateAccessKey { space, description },
            "
            POST /space/SP/apikey
            authorization: Sensitive
            content-type: application/json

            {}
            ",
        );
    }

    #[test]
    fn revoke_access_key_sends_the_key_as_a_sensitive_header() {
        let (space, key) = (&id("SP"), "KEY");
        assert_request_to(
            &hub_with_token(),
            &RevokeAccessKey { space, key },
            "
            DELETE /space/SP/apikey
            authorization: Sensitive
            content-type: application/json
            x-revoke: Sensitive
            ",
        );
    }

    #[test]
    fn revoke_all_access_keys_has_a_header() {
        assert_request_to(
            &hub_with_token(),
            &RevokeAllAccessKeys { space: &id("SP") },
            "
            DELETE /space/SP/apikey
            authorization: Sensitive
            content-type: application/json
            x-revoke-all: true
            ",
        );
    }

    #[test]
    fn types_of_the_middleware_keep_unknown_members() {
        assert_round_trip::<SpaceInfo>(json!({ "id": "s", "later": 1 }));
        let key = json!({
            "created": "2026-11-23T19:31:57.434Z", "description": "d", "later": 1,
        });
        assert_round_trip::<AccessKeys>(json!({ "accessKeys": [key], "later": 1 }));
        assert_round_trip::<RevokedAccessKeys>(json!({ "keysRevoked": 2, "later": 1 }));
    }
}
