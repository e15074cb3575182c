//! Topics, which hubs and Managers have alike.

use scramjet_client_core::{
    Chunks, ContentType, CreateTopic, CreatedTopic, DeleteTopic, ListTopics, ReadTopic,
    RequestError, SendTopic, TopicInfo, TopicName,
};

use crate::body::byte_stream::ByteStream;
use crate::body::input::{Input, Sent};
use crate::call::context::CallContext;
use crate::client::Client;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::platform::manager::ManagerClient;
use crate::limits::call_limits::CallLimits;
use crate::streams::follow::Follow;
use crate::streams::writer::{StreamWriter, WriteOptions};
use scramjet_client_core::flow;

/// A hub of 1.x never answers where there is no data.
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

fn writer(client: &Client, name: TopicName, options: WriteOptions) -> Result<StreamWriter, Error> {
    StreamWriter::start::<SendTopic<'_>>(client, options, move |client, mut data| {
        match data.upload.is_empty(&CallLimits::default()) {
            Ok(true) => Ok(Sent { bytes: 0 }),
            Ok(false) => send(client, &name, data),
            Err(error) => Err(CallContext::unbuilt::<SendTopic<'_>>().upload_failed(error)),
        }
    })
}

macro_rules! topic_data {
    ($client:ty) => {
        impl $client {
            /// `POST /topic/:name`: writes to a topic, which comes into being where there is none. Returns when all of the data was
            /// taken, and blocks while nobody reads and the topic's buffer (some kB) is full.
            ///
            /// Hubs of 1.x let several writers take turns, and refuse data of another content type than the topic's.
            ///
            /// # Errors
            /// See [`Error`]. No data at all is refused before anything is sent (a reader is waited for): 1.x would never answer.
            #[doc(alias = "sendTopic")]
            #[doc(alias = "sendNamedData")]
            pub fn send_topic<N>(&self, name: N, data: impl Into<Input>) -> Result<Sent, Error>
            where
                N: TryInto<TopicName>,
                RequestError: From<N::Error>,
            {
                let name = name.try_into().map_err(RequestError::from)?;
                send(self.client(), &name, data.into())
            }

            /// `POST /topic/:name`, bit by bit: what is written to it reaches the topic at once. The request is made when something is
            /// written. See [`StreamWriter`], and [`send_topic`](Self::send_topic) for what a topic does.
            ///
            /// # Errors
            /// See [`Error`]. What the hub refuses is told when it is written to, and by [`finish`](StreamWriter::finish).
            pub fn topic_writer<N>(
                &self,
                name: N,
                options: impl Into<WriteOptions>,
            ) -> Result<StreamWriter, Error>
            where
                N: TryInto<TopicName>,
                RequestError: From<N::Error>,
            {
                let name = name.try_into().map_err(RequestError::from)?;
                writer(self.client(), name, options.into())
            }

            /// `GET /topic/:name`: reads a topic, which comes into being where there is none. The first reader also gets what waits in it.
            /// Never ends, but where a topic is ended (hubs of 0.18).
            ///
            /// # Errors
            /// See [`Error`]; 1.x refuses another content type than the topic's (415). The list of
            /// topics tells it: [`TopicInfo::content_type`].
            #[doc(alias = "getTopic")]
            #[doc(alias = "getNamedData")]
            pub fn topic<N>(&self, name: N, content_type: ContentType) -> Result<ByteStream, Error>
            where
                N: TryInto<TopicName>,
                RequestError: From<N::Error>,
            {
                let name = name.try_into().map_err(RequestError::from)?;
                self.client().open(&ReadTopic {
                    name: &name,
                    content_type,
                })
            }

            /// `GET /topic/:name`, piece by piece, also over a lost connection. See [`Follow`], and its
            /// [`lines`](Follow::lines) and [`json_lines`](Follow::json_lines). What is written while nobody reads waits in the topic, but
            /// what was on its way is lost.
            ///
            /// # Errors
            /// See [`Error`].
            pub fn follow_topic<N>(
                &self,
                name: N,
                content_type: ContentType,
            ) -> Result<Follow<Chunks>, Error>
            where
                N: TryInto<TopicName>,
                RequestError: From<N::Error>,
            {
                let name = name.try_into().map_err(RequestError::from)?;
                let client = self.client().fix_deadline();
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

impl HostClient {
    /// `GET /topics`: all topics of the hub. A hub of 0.18 says that it has none.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getTopics")]
    #[inline]
    pub fn list_topics(&self) -> Result<Vec<TopicInfo>, Error> {
        self.call(&ListTopics)
    }

    /// `POST /topics`: creates a topic. Since 0.35.0; on an older hub a topic comes into being when it is first used.
    ///
    /// # Errors
    /// See [`Error`]; refused with 400 where there is one of this name.
    #[doc(alias = "createTopic")]
    pub fn create_topic<N>(&self, name: N, content_type: ContentType) -> Result<CreatedTopic, Error>
    where
        N: TryInto<TopicName>,
        RequestError: From<N::Error>,
    {
        let name = name.try_into().map_err(RequestError::from)?;
        self.call(&CreateTopic {
            name: &name,
            content_type,
        })
    }

    /// `DELETE /topics/:name`: removes a topic. Since 0.35.0. Its readers stay attached to nothing.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where there is none of this name.
    #[doc(alias = "deleteTopic")]
    pub fn delete_topic<N>(&self, name: N) -> Result<(), Error>
    where
        N: TryInto<TopicName>,
        RequestError: From<N::Error>,
    {
        let name = name.try_into().map_err(RequestError::from)?;
        self.call(&DeleteTopic { name: &name })
    }
}
