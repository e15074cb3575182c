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

fn shared<T: Send + Sync + 'static>() {}

fn cloned<T: Clone + Send + Sync + 'static>() {}

fn given<T: Send + 'static>() {}

fn survives_a_panic<T: UnwindSafe + RefUnwindSafe>() {}

#[test]
fn handles_are_clone_send_and_sync() {
    cloned::<HostClient>();
    cloned::<SequenceClient>();
    cloned::<InstanceClient>();
    cloned::<ManagerClient>();
    cloned::<MultiManagerClient>();
    cloned::<MiddlewareClient>();
    cloned::<CancelToken>();
    cloned::<CallLimits>();
    cloned::<StopReason>();
    cloned::<UreqConfig>();
    cloned::<RetryPolicy>();
    cloned::<StartOptions>();
    cloned::<StopOptions>();
    cloned::<KillOptions>();
    cloned::<WriteOptions>();
}

#[test]
fn other_types_are_send_and_sync() {
    shared::<HostClientBuilder>();
    shared::<UreqTransport>();
    shared::<Error>();
    shared::<ErrorKind>();
    shared::<TransportError>();
    shared::<OnCancel>();
    shared::<InstancePool>();
    shared::<Deployment>();
    shared::<TopicGuard>();
    shared::<Ended>();
    shared::<Ready>();
    shared::<Sent>();
    shared::<Output>();
}

/// Readers and writers can move to another thread, but are not shared.
#[test]
fn streams_are_send() {
    given::<ByteStream>();
    given::<EventStream>();
    given::<Items<Chunks>>();
    given::<Follow<Chunks>>();
    given::<Followed<Vec<u8>>>();
    given::<StreamWriter>();
    given::<JsonLinesWriter>();
    given::<Upload>();
    given::<Input>();
    given::<Child>();
}

#[test]
fn handles_are_unwind_safe() {
    survives_a_panic::<HostClient>();
    survives_a_panic::<SequenceClient>();
    survives_a_panic::<InstanceClient>();
    survives_a_panic::<ManagerClient>();
    survives_a_panic::<MultiManagerClient>();
    survives_a_panic::<MiddlewareClient>();
    survives_a_panic::<CancelToken>();
    survives_a_panic::<RetryPolicy>();
    survives_a_panic::<StartOptions>();
}
