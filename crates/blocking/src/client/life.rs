//! The life of an instance that belongs to a pool.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use scramjet_client_core::{InstanceId, LastEvent, NextEvent, Operation, ReadEvents};

use crate::error::Error;

/// Records that an instance has ended, as soon as a call of the client finds out. Clones share the
/// record.
#[derive(Clone)]
pub(crate) struct Life {
    id: InstanceId,
    ended: Arc<AtomicBool>,
    /// An upgrade of this keeps the instance checked out of its pool.
    hold: Option<Weak<dyn Any + Send + Sync>>,
}

impl Life {
    pub(crate) fn of(id: &InstanceId) -> Self {
        Self {
            id: id.clone(),
            ended: Arc::default(),
            hold: None,
        }
    }

    /// Returns a clone for a handle that has checked out the instance.
    pub(crate) fn held(&self, hold: Weak<dyn Any + Send + Sync>) -> Self {
        Self {
            hold: Some(hold),
            ..self.clone()
        }
    }

    /// Returns a value that keeps the instance checked out until it is dropped.
    pub(crate) fn hold(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.hold.as_ref()?.upgrade()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn mark_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_of(&self, id: &InstanceId) -> bool {
        self.id == *id
    }

    /// Returns `true` if the error means that the instance has ended.
    pub(super) fn is_ended_by(&self, error: &Error) -> bool {
        if let Some(ended) = error.ended() {
            return self.is_of(&ended.id);
        }
        // Hubs of 1.x respond with the status 404 if the data of an event has `opStatus: 404`.
        let event_requests = [NextEvent::NAME, LastEvent::NAME, ReadEvents::NAME];
        let path = format!("/instance/{}", self.id);
        let is_of_instance = |url: &str| {
            let rest = url.split_once(&path).map(|(_, rest)| rest);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        error.is_not_found_by_hub()
            && error.url().is_some_and(is_of_instance)
            && !error
                .operation()
                .is_some_and(|name| event_requests.contains(&name))
    }
}
