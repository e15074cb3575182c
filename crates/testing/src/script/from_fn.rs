use std::fmt;
use std::io::Read;

use http::{Request, Response};
use scramjet_client_blocking::Transport;
use scramjet_client_blocking::transport::{RequestBody, TransportError};

/// Creates a transport that calls a function for each request.
///
/// The function must read the request body itself.
///
/// ```
/// use std::sync::Arc;
/// use scramjet_client_blocking::HostClient;
/// use scramjet_client_blocking::http::{Request, Response};
/// use scramjet_client_blocking::transport::RequestBody;
/// use scramjet_client_testing::script;
///
/// let transport = script::from_fn(|request: Request<RequestBody<'_>>| {
///     assert_eq!(request.uri(), "http://a-hub/api/v1/version");
///     Ok(Response::new(Box::new(&br#"{"version":"1.0.1"}"#[..])))
/// });
/// let transport = Arc::new(transport);
/// let host = HostClient::builder("http://a-hub/api/v1").transport(transport).build()?;
/// assert_eq!(host.version()?.version, "1.0.1");
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub fn from_fn<F>(function: F) -> FromFn<F>
where
    F: Fn(Request<RequestBody<'_>>) -> Result<Response<Box<dyn Read + Send>>, TransportError>
        + Send
        + Sync,
{
    FromFn(function)
}

/// A transport that calls a function: see [`from_fn`].
pub struct FromFn<F>(F);

impl<F> Transport for FromFn<F>
where
    F: Fn(Request<RequestBody<'_>>) -> Result<Response<Box<dyn Read + Send>>, TransportError>
        + Send
        + Sync,
{
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        (self.0)(request)
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromFn")
    }
}
