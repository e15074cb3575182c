use alloc::format;

use http::Method;

use super::instance_path;
use crate::operation::Inline;
use crate::{Dialect, Discard, InstanceId, Operation, Path, RequestError};

/// `POST /instance/:id/_monitoring_rate`: sets how often the instance reports its health.
///
/// Request: the rate as JSON. Response: ignored.
#[derive(Clone, Copy, Debug)]
pub struct SetMonitoringRate<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// Number of reports per second. Zero is an error.
    pub rate: u32,
}

impl Operation for SetMonitoringRate<'_> {
    const NAME: &'static str = "set monitoring rate";
    const METHOD: Method = Method::POST;
    type Payload = Inline;
    type Decoder = Discard;

    fn path(&self) -> Path {
        instance_path(self.id).literal("_monitoring_rate")
    }

    fn payload(&self, _: Dialect) -> Result<Inline, RequestError> {
        if self.rate == 0 {
            return Err(RequestError::option(
                "monitoringRate",
                "it is zero, and instances would send 1000 reports per second",
            ));
        }
        Ok(format!(r#"[{MONITORING_RATE},{{"monitoringRate":{}}}]"#, self.rate).into_bytes())
    }
}

/// The code of the message between hub and instance.
const MONITORING_RATE: u16 = 4003;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, id};

    #[test]
    fn set_monitoring_rate_sends_a_code_and_the_rate() {
        let rate = SetMonitoringRate {
            id: &id("i"),
            rate: 2,
        };
        assert_request(
            &rate,
            r#"
            POST /instance/i/_monitoring_rate
            content-type: application/json

            [4003,{"monitoringRate":2}]
            "#,
        );
    }
}
