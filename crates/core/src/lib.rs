#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod decode;
mod dialect;
mod endpoint;
mod error;
mod headers;
mod hub;
mod ids;
mod instances;
mod operation;
mod path;
mod reply;
mod sequences;

pub use decode::{Chunks, Decode, Discard, Json, Receipt, Single, Step};
pub use dialect::{Dialect, Version};
pub use endpoint::Endpoint;
pub use error::{ApiError, ErrorCode, ReplyError, RequestError};
pub use hub::{GetVersion, HubVersion};
pub use ids::{EventName, InstanceId, SequenceId};
pub use instances::{
    Acknowledged, ContentType, Event, EventBody, GetInstance, GetInstanceHealth, InstanceHealth, InstanceInfo, InstanceStatus,
    KillInstance, KillOptions, LastEvent, ListInstances, NextEvent, OutputStream, ReadStream, SendInput, SendStdin, SequenceOf,
    StopInstance, StopOptions, Terminated, Timestamp,
};
pub use operation::{Operation, Streamed};
pub use path::Path;
pub use reply::Reply;
pub use sequences::{
    DeleteSequence, GetSequence, Limits, ListSequenceInstances, ListSequences, OverwriteSequence, SendSequence, SentSequence,
    SequenceConfig, SequenceInfo, StartOptions, StartSequence, Started,
};

pub use http;

/// The members of a JSON object that this library does not know: kept, and written back.
pub type Extra = serde_json::Map<alloc::string::String, serde_json::Value>;
