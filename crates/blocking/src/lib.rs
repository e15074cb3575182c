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
//! The [`guide`] leads from nothing to a running sequence in five minutes, and through errors, limits, hubs and transports.
//!
//! # Limits
//!
//! Every call blocks until the hub has answered in full, and nothing has a time limit unless it is asked for, but connecting (10 seconds). Every
//! handle takes a deadline, an idle timeout and a cancel token ([`HostClient::with_deadline`], [`with_idle_timeout`](HostClient::with_idle_timeout),
//! [`with_cancel`](HostClient::with_cancel)), and hands them on to the handles made from it. See [`guide::limits`].
//!
//! # Streams
//!
//! What an instance writes is a [`ByteStream`], which is a [`Read`](std::io::Read), and an iterator of [`lines`](ByteStream::lines) or
//! [values](ByteStream::json_lines). What goes into it comes from memory, a file or any reader at once
//! ([`InstanceClient::send_input`]), bit by bit ([`InstanceClient::input_writer`], a [`Write`](std::io::Write)), or while the output is read
//! ([`InstanceClient::transform`]). [`InstanceClient::follow_log`] and its like go on over a lost connection, and tell of the gap.
//! [`HostClient::follow_logs`] makes one log of those of many instances.
//!
//! Not every stream keeps bytes that are not UTF-8; where it does not, they become U+FFFD. [`Dialect::supports_binary_data`] tells of a hub
//! whether the others in this table do:
//!
//! | stream | hubs of 0.18 | 1.0.1 |
//! |---|---|---|
//! | input | damaged | kept, but for the first piece |
//! | stdin, inout | damaged | damaged |
//! | stdout, output | damaged | kept |
//! | stderr | damaged | not known |
//! | topics | damaged | kept |
//!
//! # Patterns
//!
//! What is usually done around a sequence is a call, which leaves nothing behind and does not wait for what cannot come:
//! [`InstanceClient::wait_any`], [`SequenceClient::start_and_wait`], [`SequenceClient::start_with_retry`], [`SequenceClient::run`],
//! [`InstancePool`], [`InstancePool::map`], [`InstanceClient::json_channel`], [`HostClient::deploy`].
//! [`patterns`] shows each beside what it takes the place of.
//!
//! # Errors
//!
//! All calls fail with an [`Error`]: what was being done, to which address, and what happened. A refusal of the hub is an
//! [`ApiError`] with its status, [`ErrorCode`] and words, see [`Error::api`]. What cannot be sent is refused before anything is. What was
//! surely not sent because of its connection, or may be sent twice, is sent again: [`HostClientBuilder::retry`]. An [`Observer`] is
//! told of every request. See [`guide::errors`].
//!
//! # Hub versions
//!
//! Hubs from 0.18 to 1.x differ on the wire, and this crate speaks to each in its way. It asks a hub for its version when the
//! first operation depends on it, unless it was told with [`HostClientBuilder::hub_version`]. An operation that the hub is too old for fails
//! without being sent, with [`Error::is_unsupported`]. See [`guide::hubs`].
//!
//! # Features
//!
//! - `rustls` (default, with `ureq`): `https://` addresses, with rustls and the root certificates of Mozilla.
//! - `native-tls` (with `ureq`): the same with what the operating system encrypts with and trusts.
//! - `ureq`: the default transport. Without it, a client is given a [`Transport`] of yours.
//! - `pack`: `Package`, which packs a sequence folder and checks it before anything is sent; `HostClient::deploy_if_changed`, which sends
//!   only what is not there yet; and the module `build` for build scripts. Compiles 12 crates more.
//!
//! What a build pays for each is in [`guide::costs`].
//!
//! The crate [`scramjet-client-testing`](https://docs.rs/scramjet-client-testing) has transports for
//! tests without a hub, and a test suite for transports.
//!
//! # Packing and deploying
//!
//! With the feature `pack`, a sequence needs no archive of yours, and is sent only where it has changed:
//!
//! ```no_run
//! # #[cfg(feature = "pack")] {
//! use scramjet_client_blocking::{HostClient, DeployKey, Package};
//!
//! let host = HostClient::new("http://localhost:8000/api/v1")?;
//! let package = Package::from_dir("sequence")?;
//! let deployed = host.deploy_if_changed(&package, &DeployKey::new("shout", "target/deployed.json"))?;
//! println!("{:?}: {}", deployed.change, deployed.sequence.id());
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same content gives the same package on every machine (but on Windows, where nothing is executable); `.siignore` files leave out what they would as `.gitignore` files. A build
//! script does it in a line, see the module `build` and the example `build_script`. How far an upload or a download is, tell
//! [`Upload::progress`] and [`ByteStream::progress`].
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

