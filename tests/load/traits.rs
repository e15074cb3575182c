//! Auto traits of public types. The tests pass if they compile.

use std::panic::{RefUnwindSafe, UnwindSafe};

use scramjet_client_blocking::patterns::TopicGuard;
use scramjet_client_blocking::platform::{ManagerClient, MiddlewareClient, MultiManagerClient};
use scramjet_client_blocking::stream::{
    Chunks, EventStream, Follow, Items, JsonLinesWriter, Sent, WriteOptions,
};
use scramjet_client_blocking::transport::{
    CallLimits, OnCancel, StopReason, TransportError, UreqConfig, UreqTransport,
};
use scramjet_client_blocking::*;

fn is_send_and_sync<T: Send + Sync + 'static>() {}

fn is_clone_send_and_sync<T: Clone + Send + Sync + 'static>() {}

fn is_send<T: Send + 'static>() {}

fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}

#[test]
fn handles_are_clone_send_and_sync() {
    is_clone_send_and_sync::<HostClient>();
    is_clone_send_and_sync::<SequenceClient>();
    is_clone_send_and_sync::<InstanceClient>();
    is_clone_send_and_sync::<ManagerClient>();
    is_clone_send_and_sync::<MultiManagerClient>();
    is_clone_send_and_sync::<MiddlewareClient>();
    is_clone_send_and_sync::<CancelToken>();
    is_clone_send_and_sync::<CallLimits>();
    is_clone_send_and_sync::<StopReason>();
    is_clone_send_and_sync::<UreqConfig>();
    is_clone_send_and_sync::<RetryPolicy>();
    is_clone_send_and_sync::<StartOptions>();
    is_clone_send_and_sync::<StopOptions>();
    is_clone_send_and_sync::<KillOptions>();
    is_clone_send_and_sync::<WriteOptions>();
}

#[test]
fn other_types_are_send_and_sync() {
    is_send_and_sync::<HostClientBuilder>();
    is_send_and_sync::<UreqTransport>();
    is_send_and_sync::<Error>();
    is_send_and_sync::<ErrorKind>();
    is_send_and_sync::<TransportError>();
    is_send_and_sync::<OnCancel>();
    is_send_and_sync::<InstancePool>();
    is_send_and_sync::<Deployment>();
    is_send_and_sync::<TopicGuard>();
    is_send_and_sync::<Ended>();
    is_send_and_sync::<Ready>();
    is_send_and_sync::<Sent>();
    is_send_and_sync::<Output>();
}

/// Readers and writers can move to another thread, but are not shared.
#[test]
fn streams_are_send() {
    is_send::<ByteStream>();
    is_send::<EventStream>();
    is_send::<Items<Chunks>>();
    is_send::<Follow<Chunks>>();
    is_send::<Followed<Vec<u8>>>();
    is_send::<StreamWriter>();
    is_send::<JsonLinesWriter>();
    is_send::<Upload>();
    is_send::<Input>();
    is_send::<Child>();
}

#[test]
fn handles_are_unwind_safe() {
    is_unwind_safe::<HostClient>();
    is_unwind_safe::<SequenceClient>();
    is_unwind_safe::<InstanceClient>();
    is_unwind_safe::<ManagerClient>();
    is_unwind_safe::<MultiManagerClient>();
    is_unwind_safe::<MiddlewareClient>();
    is_unwind_safe::<CancelToken>();
    is_unwind_safe::<RetryPolicy>();
    is_unwind_safe::<StartOptions>();
}
