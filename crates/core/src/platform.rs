//! The platform around the hubs: Managers, MultiManagers and the Middleware.
//!
//! No such server was at hand: what is sent here is what the TypeScript clients send, and replies are read as they declare them,
//! with little that must be there.

mod access_keys;
mod behind;
mod manager;
mod multi_manager;
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