// What a build leaves out is told of in the docs of all the same.
#![cfg_attr(not(feature = "ureq"), allow(rustdoc::broken_intra_doc_links))]

mod body;
mod call;
mod client;
mod config;
mod docs;
mod error;
mod handles;
mod limits;
#[cfg(feature = "pack")]
mod pack;
#[doc = include_str!("docs/patterns.md")]
pub mod patterns;
mod streams;
mod support;
pub mod transport;

pub use body::byte_stream::ByteStream;
pub use body::input::{Input, InputStream, Sent};
pub use body::items::{EventStream, Items};
pub use body::progress::Progress;
pub use body::upload::Upload;
pub use call::observer::{Observer, RequestEvent, RequestInfo};
pub use config::{ConfigError, SiProfile};
pub use docs::{coming_from_api_client, guide};
pub use error::{Error, ErrorKind};
pub use handles::builder::HostClientBuilder;
pub use handles::host::HostClient;
pub use handles::instance::InstanceClient;
pub use handles::instance::transform::Transformed;
pub use handles::platform::manager::ManagerClient;
pub use handles::platform::middleware::MiddlewareClient;
pub use handles::platform::multi_manager::MultiManagerClient;
pub use handles::sequence::SequenceClient;
pub use limits::call_limits::{CallLimits, StopReason};
pub use limits::cancel::{CancelToken, OnCancel};
#[cfg(feature = "pack")]
pub use pack::build;
#[cfg(feature = "pack")]
pub use pack::deploy_if_changed::error::DeployError;
#[cfg(feature = "pack")]
pub use pack::deploy_if_changed::{DeployChange, DeployKey, Deployed};
#[cfg(feature = "pack")]
pub use pack::{Digest, EntryKind, PackEntry, PackError, PackOptions, Package};
pub use patterns::channel::Channel;
pub use patterns::child::Child;
pub use patterns::child::run::{Output, RunOptions};
pub use patterns::deployment::{Deployment, Ran, TopicGuard};
pub use patterns::pool::InstancePool;
pub use patterns::pool::checkout::Checkout;
pub use patterns::pool::map::{Map, MapOptions, MapProgress};
pub use patterns::pool::options::{Placement, PoolOptions};
pub use patterns::start::{Readiness, Ready};
pub use streams::follow::{Follow, FollowLogs, Followed, Gap};
pub use streams::writer::{JsonLinesWriter, StreamWriter, WriteOptions};
#[doc(inline)]
pub use transport::{
    BoxError, NewConnection, Phase, ReasonPhrase, RequestBody, Timings, Transport, TransportError,
    TransportErrorKind,
};
#[cfg(feature = "ureq")]
#[doc(inline)]
pub use transport::{
    ClientCertificate, Proxy, ProxyError, ProxyProblem, TlsBackend, TlsError, TlsProblem,
    UreqConfig, UreqTransport,
};

pub use scramjet_client_core as core;
pub use scramjet_client_core::flow::{Deleted, InstanceLogLine};
pub use scramjet_client_core::{
    AccessKey, AccessKeys, Adapter, ApiError, AuditRecord, AuditState, Chunks, ConfiguredHost,
    ContentType, CreatedTopic, Decode, Dialect, DisconnectHubs, Disconnected, DisconnectedHub,
    Disk, DryRun, DryRunBody, Ended, Entities, ErrorCode, Event, EventLines, EventName, Extra,
    HubConfig, HubId, HubInfo, HubStatus, HubVersion, InstanceHealth, InstanceId, InstanceInfo,
    InstanceLimits, InstanceStatus, JsonLines, KillOptions, Lines, LoadCheck, LogLevel, LogLine,
    ManagerConfig, ManagerId, ManagerInfo, ManagerLink, ManagerTopic, MultiManagerInfo, NullLine,
    Operation, OutputStream, ParseVersionError, ReplyError, RequestError, RetryPolicy,
    RevokedAccessKeys, RunnerExit, SequenceConfig, SequenceId, SequenceInfo, SequenceRef, SpaceId,
    SpaceInfo, StartOptions, Started, StopOptions, StopReply, StoreItem, StoreItemId, Terminated,
    TextLines, Timestamp, TopicInfo, TopicName, Version, http,
};

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
