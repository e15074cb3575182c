use scramjet_client_core::RequestError;
#[cfg(doc)]
use scramjet_client_core::{InstanceId, TopicName};

/// Values that name something on a hub or the platform: text, or an id or name type such as
/// [`InstanceId`] or [`TopicName`].
///
/// `&str`, `String` and `&String` are checked before anything is sent. `I` and `&I` are used
/// unchanged. Every type that converts to `I` with [`TryInto`] implements this trait.
///
/// ```
/// use scramjet_client_blocking::{HostClient, SequenceId};
///
/// let host = HostClient::new("http://localhost:8000/api/v1")?;
/// let id = SequenceId::new("an-id")?;
/// assert_eq!(host.sequence("an-id")?.id(), host.sequence(&id)?.id());
/// assert!(host.sequence("").is_err());
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub trait IntoId<I> {
    /// Converts the value.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if hubs cannot find the text in a path, for example because it
    /// is empty.
    fn into_id(self) -> Result<I, RequestError>;
}

impl<I, T> IntoId<I> for T
where
    T: TryInto<I>,
    RequestError: From<T::Error>,
{
    fn into_id(self) -> Result<I, RequestError> {
        Ok(self.try_into()?)
    }
}
