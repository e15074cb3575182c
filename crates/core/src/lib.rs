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
mod timestamp;
mod topics;

pub use adapter::Adapter;
pub use body_length::BodyLength;
pub use content_type::ContentType;
pub use decode::{
    Chunks, Decode, Discard, Json, JsonLines, Lines, Receipt, SingleItem, Step, TextLines,
};
pub use dialect::{Dialect, ParseVersionError, Version};
pub use endpoint::Endpoint;
pub use error::{ApiError, ErrorCode, ReplyError, RequestError};
pub use escape::Escaped;
pub use http_date::HttpDate;
pub use hub::*;
pub use ids::{
    EventName, HubId, InstanceId, ManagerId, SequenceId, SpaceId, StoreItemId, TopicName,
};
pub use instances::*;
pub use ndjson::{NdjsonGuard, NullLine};
pub use operation::{Operation, RequestPayload, Streamed};
pub use path::Path;
pub use platform::*;
pub use reply::Reply;
pub use retry::RetryPolicy;
pub use sequences::*;
pub use timestamp::Timestamp;
pub use topics::*;

pub use {http, serde_json};

/// The members of a JSON object that this library does not know. They are kept and written back.
pub type Extra = serde_json::Map<alloc::string::String, serde_json::Value>;
