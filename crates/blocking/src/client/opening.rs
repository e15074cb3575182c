//! Opens streams on their own threads.

use http::{HeaderMap, StatusCode};
use scramjet_client_core::GetVersion;

use super::Client;
use crate::body::byte_stream::ByteStream;
use crate::body::response::Body;
use crate::call::context::CallContext;
use crate::error::Error;
use crate::support::threads;

impl Client {
    /// Opens a stream on its own thread, without waiting for it. See [`Body::opening`].
    pub(crate) fn open_on_thread(
        &self,
        call: CallContext,
        open: impl FnOnce(&Self) -> Result<Body, Error> + Send + 'static,
    ) -> Result<ByteStream, Error> {
        let mut client = self.clone();
        let token = client.options.cancel.take().unwrap_or_default().child();
        client.options.cancel = Some(token.clone());
        let result = threads::start_with_result("scramjet-stream", move || open(&client))
            .map_err(|error| call.failed(error))?;
        // A placeholder: the stream only needs a successful reply that counts its bytes. `open`
        // fails if the response is an error.
        let reply = self
            .endpoint()
            .reply(&GetVersion, StatusCode::OK, "", &HeaderMap::new());
        Ok(ByteStream::new(Body::opening(call, result, token), reply))
    }
}
