//! The lowest transport: a socket with its buffers.

use std::sync::Arc;

use ::ureq::Error;
use ::ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::lazy_buffers::LazyBuffers;
use super::shared_socket::SharedSocket;
use super::timed_stream::Timer;

/// Connects a [`SharedSocket`] to the transports of ureq.
#[derive(Debug)]
pub(super) struct Socket {
    shared: Arc<SharedSocket>,
    buffers: LazyBuffers,
    read_timer: Timer,
}

impl Socket {
    pub(super) fn new(shared: Arc<SharedSocket>, buffers: LazyBuffers) -> Self {
        Self {
            shared,
            buffers,
            read_timer: Timer::default(),
        }
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.shared.send(output, timeout)?;
        self.buffers.output_sent(amount);
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let buf = self.buffers.input_append_buf();
        let read = self.shared.receive(&mut self.read_timer, buf, timeout)?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        self.shared.is_open()
    }
}
