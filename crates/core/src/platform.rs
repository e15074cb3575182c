//! Operations on the platform around hubs: Managers, MultiManagers and the Middleware.
//!
//! Not tested against real servers. The requests are those of the TypeScript clients. The responses
//! follow the types that those clients declare; nearly all of their members are optional here.

mod access_keys;
mod manager;
mod multi_manager;
mod nested_endpoints;
mod store;

crate::operation::operations! {
    pub use access_keys::CreateAccessKey;
    pub use access_keys::ListAccessKeys;
    pub use access_keys::ListSpaces;
    pub use access_keys::RevokeAccessKey;
    pub use access_keys::RevokeAllAccessKeys;
    pub use manager::DeleteHub;
    pub use manager::DisconnectHubs;
    pub use manager::GetManagerConfig;
    pub use manager::ListAllSequences;
    pub use manager::ListHubs;
    pub use manager::ListManagerTopics;
    pub use multi_manager::GetMultiManagerInfo;
    pub use multi_manager::ListManagers;
    pub use multi_manager::StartManager;
    pub use store::ClearStore;
    pub use store::DeleteStoreItem;
    pub use store::ListStoreItems;
    pub use store::PutStoreItem;
}

/// Exported by [`crate::platform_types`].
pub(crate) mod types {
    pub use super::access_keys::{AccessKey, AccessKeys, RevokedAccessKeys, SpaceInfo};
    pub use super::manager::{Disconnected, DisconnectedHub, HubInfo, ManagerConfig, ManagerTopic};
    pub use super::multi_manager::{ManagerInfo, MultiManagerInfo};
    pub use super::store::StoreItem;
}
