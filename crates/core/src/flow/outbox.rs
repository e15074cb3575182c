//! The queue of commands that a flow has for its driver.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use http::Request;

use super::exchange::OpenExchange;
use super::{Command, ExchangeId, Send};
use crate::{Endpoint, Operation, RequestError};

/// The requests that a driver has to send, and the exchanges that it has to abort.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) endpoint: Endpoint,
    last_id: u32,
    commands: VecDeque<QueuedCommand>,
}

#[derive(Debug)]
enum QueuedCommand {
    Send(Box<Send>),
    Abort(ExchangeId),
}

impl Outbox {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            last_id: 0,
            commands: VecDeque::new(),
        }
    }

    /// Queues a request. The exchange fails if it is not complete after `timeout`.
    pub(super) fn send<O>(
        &mut self,
        operation: &O,
        timeout: Option<Duration>,
    ) -> Result<OpenExchange<O::Decoder>, RequestError>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        let decoder = self.endpoint.decoder(operation);
        self.queue(operation, timeout, decoder)
    }

    /// Queues a request for a stream, without a timeout. `decoder` replaces the operation's own.
    pub(super) fn open_stream<O, D>(
        &mut self,
        operation: &O,
        decoder: D,
    ) -> Result<OpenExchange<D>, RequestError>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        self.queue(operation, None, decoder)
    }

    fn queue<O, D>(
        &mut self,
        operation: &O,
        timeout: Option<Duration>,
        decoder: D,
    ) -> Result<OpenExchange<D>, RequestError>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        let request = self.endpoint.request(operation)?;
        let id = self.push(O::NAME, request, timeout);
        Ok(OpenExchange::new(id, decoder, O::map_api_error))
    }

    fn push(
        &mut self,
        operation: &'static str,
        request: Request<Vec<u8>>,
        timeout: Option<Duration>,
    ) -> ExchangeId {
        self.last_id = self.last_id.wrapping_add(1);
        let id = ExchangeId(self.last_id);
        self.commands.push_back(QueuedCommand::Send(Box::new(Send {
            id,
            operation,
            request,
            timeout,
        })));
        id
    }

    /// Queues the command to abort an exchange.
    pub(super) fn abort<D>(&mut self, exchange: &OpenExchange<D>) {
        self.commands.push_back(QueuedCommand::Abort(exchange.id));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    pub(super) fn next<T>(&mut self) -> Option<Command<T>> {
        self.commands.pop_front().map(|command| match command {
            QueuedCommand::Send(send) => Command::Send(send),
            QueuedCommand::Abort(id) => Command::Abort(id),
        })
    }
}
