#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use alloc::format;

use http::{HeaderMap, StatusCode};

use super::*;
use crate::flow::{Command, ExchangeId, Flow};
use crate::{Dialect, Version};

/// A flow for the instance `i`, which has ended on a hub of 1.x. The log of the hub is open.
struct Ended {
    flow: FollowLogs,
    log: ExchangeId,
}

impl Ended {
    fn new() -> Self {
        let endpoint = Endpoint::new("http://hub.invalid/api/v1").unwrap();
        let endpoint = endpoint.with_dialect(Dialect::of(Version::new(1, 0, 1)));
        let flow = FollowLogs::of(endpoint, [InstanceId::new("i").unwrap()]).unwrap();
        let log = ExchangeId(0);
        let mut ended = Self { flow, log };
        let list = ended.sent("/instances");
        ended.head(list);
        ended.body(
            0,
            list,
            r#"[{"id":"i","ended":"2026-11-23T19:32:11.613Z"}]"#,
        );
        ended.flow.handle(Duration::ZERO, Input::End { id: list });
        ended.log = ended.sent("/log");
        ended.head(ended.log);
        assert!(matches!(ended.poll(0), Some(Followed::Opened)));
        ended
    }

    fn sent(&mut self, path: &str) -> ExchangeId {
        match self.flow.poll(Duration::ZERO) {
            Command::Send(send) => {
                assert!(send.request.uri().path().ends_with(path), "{send:?}");
                send.id
            }
            other => panic!("{other:?}"),
        }
    }

    fn head(&mut self, id: ExchangeId) {
        let (status, headers) = (StatusCode::OK, &HeaderMap::new());
        let reason = "OK";
        let head = Input::Head {
            id,
            status,
            reason,
            headers,
        };
        self.flow.handle(Duration::ZERO, head);
    }

    fn body(&mut self, millis: u64, id: ExchangeId, text: &str) {
        let bytes = text.as_bytes();
        let body = Input::Body { id, bytes };
        self.flow.handle(Duration::from_millis(millis), body);
    }

    fn line(&mut self, millis: u64, instance: &str) {
        let line = format!("{{\"msg\":\"m\",\"Runner\":{{\"id\":\"{instance}\"}}}}\n");
        self.body(millis, self.log, &line);
    }

    /// Returns the next result, if there is one.
    fn poll(&mut self, millis: u64) -> Option<Followed<InstanceLogLine>> {
        loop {
            match self.flow.poll(Duration::from_millis(millis)) {
                Command::Done(result) => return Some(result.unwrap()),
                Command::Wait { .. } => return None,
                Command::Send(_) | Command::Abort(_) => {}
            }
        }
    }

    /// Returns the time of the end, in steps of 100 ms. In each step, `chatter` logs a line.
    fn end_time(&mut self, from: u64, chatter: Option<&str>) -> u64 {
        let mut times = (from..from + 20_000).step_by(100);
        let end = times.find(|&time| {
            chatter.into_iter().for_each(|other| self.line(time, other));
            match self.poll(time) {
                Some(Followed::End) => true,
                None => false,
                other => panic!("{other:?}"),
            }
        });
        end.unwrap()
    }
}

#[test]
fn follow_logs_of_ends_a_second_after_the_last_line() {
    let mut ended = Ended::new();
    ended.line(400, "i");
    assert!(matches!(ended.poll(400), Some(Followed::Item(_))));
    assert_eq!(ended.end_time(400, None), 1400);
}

#[test]
fn follow_logs_of_continues_after_the_caller_was_busy() {
    let mut ended = Ended::new();
    for time in [0, 10_000, 20_000] {
        // The driver received it earlier, and hands it in when the flow waits.
        assert!(ended.poll(time).is_none());
        ended.line(time, "i");
        assert!(matches!(ended.poll(time), Some(Followed::Item(_))));
    }
    assert_eq!(ended.end_time(30_000, None), 31_000);
}

#[test]
fn follow_logs_of_ends_although_other_instances_keep_logging() {
    assert_eq!(Ended::new().end_time(0, Some("other")), 5500);
}
