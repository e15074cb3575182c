use scramjet_client_core::RequestError;
#[cfg(doc)]
use scramjet_client_core::{InstanceId, TopicName};

/// A value that converts to `I`, an id or a name such as [`InstanceId`] or [`TopicName`].
///
/// Methods that take an id accept text (`&str`, `String`, `&String`), which they check before they
/// send anything, and the id itself (`I`, `&I`). Every type that converts to `I` with [`TryInto`]
/// implements this trait, if the error of the conversion converts to [`RequestError`].
///
/// ```
/// use scramjet_client_blocking::{HostClient, SequenceId};
///
/// # #[cfg(feature = "ureq")] {
/// let host = HostClient::new("http://localhost:8000/api/v1")?;
/// let id = SequenceId::new("an-id")?;
/// assert_eq!(host.sequence("an-id")?.id(), host.sequence(&id)?.id());
/// assert!(host.sequence("").is_err());
/// # }
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub trait IntoId<I> {
    /// Converts the value.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the text is empty, or contains a character that hubs do not
    /// accept in a path, such as `/` or a space.
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
