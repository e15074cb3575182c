#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod adapter;
mod body_length;
mod content_type;
mod decode;
mod dialect;
mod endpoint;
mod error;
mod escape;
pub mod flow;
mod headers;
mod http_date;
mod hub;
mod ids;
mod instances;
mod json;
mod known_text;
mod ndjson;
mod operation;
mod path;
mod platform;
mod reply;
mod retry;
mod sequences;
#[cfg(test)]
mod test_kit;
mod timestamp;
mod topics;

pub use body_length::BodyLength;
pub use decode::{
    Chunks, Decode, Discard, Json, JsonLines, Lines, Receipt, SingleItem, Step, TextLines,
};
pub use dialect::ParseVersionError;
pub use endpoint::Endpoint;
pub use error::{ApiError, ErrorCode, ReplyError, RequestError};
pub use escape::Escaped;
pub use http_date::HttpDate;
pub use hub::*;
pub use instances::*;
pub use ndjson::{NdjsonGuard, NullLine};
pub use operation::{Operation, RequestPayload, Streamed, operation_names};
pub use path::Path;
pub use platform::*;
#[doc(no_inline)]
pub use platform_types::*;
pub use reply::Reply;
pub use sequences::*;
pub use topics::*;
#[doc(no_inline)]
pub use types::*;

pub use {http, serde_json};

/// Values that requests take and responses contain. The crate root exports them too.
pub mod types {
    pub use crate::adapter::Adapter;
    pub use crate::content_type::ContentType;
    pub use crate::dialect::{Dialect, Version};
    pub use crate::hub::types::*;
    pub use crate::ids::{EventName, InstanceId, SequenceId, TopicName};
    pub use crate::instances::types::*;
    pub use crate::retry::RetryPolicy;
    pub use crate::sequences::types::*;
    pub use crate::timestamp::Timestamp;
    pub use crate::topics::types::*;

    /// The members of a JSON object that this library does not know. They are kept and written
    /// back.
    pub type Extra = serde_json::Map<alloc::string::String, serde_json::Value>;
}

/// Values in requests to the platform around hubs and in its responses. The crate root exports them
/// too.
pub mod platform_types {
    pub use crate::ids::{HubId, ManagerId, SpaceId, StoreItemId};
    pub use crate::platform::types::*;
}
