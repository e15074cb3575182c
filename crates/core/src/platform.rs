//! Operations on the platform around hubs: Managers, MultiManagers and the Middleware.
//!
//! Not tested against real servers. The requests are those of the TypeScript clients. The responses
//! follow the types that those clients declare; nearly all of their members are optional here.

mod access_keys;
mod manager;
mod multi_manager;
mod nested_endpoints;
mod store;

pub use access_keys::{
    AccessKey, AccessKeys, CreateAccessKey, ListAccessKeys, ListSpaces, RevokeAccessKey,
    RevokeAllAccessKeys, RevokedAccessKeys, SpaceInfo,
};
pub use manager::{
    DeleteHub, DisconnectHubs, Disconnected, DisconnectedHub, GetManagerConfig, HubInfo,
    ListAllSequences, ListHubs, ListManagerTopics, ManagerConfig, ManagerTopic,
};
pub use multi_manager::{
    GetMultiManagerInfo, ListManagers, ManagerInfo, MultiManagerInfo, StartManager,
};
pub use store::{ClearStore, DeleteStoreItem, ListStoreItems, PutStoreItem, StoreItem};
