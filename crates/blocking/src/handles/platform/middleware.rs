use std::fmt;

#[cfg(doc)]
use scramjet_client_core::RequestError;
use scramjet_client_core::{
    AccessKeys, CreateAccessKey, HubVersion, ListAccessKeys, ListSpaces, ReadAudit,
    RevokeAccessKey, RevokeAllAccessKeys, RevokedAccessKeys, SpaceId, SpaceInfo,
};
use serde_json::Value;

use crate::body::byte_stream::ByteStream;
use crate::client::Client;
use crate::error::Error;
#[cfg(doc)]
use crate::handles::builder::HostClientBuilder;
use crate::handles::into_id::IntoId;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::platform::platform_client;

/// A handle to the Middleware, the entry point of the platform with its spaces and access keys.
///
/// Clones are cheap and share connections. The Middleware usually requires a bearer token, see
/// [`HostClientBuilder::bearer_token`].
///
/// ```no_run
/// use scramjet_client_blocking::platform::MiddlewareClient;
///
/// let platform = MiddlewareClient::builder("https://example.com/api/v1")
///     .bearer_token("secret")
///     .build_middleware()?;
/// let hub = platform.manager("my-space")?.host("my-hub")?;
/// println!("{}", hub.version()?.version);
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct MiddlewareClient {
    pub(crate) client: Client,
}

platform_client!(MiddlewareClient, "Middleware": audit_stream);

impl MiddlewareClient {
    /// Creates a client of the Manager of a space. Sends nothing.
    ///
    /// Its requests go through the Middleware.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id is empty, or contains a character that hubs do not
    /// accept in a path, such as `/` or a space.
    #[doc(alias = "getManagerClient")]
    pub fn manager(&self, space: impl IntoId<SpaceId>) -> Result<ManagerClient, Error> {
        let space = space.into_id()?;
        let manager = self
            .client
            .nested(|endpoint| endpoint.manager_of_space(&space))?;
        Ok(ManagerClient::with(manager))
    }

    /// Lists the spaces that the credentials give access to (`GET /spaces`).
    #[doc(alias = "getManagers")]
    #[inline]
    pub fn list_spaces(&self) -> Result<Vec<SpaceInfo>, Error> {
        self.client.call(&ListSpaces)
    }

    /// Lists the access keys of a space (`GET /space/:id/apikey`).
    ///
    /// The response describes the keys, but does not contain them.
    #[doc(alias = "listAccessKeys")]
    pub fn list_access_keys(&self, space: impl IntoId<SpaceId>) -> Result<AccessKeys, Error> {
        let space = space.into_id()?;
        self.client.call(&ListAccessKeys { space: &space })
    }

    /// Creates an access key for a space (`POST /space/:id/apikey`).
    ///
    /// Returns the response unchanged. It contains the key, which is a secret.
    #[doc(alias = "createAccessKey")]
    pub fn create_access_key(
        &self,
        space: impl IntoId<SpaceId>,
        description: Option<&str>,
    ) -> Result<Value, Error> {
        let space = space.into_id()?;
        self.client.call(&CreateAccessKey {
            space: &space,
            description,
        })
    }

    /// Revokes one access key of a space (`DELETE /space/:id/apikey`, with the key in a header).
    #[doc(alias = "revokeAccessKey")]
    pub fn revoke_access_key(&self, space: impl IntoId<SpaceId>, key: &str) -> Result<(), Error> {
        let space = space.into_id()?;
        self.client.call(&RevokeAccessKey { space: &space, key })
    }

    /// Revokes all access keys of a space (`DELETE /space/:id/apikey`).
    #[doc(alias = "revokeAllAccessKeys")]
    pub fn revoke_all_access_keys(
        &self,
        space: impl IntoId<SpaceId>,
    ) -> Result<RevokedAccessKeys, Error> {
        let space = space.into_id()?;
        self.client.call(&RevokeAllAccessKeys { space: &space })
    }
}
