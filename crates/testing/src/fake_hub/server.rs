//! A fake hub on the loopback interface.

use std::io;
use std::sync::Arc;

use super::Shared;

pub(super) struct Server;

impl Server {
    pub(super) fn start(_: &Arc<Shared>) -> io::Result<Self> {
        Err(io::Error::other("not yet"))
    }

    pub(super) fn url(&self) -> String {
        String::new()
    }
}
