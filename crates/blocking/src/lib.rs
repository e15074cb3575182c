#![doc = include_str!("../README.md")]

mod builder;
mod client;
mod error;
mod force;
mod host;
mod input;
mod instance;
mod sequence;
mod stream;
mod transport;
mod upload;

pub use builder::HostClientBuilder;
pub use error::{Error, ErrorKind};
pub use host::HostClient;
pub use input::Input;
pub use instance::{InstanceClient, Sent};
pub use sequence::SequenceClient;
pub use stream::ByteStream;
pub use transport::{BoxError, Outgoing, Phase, Reason, Transport, TransportError, UreqTransport};
pub use upload::Upload;

pub use scramjet_client_core as core;
pub use scramjet_client_core::{
    Acknowledged, ApiError, ContentType, Dialect, ErrorCode, Event, EventName, HubVersion, InstanceHealth, InstanceId, InstanceInfo,
    InstanceStatus, KillOptions, Limits, Operation, OutputStream, ReplyError, RequestError, SequenceConfig, SequenceId, SequenceInfo,
    SequenceOf, StartOptions, Started, StopOptions, Terminated, Timestamp, Version, http,
};
