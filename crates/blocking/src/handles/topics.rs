//! Topics of hubs and Managers.

use scramjet_client_core::{
    Chunks, ContentType, CreateTopic, CreatedTopic, DeleteTopic, ListTopics, ReadTopic,
    RequestError, SendTopic, TopicInfo, TopicName, flow,
};

use crate::body::byte_stream::ByteStream;
use crate::body::input::{Input, Sent};
use crate::call::context::CallContext;
use crate::client::Client;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::into_id::IntoId;
use crate::handles::platform::manager::ManagerClient;
use crate::limits::call_limits::CallLimits;
use crate::streams::follow::Follow;
use crate::streams::writer::{StreamWriter, WriteOptions};

/// Sends data to a topic. Refuses empty data, to which a hub of 1.x never responds.
fn send(client: &Client, name: &TopicName, mut data: Input) -> Result<Sent, Error> {
    let client = client.fix_deadline();
    if data
        .upload
        .is_empty(&client.limits::<SendTopic<'_>>()?)
        .map_err(|error| CallContext::unbuilt::<SendTopic<'_>>().upload_failed(error))?
    {
        return Err(
            RequestError::option("data", "it is empty, and hubs never respond to that").into(),
        );
    }
    let operation = SendTopic {
        name,
        content_type: data.content_type,
        end: data.end,
    };
    let ((), bytes) = client.send(&operation, data.into_upload())?;
    Ok(Sent { bytes })
}

/// Creates a writer that sends its request with the first data, so never with empty data.
fn writer(client: &Client, name: TopicName, options: WriteOptions) -> Result<StreamWriter, Error> {
    StreamWriter::start::<SendTopic<'_>>(client, options, move |client, mut data| {
        match data.upload.is_empty(&CallLimits::default()) {
            Ok(true) => Ok(Sent { bytes: 0 }),
            Ok(false) => send(client, &name, data),
            Err(error) => Err(CallContext::unbuilt::<SendTopic<'_>>().upload_failed(error)),
        }
    })
}

/// Implements the methods for the data of topics, which hubs and Managers share.
macro_rules! topic_data {
    ($client:ty) => {
        /// Data of topics.
        impl $client {
            /// Writes data to a topic, and creates the topic if necessary (`POST /topic/:name`).
            ///
            /// Returns when the hub has accepted all data. Blocks while nobody reads the topic and
            /// its buffer is full (less than 16 kB on 0.18.7, about 100 kB on 1.0.1).
            ///
            /// If several writers send to a topic, hubs of 0.18 interleave their data. On hubs of
            /// 1.x, a writer waits until the earlier ones have finished.
            ///
            /// Data from a reader is sent after its first byte has arrived.
            ///
            /// # Errors
            /// - [`RequestError::Option`] if there is no data, because a hub of 1.x would never
            ///   respond.
            /// - Hubs of 1.x refuse data with another content type than that of the topic.
            #[doc(alias = "sendTopic")]
            #[doc(alias = "sendNamedData")]
            pub fn send_topic(
                &self,
                name: impl IntoId<TopicName>,
                data: impl Into<Input>,
            ) -> Result<Sent, Error> {
                send(&self.client, &name.into_id()?, data.into())
            }

            /// Opens a writer for a topic (`POST /topic/:name`).
            ///
            /// Each write reaches the topic at once. The client sends the request with the first
            /// write. See [`StreamWriter`], and [`send_topic`](Self::send_topic) for the behavior
            /// of topics.
            ///
            /// # Errors
            /// This call does not wait for the hub. If the hub refuses the request, later writes
            /// and [`finish`](StreamWriter::finish) fail.
            pub fn topic_writer(
                &self,
                name: impl IntoId<TopicName>,
                options: impl Into<WriteOptions>,
            ) -> Result<StreamWriter, Error> {
                writer(&self.client, name.into_id()?, options.into())
            }

            /// Reads a topic, and creates it if necessary (`GET /topic/:name`).
            ///
            /// The first reader also gets the data that the topic has buffered. The stream does not
            /// end, except on hubs of 0.18 when a writer ends the topic.
            ///
            /// # Errors
            /// Hubs of 1.x respond with 415 if the topic has another content type.
            /// [`TopicInfo::content_type`] in the list of topics is the right one.
            #[doc(alias = "getTopic")]
            #[doc(alias = "getNamedData")]
            pub fn topic(
                &self,
                name: impl IntoId<TopicName>,
                content_type: ContentType,
            ) -> Result<ByteStream, Error> {
                self.client.open(&ReadTopic {
                    name: &name.into_id()?,
                    content_type,
                })
            }

            /// Follows a topic in chunks (`GET /topic/:name`).
            ///
            /// Reconnects if the connection is lost, see [`Follow`]. Its methods
            /// [`lines`](Follow::lines) and [`json_lines`](Follow::json_lines) return lines and
            /// JSON values instead of chunks. The topic buffers data that is written while nobody
            /// reads. Data that is on its way when the connection is lost does not arrive.
            pub fn follow_topic(
                &self,
                name: impl IntoId<TopicName>,
                content_type: ContentType,
            ) -> Result<Follow<Chunks>, Error> {
                let name = name.into_id()?;
                let client = self.client.fix_deadline();
                let operation = ReadTopic {
                    name: &name,
                    content_type,
                };
                let endpoint = client.endpoint().clone();
                let flow = flow::Follow::topic(endpoint, name.clone(), content_type);
                Follow::start(&client, &operation, flow)
            }
        }
    };
}

topic_data!(HostClient);
topic_data!(ManagerClient);

/// Topics of a hub.
impl HostClient {
    /// Lists the topics of the hub (`GET /topics`). Hubs of 0.18 return an empty list.
    #[doc(alias = "getTopics")]
    #[inline]
    pub fn list_topics(&self) -> Result<Vec<TopicInfo>, Error> {
        self.call(&ListTopics)
    }

    /// Creates a topic (`POST /topics`). Since 0.35.0.
    ///
    /// Older hubs create a topic only when it is first read or written.
    ///
    /// # Errors
    /// The hub refuses the name of an existing topic with 400.
    #[doc(alias = "createTopic")]
    pub fn create_topic(
        &self,
        name: impl IntoId<TopicName>,
        content_type: ContentType,
    ) -> Result<CreatedTopic, Error> {
        self.call(&CreateTopic {
            name: &name.into_id()?,
            content_type,
        })
    }

    /// Deletes a topic (`DELETE /topics/:name`). Since 0.35.0.
    ///
    /// Streams of its readers stay open, but get no more data.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if there is no topic with this name.
    #[doc(alias = "deleteTopic")]
    pub fn delete_topic(&self, name: impl IntoId<TopicName>) -> Result<(), Error> {
        let name = name.into_id()?;
        self.call(&DeleteTopic { name: &name })
    }
}
