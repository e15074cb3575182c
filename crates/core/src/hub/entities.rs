use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::operation::get;
use crate::{Extra, InstanceInfo, Json, SequenceInfo, TopicInfo, Version};

get! {
    /// `GET /entities`: returns all sequences and instances of the hub in one response.
    ///
    /// Response: [`Entities`] as JSON. Since hub 0.31.4.
    pub struct ListEntities;
    NAME = "list entities";
    SINCE = Version::new(0, 31, 4);
    PATH = "entities";
    Decoder = Json<Entities>;
}

/// The sequences and instances of a hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entities {
    /// The sequences.
    #[serde(default)]
    pub sequences: Vec<SequenceInfo>,
    /// The instances, including those that ended in the last minutes.
    #[serde(default)]
    pub instances: Vec<InstanceInfo>,
    /// The topics. Hubs declare this member, but no known version sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<TopicInfo>>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_round_trip};

    #[test]
    fn list_entities_has_no_body() {
        assert_request(&ListEntities, "GET /entities");
    }

    #[test]
    fn entities_keep_unknown_members() {
        let config = json!({ "name": "n", "version": "1", "engines": {}, "later": 1 });
        let sequence = json!({ "id": "s", "config": config, "instances": ["i"], "later": {} });
        let instance = json!({ "id": "i", "sequence": sequence, "status": "frozen", "later": 1 });
        let topic = json!({ "topicName": "t", "contentType": "text/plain", "later": 1 });
        assert_round_trip::<Entities>(json!({
            "sequences": [sequence], "instances": [instance], "topics": [topic], "later": 1,
        }));
    }
}
