use std::fmt;

use scramjet_client_core::{Event, EventLines};

use crate::Error;
use crate::client::Items;

/// The events of one name, as they come: an iterator that waits for the next one.
///
/// A hub does not end it with the instance. An event that cannot be read is an error of its own, and the next one comes as usual;
/// the loss of the connection is an error and the end. Dropping it closes the connection.
pub struct EventStream {
    items: Items<EventLines>,
}

impl EventStream {
    pub(crate) fn new(items: Items<EventLines>) -> Self {
        Self { items }
    }
}

impl Iterator for EventStream {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.items.next()
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}
