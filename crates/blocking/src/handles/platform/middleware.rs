use scramjet_client_core::{
    AccessKeys, CreateAccessKey, HubVersion, ListAccessKeys, ListSpaces, ReadAudit, RequestError,
    RevokeAccessKey, RevokeAllAccessKeys, RevokedAccessKeys, SpaceId, SpaceInfo,
};
use serde_json::Value;

use crate::body::byte_stream::ByteStream;
use crate::client::Client;
use crate::error::Error;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::platform::platform_client;

/// The Middleware: the way into the platform, with its spaces and access keys. Usually with a bearer token, see
/// [`HostClientBuilder::bearer_token`](crate::HostClientBuilder::bearer_token).
///
/// ```no_run
/// use scramjet_client_blocking::platform::MiddlewareClient;
///
/// let platform = MiddlewareClient::builder("https://example.com/api/v1").bearer_token("secret").build_middleware()?;
/// let hub = platform.manager("my-space")?.host("my-hub")?;
/// println!("{}", hub.version()?.version);
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct MiddlewareClient {
    pub(crate) client: Client,
}

platform_client!(MiddlewareClient);

impl MiddlewareClient {
    /// The Manager of a space, through this Middleware. Asks nothing.
    ///
    /// # Errors
    /// The id is empty, or cannot stand in a path.
    #[doc(alias = "getManagerClient")]
    pub fn manager<I>(&self, space: I) -> Result<ManagerClient, Error>
    where
        I: TryInto<SpaceId>,
        RequestError: From<I::Error>,
    {
        let space = space.try_into().map_err(RequestError::from)?;
        Ok(ManagerClient::with(self.client.nested(|middleware| {
            middleware.manager_of_space(&space)
        })?))
    }

    /// `GET /spaces`: the spaces that the credentials give access to.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getManagers")]
    #[inline]
    pub fn list_spaces(&self) -> Result<Vec<SpaceInfo>, Error> {
        self.client.call(&ListSpaces)
    }

    /// `GET /version`: which version it has.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getVersion")]
    pub fn version(&self) -> Result<HubVersion, Error> {
        self.client.version()
    }

    /// `GET /audit`: what is done on the platform and by whom, in JSON lines. Never ends.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getAuditStream")]
    #[inline]
    pub fn audit_stream(&self) -> Result<ByteStream, Error> {
        self.client.open(&ReadAudit)
    }

    /// `GET /space/:id/apikey`: what is known of the access keys of a space; not the keys.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "listAccessKeys")]
    pub fn list_access_keys<I>(&self, space: I) -> Result<AccessKeys, Error>
    where
        I: TryInto<SpaceId>,
        RequestError: From<I::Error>,
    {
        let space = space.try_into().map_err(RequestError::from)?;
        self.client.call(&ListAccessKeys { space: &space })
    }

    /// `POST /space/:id/apikey`: creates an access key. The reply, which holds the key (a secret), is as the Middleware sends it.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "createAccessKey")]
    pub fn create_access_key<I>(&self, space: I, description: Option<&str>) -> Result<Value, Error>
    where
        I: TryInto<SpaceId>,
        RequestError: From<I::Error>,
    {
        let space = space.try_into().map_err(RequestError::from)?;
        self.client.call(&CreateAccessKey {
            space: &space,
            description,
        })
    }

    /// `DELETE /space/:id/apikey`: revokes one access key.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "revokeAccessKey")]
    pub fn revoke_access_key<I>(&self, space: I, key: &str) -> Result<(), Error>
    where
        I: TryInto<SpaceId>,
        RequestError: From<I::Error>,
    {
        let space = space.try_into().map_err(RequestError::from)?;
        self.client.call(&RevokeAccessKey { space: &space, key })
    }

    /// `DELETE /space/:id/apikey`: revokes all access keys of a space.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "revokeAllAccessKeys")]
    pub fn revoke_all_access_keys<I>(&self, space: I) -> Result<RevokedAccessKeys, Error>
    where
        I: TryInto<SpaceId>,
        RequestError: From<I::Error>,
    {
        let space = space.try_into().map_err(RequestError::from)?;
        self.client.call(&RevokeAllAccessKeys { space: &space })
    }
}
