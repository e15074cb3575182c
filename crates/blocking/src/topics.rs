//! Topics, which hubs and Managers have alike.

use scramjet_client_core::{
    ContentType, CreateTopic, CreatedTopic, DeleteTopic, ListTopics, ReadTopic, RequestError, SendTopic, TopicInfo, TopicName,
};

use crate::client::Client;
use crate::{ByteStream, Error, HostClient, Input, ManagerClient, Sent};

fn send(client: &Client, name: &TopicName, data: Input) -> Result<Sent, Error> {
    let Input { upload, content_type, end } = data;
    if upload.is_surely_empty() {
        let problem = "there is none, and a hub would never answer";
        return Err(RequestError::option("data", problem).into());
    }
    let ((), bytes) = client.send(&SendTopic { name, content_type, end }, upload)?;
    Ok(Sent { bytes })
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
            /// See [`Error`]. No data at all is refused before anything is sent, where that is known: 1.x would never answer.
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

            /// `GET /topic/:name`: reads a topic, which comes into being where there is none. The first reader also gets what waits in it.
            /// Never ends, but where a topic is ended (hubs of 0.18).
            ///
            /// # Errors
            /// See [`Error`]; 1.x refuses another content type than the topic's.
            #[doc(alias = "getTopic")]
            #[doc(alias = "getNamedData")]
            pub fn topic<N>(&self, name: N, content_type: ContentType) -> Result<ByteStream, Error>
            where
                N: TryInto<TopicName>,
                RequestError: From<N::Error>,
            {
                let name = name.try_into().map_err(RequestError::from)?;
                self.client().open(&ReadTopic { name: &name, content_type })
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
        self.call(&CreateTopic { name: &name, content_type })
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
