//! The drivers and transports that are compared, behind one trait.

use std::io::{self, Read};
use std::pin::pin;

use futures_util::{TryStreamExt, stream};
use scramjet_client_blocking::core::{Decode, Operation};
use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::{Error, ErrorKind, HostClient, Upload};
use scramjet_client_core::{Endpoint, ReadEvents, ReadStream, SingleItem, Streamed};

use crate::{core_reqwest, core_tcp};

/// The single item of an operation, or the error as text.
type ItemOf<O> = Result<<<O as Operation>::Decoder as Decode>::Item, String>;

/// A driver or transport that runs operations. Its errors are those of core, as text.
pub(crate) trait Driver {
    fn call<O: Operation<Payload = Vec<u8>, Decoder: SingleItem>>(
        &self,
        operation: &O,
    ) -> ItemOf<O>;
    fn send<O: Operation<Payload = Streamed, Decoder: SingleItem>>(
        &self,
        operation: &O,
        pieces: Vec<Vec<u8>>,
    ) -> ItemOf<O>;
    fn events(&self, operation: &ReadEvents<'_>) -> Result<Vec<String>, String>;
    /// Returns the bytes, and the error that ended the stream.
    fn bytes(&self, operation: &ReadStream<'_>) -> Result<(Vec<u8>, Option<String>), String>;
}

/// Formats an error of core.
pub(crate) fn core_error(error: &(dyn std::error::Error + 'static)) -> String {
    format!(
        "{:?}",
        error
            .downcast_ref::<ReplyError>()
            .unwrap_or_else(|| panic!("no error of core: {error:?}"))
    )
}

pub(crate) struct Blocking(pub(crate) HostClient);

fn reply_error(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Reply(error) => core_error(error),
        _ => panic!("no error of core: {error:?}"),
    }
}

impl Driver for Blocking {
    fn call<O: Operation<Payload = Vec<u8>, Decoder: SingleItem>>(
        &self,
        operation: &O,
    ) -> ItemOf<O> {
        self.0.call(operation).map_err(|error| reply_error(&error))
    }

    fn send<O: Operation<Payload = Streamed, Decoder: SingleItem>>(
        &self,
        operation: &O,
        pieces: Vec<Vec<u8>>,
    ) -> ItemOf<O> {
        let upload = Upload::reader(io::Cursor::new(pieces.concat()));
        self.0
            .send(operation, upload)
            .map(|(item, _)| item)
            .map_err(|error| reply_error(&error))
    }

    fn events(&self, operation: &ReadEvents<'_>) -> Result<Vec<String>, String> {
        let events = self
            .0
            .instance(operation.id.as_str())
            .unwrap()
            .event_stream(operation.name.as_str());
        events
            .map_err(|error| reply_error(&error))?
            .map(|event| {
                event
                    .map(|event| format!("{event:?}"))
                    .map_err(|error| reply_error(&error))
            })
            .collect()
    }

    fn bytes(&self, operation: &ReadStream<'_>) -> Result<(Vec<u8>, Option<String>), String> {
        let mut stream = self
            .0
            .open(operation)
            .map_err(|error| reply_error(&error))?;
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes).err();
        let end = end.map(|error| {
            reply_error(
                error
                    .get_ref()
                    .and_then(|error| error.downcast_ref())
                    .expect("the library's own"),
            )
        });
        Ok((bytes, end))
    }
}

pub(crate) struct Async(
    pub(crate) tokio::runtime::Runtime,
    pub(crate) core_reqwest::Hub,
);

impl Driver for Async {
    fn call<O: Operation<Payload = Vec<u8>, Decoder: SingleItem>>(
        &self,
        operation: &O,
    ) -> ItemOf<O> {
        self.0
            .block_on(self.1.call(operation))
            .map_err(|error| core_error(&*error))
    }

    fn send<O: Operation<Payload = Streamed, Decoder: SingleItem>>(
        &self,
        operation: &O,
        pieces: Vec<Vec<u8>>,
    ) -> ItemOf<O> {
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, core_reqwest::Failure>));
        self.0
            .block_on(self.1.send(operation, reqwest::Body::wrap_stream(pieces)))
            .map_err(|error| core_error(&*error))
    }

    fn events(&self, operation: &ReadEvents<'_>) -> Result<Vec<String>, String> {
        let events = self.0.block_on(async {
            self.1
                .stream(operation)
                .await?
                .map_ok(|event| format!("{event:?}"))
                .try_collect()
                .await
        });
        events.map_err(|error: core_reqwest::Failure| core_error(&*error))
    }

    fn bytes(&self, operation: &ReadStream<'_>) -> Result<(Vec<u8>, Option<String>), String> {
        self.0.block_on(async {
            let mut pieces = pin!(
                self.1
                    .stream(operation)
                    .await
                    .map_err(|error| core_error(&*error))?
            );
            let mut bytes = Vec::new();
            loop {
                match pieces.try_next().await {
                    Ok(Some(piece)) => bytes.extend(piece),
                    Ok(None) => return Ok((bytes, None)),
                    Err(error) => return Ok((bytes, Some(core_error(&*error)))),
                }
            }
        })
    }
}

pub(crate) struct OverTcp(pub(crate) Endpoint);

impl Driver for OverTcp {
    fn call<O: Operation<Payload = Vec<u8>, Decoder: SingleItem>>(
        &self,
        operation: &O,
    ) -> ItemOf<O> {
        core_tcp::call(&self.0, operation).map_err(|error| core_error(&*error))
    }

    fn send<O: Operation<Payload = Streamed, Decoder: SingleItem>>(
        &self,
        operation: &O,
        pieces: Vec<Vec<u8>>,
    ) -> ItemOf<O> {
        core_tcp::send(&self.0, operation, &mut pieces.concat().as_slice())
            .map_err(|error| core_error(&*error))
    }

    fn events(&self, operation: &ReadEvents<'_>) -> Result<Vec<String>, String> {
        let events = core_tcp::items(&self.0, operation).map_err(|error| core_error(&*error))?;
        events
            .map(|event| {
                event
                    .map(|event| format!("{event:?}"))
                    .map_err(|error| core_error(&*error))
            })
            .collect()
    }

    fn bytes(&self, operation: &ReadStream<'_>) -> Result<(Vec<u8>, Option<String>), String> {
        let mut bytes = Vec::new();
        for piece in core_tcp::items(&self.0, operation).map_err(|error| core_error(&*error))? {
            match piece {
                Ok(piece) => bytes.extend(piece),
                Err(error) if bytes.is_empty() => return Err(core_error(&*error)),
                Err(error) => return Ok((bytes, Some(core_error(&*error)))),
            }
        }
        Ok((bytes, None))
    }
}
