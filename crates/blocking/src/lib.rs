//! A blocking client for [Scramjet Transform Hub](https://github.com/scramjetorg/transform-hub).
//!
//! A hub runs *sequences* (packaged programs, uploaded as `.tar.gz`) as *instances* (processes).
//! Their streams, events and logs are available over HTTP. [`HostClient`] is a handle to a hub,
//! [`SequenceClient`] to an uploaded package and [`InstanceClient`] to a process. Handles are cheap
//! to clone, share connections, and can be used from any thread.
//!
//! ```no_run
//! use std::time::Duration;
//! use scramjet_client_blocking::{HostClient, StartOptions, Upload};
//!
//! let minute = Duration::from_secs(60);
//! let host = HostClient::new("http://localhost:8000/api/v1")?.with_deadline(minute);
//! let sequence = host.deploy(Upload::path("package.tar.gz"))?;
//! let run = sequence.run(&StartOptions::new().arg("Berlin"), "some text\n")?;
//! println!("{}", String::from_utf8_lossy(&run.output));
//! sequence.close()?; // Deletes the sequence. So does dropping it, after an error.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The [`guide`] starts with [first steps](guide::five_minutes). [`patterns`] shows common tasks.
//! [`coming_from_api_client`] lists the counterparts of all methods of the TypeScript clients.
//!
//! # Items
//!
//! The root has the handles and the other items that most programs name. The modules have the items
//! of a topic: [`error`], [`stream`], [`patterns`], [`types`], [`transport`] (with the errors of
//! connections, TLS and proxies), [`platform`], [`config`], and `pack` (with the feature of this
//! name).
//!
//! # Limits
//!
//! Every call blocks until the hub has sent its complete response. Calls that return a stream
//! return when the response begins. There are no timeouts by default, except 10 seconds for
//! connecting. A handle can have a deadline, an idle timeout and a cancel token
//! ([`HostClient::with_deadline`], [`with_idle_timeout`](HostClient::with_idle_timeout),
//! [`with_cancel`](HostClient::with_cancel)), and passes them on to the handles made from it. See
//! [`guide::limits`].
//!
//! # Streams
//!
//! The output of an instance is a [`ByteStream`]. It implements [`Read`](std::io::Read) and has
//! iterators over [lines](ByteStream::lines) and [JSON values](ByteStream::json_lines). Input comes
//! from memory, a file or a reader ([`InstanceClient::send_input`]), from a writer
//! ([`InstanceClient::input_writer`], a [`Write`](std::io::Write)), or is sent while the output is
//! read ([`InstanceClient::transform`]). [`InstanceClient::follow_log`] and similar calls reconnect
//! after a lost connection and report the gap. [`HostClient::follow_logs`] merges the logs of many
//! instances. [`Upload::progress`] and [`ByteStream::progress`] report progress and can stop a
//! transfer.
//!
//! Hubs damage some streams: they replace bytes that are not UTF-8 by U+FFFD.
//! [`Dialect::supports_binary_data`] returns `true` for hubs since 1.0.1:
//!
//! | stream | before 1.0.1 | since 1.0.1 |
//! |---|---|---|
//! | input | damaged | kept, except in the first chunk |
//! | stdin, inout | damaged | damaged |
//! | stdout, output, topics | damaged | kept |
//! | stderr | damaged | untested |
//!
//! # Errors
//!
//! All calls have the error type [`Error`]. Its message names the operation, the address and what
//! happened. If the hub refused the request, [`Error::api`] returns the [`ApiError`] with its
//! status, [`ErrorCode`] and message. Invalid arguments are errors before anything is sent. If a
//! connection fails, the client retries requests that never reached the hub, and idempotent ones
//! ([`HostClientBuilder::retry`]). An [`Observer`] receives an event for every step of every
//! request. See [`guide::errors`].
//!
//! # Hub versions
//!
//! Hubs from 0.18 to 1.x differ in their requests and responses. The client asks for the version of
//! the hub before the first operation that depends on it, unless the program has set it with
//! [`HostClientBuilder::hub_version`]. If the hub is known to be too old for an operation, the call
//! fails before anything is sent ([`Error::is_unsupported`]). See [`guide::hubs`].
//!
//! # Features
//!
//! - `rustls` (default, with `ureq`): `https` with rustls and Mozilla's root certificates.
//! - `native-tls` (with `ureq`): `https` with the TLS library and root certificates of the
//!   operating system.
//! - `ureq`: the default transport. Without it, pass a [`Transport`] to
//!   [`HostClientBuilder::transport`].
//! - `pack`: `Package` packs a sequence folder and checks it before anything is sent.
//!   `HostClient::deploy_if_changed` uploads it only if it changed. The module `build` is for build
//!   scripts. Adds 12 crates.
//!
//! [`guide::costs`] lists the number of crates and the build times.
//!
//! # Packing and deploying
//!
//! With the feature `pack`, the client creates the archive:
//!
//! ```no_run
//! # #[cfg(feature = "pack")] {
//! use scramjet_client_blocking::{DeployKey, HostClient, Package};
//!
//! let host = HostClient::new("http://localhost:8000/api/v1")?;
//! let package = Package::from_dir("sequence")?;
//! let key = DeployKey::new("shout", "target/deployed.json");
//! let deployed = host.deploy_if_changed(&package, &key)?;
//! println!("{:?}: {}", deployed.change, deployed.sequence.id());
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same files result in the same package on every machine, except on Windows, which has no
//! executable flag. `.siignore` files exclude files like `.gitignore` files do.
//!
//! # Extending
//!
//! To add an operation that is missing here, implement [`core::Operation`] in about a dozen lines.
//! [`HostClient::call`], [`HostClient::send`] and [`HostClient::open`] execute it. A [`Transport`]
//! replaces ureq. The crate [`scramjet-client-testing`](https://docs.rs/scramjet-client-testing)
//! has a fake hub, transports for tests, and a conformance suite for transports.
//!
//! [`ManagerClient`](platform::ManagerClient), [`MultiManagerClient`](platform::MultiManagerClient)
//! and [`MiddlewareClient`](platform::MiddlewareClient) reach the platform around hubs.
//! `middleware.manager("space")?.host("hub")?` is a [`HostClient`] like any other.

