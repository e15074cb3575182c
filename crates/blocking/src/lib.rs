//! A blocking client for [Scramjet Transform Hub](https://github.com/scramjetorg/transform-hub).
//!
//! A hub runs *sequences* (packaged programs, uploaded as `.tar.gz`) as *instances* (processes), and gives access to their
//! streams, events and logs over HTTP. [`HostClient`] is the hub, [`SequenceClient`] an uploaded package, [`InstanceClient`] a
//! process of it; all are cheap handles that share connections and may be used from any number of threads.
//!
//! ```no_run
//! use std::io::Read;
//! use scramjet_client_blocking::{HostClient, StartOptions, Upload};
//!
//! let host = HostClient::new("http://localhost:8000/api/v1")?;
//! let sequence = host.send_sequence(Upload::path("package.tar.gz"))?;
//! let instance = sequence.start(&StartOptions::new().arg("Berlin"))?;
//! instance.send_input("some text\n")?;
//! let mut output = String::new();
//! instance.output()?.read_to_string(&mut output)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Waiting
//!
//! Every call blocks until the hub has answered in full. Some wait for long by nature: [`SequenceClient::start`] until the
//! process is up, [`InstanceClient::stop`] for as long as its timeout, [`InstanceClient::next_event`] and reads of a
//! [`ByteStream`] for ever. There is no time limit but for connecting (10 seconds, see [`HostClientBuilder::connect_timeout`]).
//!
//! # Errors
//!
//! All calls fail with an [`Error`]: what was being done, to which address, and what happened. A refusal of the hub is an
//! [`ApiError`] with its status, [`ErrorCode`] and words, see [`Error::api`]. What cannot be sent is refused before anything is.
//!
//! # Hub versions
//!
//! Hubs from 0.18 to 1.x differ on the wire, and this crate speaks to each in its way. It asks a hub for its version when the
//! first operation depends on it, once for a client and all handles made from it, unless it was told with
//! [`HostClientBuilder::hub_version`]. An operation that the hub is too old for fails without being sent, with
//! [`Error::is_unsupported`].
//!
//! # Features
//!
//! - `rustls` (default): `https://` addresses, with rustls and the Mozilla root certificates.
//!
//! # The platform
//!
//! [`ManagerClient`] is a Manager of hubs, [`MultiManagerClient`] a server of Managers, [`MiddlewareClient`] the way into the
//! platform. Each gives the clients of what is behind it, which share its connections, headers and credentials:
//! `middleware.manager("space")?.host("hub")?` is a [`HostClient`] like any other.
//!
//! # Coming from TypeScript
//!
//! [`coming_from_api_client`] has a table of all methods.
//!
//! # Beyond what is here
//!
//! Operations are values that implement [`Operation`]; one that is missing is a dozen lines of yours, for [`HostClient::call`],
//! [`HostClient::send`] or [`HostClient::open`]. What carries them is a [`Transport`], which can be replaced.

#[doc = include_str!("coming_from_api_client.md")]
pub mod coming_from_api_client {}

mod about;
mod builder;
mod client;
mod error;
mod events;
mod force;
mod host;
mod input;
mod instance;
mod manager;
mod middleware;
mod multi_manager;
mod platform;
mod sequence;
mod stream;
mod topics;
mod transport;
mod upload;

pub use builder::HostClientBuilder;
pub use error::{Error, ErrorKind};
pub use events::EventStream;
pub use host::HostClient;
pub use input::Input;
pub use instance::{InstanceClient, Sent};
pub use manager::ManagerClient;
pub use middleware::MiddlewareClient;
pub use multi_manager::MultiManagerClient;
pub use sequence::SequenceClient;
pub use stream::ByteStream;
pub use transport::{BoxError, Outgoing, Phase, Reason, Transport, TransportError, UreqConfig, UreqTransport};
pub use upload::Upload;

pub use scramjet_client_core as core;
pub use scramjet_client_core::{
    AccessKey, AccessKeys, Acknowledged, Adapter, ApiError, ConfiguredHost, ContentType, CreatedTopic, Dialect, DisconnectHubs,
    Disconnected, DisconnectedHub, Disk, Entities, ErrorCode, Event, EventName, Extra, HubConfig, HubId, HubInfo, HubStatus, HubVersion,
    InstanceHealth, InstanceId, InstanceInfo, InstanceStatus, KillOptions, Limits, LoadCheck, ManagerConfig, ManagerId, ManagerInfo,
    ManagerLink, ManagerTopic, MultiManagerInfo, Operation, OutputStream, ReplyError, RequestError, RevokedAccessKeys, RunnerExit,
    SequenceConfig, SequenceId, SequenceInfo, SequenceOf, SpaceId, SpaceInfo, StartOptions, Started, StopOptions, StoreItem, StoreItemId,
    Terminated, Timestamp, TopicInfo, TopicName, Version, http,
};

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
