use alloc::vec::Vec;

use http::Method;
use serde::{Deserialize, Serialize};

use crate::operation::Inline;
use crate::{Extra, InstanceInfo, Json, Operation, Path, SequenceInfo, TopicInfo, Version};

/// `GET /entities`: all sequences and instances of the hub, in one answer. Since 0.31.4.
#[derive(Clone, Copy, Debug)]
pub struct ListEntities;

impl Operation for ListEntities {
    const NAME: &'static str = "list entities";
    const METHOD: Method = Method::GET;
    const SINCE: Version = Version::new(0, 31, 4);
    type Payload = Inline;
    type Decoder = Json<Entities>;

    fn path(&self) -> Path {
        Path::new("entities")
    }
}

/// What is on a hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entities {
    /// Its sequences.
    #[serde(default)]
    pub sequences: Vec<SequenceInfo>,
    /// Its instances, also those that ended a short while ago.
    #[serde(default)]
    pub instances: Vec<InstanceInfo>,
    /// Its topics. Declared by hubs, and not sent by any that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<TopicInfo>>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