// Links to items of features that are off cannot resolve.
#![cfg_attr(not(feature = "ureq"), allow(rustdoc::broken_intra_doc_links))]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The layers of the crate. `tests/layers/main.rs` lists them in order, and checks that each imports
// only from itself and from lower ones.
mod body;
mod call;
mod client;
pub mod config;
mod docs;
pub mod error;
mod handles;
mod limits;
#[cfg(feature = "pack")]
pub mod pack;
#[doc = include_str!("docs/patterns.md")]
pub mod patterns;
mod streams;
mod support;
pub mod transport;

pub use call::observer::{Observer, RequestEvent, RequestInfo};
pub use docs::{coming_from_api_client, guide};
#[doc(no_inline)]
pub use error::{ApiError, Error, ErrorCode, ErrorKind};
pub use handles::builder::HostClientBuilder;
pub use handles::host::HostClient;
pub use handles::instance::InstanceClient;
pub use handles::sequence::SequenceClient;
pub use limits::cancel::CancelToken;
#[cfg(feature = "pack")]
#[doc(no_inline)]
pub use pack::{DeployKey, Package, build};
#[doc(no_inline)]
pub use patterns::{
    Channel, Child, Deployment, InstancePool, MapOptions, Output, PoolOptions, Readiness, Ready,
    RunOptions,
};
#[doc(no_inline)]
pub use stream::{ByteStream, Followed, Input, InputStream, OutputStream, StreamWriter, Upload};
#[doc(no_inline)]
pub use transport::Transport;
#[doc(no_inline)]
pub use types::{
    ContentType, Dialect, Ended, Event, EventName, InstanceId, InstanceInfo, KillOptions,
    RetryPolicy, SequenceId, SequenceInfo, StartOptions, StopOptions, TopicName, Version,
};

pub use scramjet_client_core as core;
pub use scramjet_client_core::{http, serde_json};

/// Data that is sent and received: uploads, inputs, streams, and their items.
pub mod stream {
    pub use crate::body::byte_stream::ByteStream;
    pub use crate::body::input::{Input, InputStream, Sent};
    pub use crate::body::items::{EventStream, Items};
    pub use crate::body::progress::Progress;
    pub use crate::body::upload::Upload;
    pub use crate::handles::instance::transform::Transformed;
    pub use crate::streams::follow::{Follow, FollowLogs, Followed, Gap};
    pub use crate::streams::writer::{JsonLinesWriter, StreamWriter, WriteOptions};
    #[doc(inline)]
    pub use scramjet_client_core::flow::InstanceLogLine;
    #[doc(inline)]
    pub use scramjet_client_core::{
        Chunks, EventLines, JsonLines, Lines, NullLine, OutputStream, TextLines,
    };
}

/// The platform around hubs: Managers, MultiManagers and the Middleware.
pub mod platform {
    pub use crate::handles::platform::manager::ManagerClient;
    pub use crate::handles::platform::middleware::MiddlewareClient;
    pub use crate::handles::platform::multi_manager::MultiManagerClient;
    #[doc(inline)]
    pub use scramjet_client_core::DisconnectHubs;
    #[doc(inline)]
    pub use scramjet_client_core::platform_types::*;
}

/// Values that requests take and responses contain.
pub mod types {
    pub use crate::handles::dry_run::{DryRun, DryRunBody};
    pub use crate::handles::into_id::IntoId;
    #[doc(inline)]
    pub use scramjet_client_core::flow::Deleted;
    #[doc(inline)]
    pub use scramjet_client_core::types::*;
}

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct RepositoryReadme;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
