#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{Dialect, Version};

#[test]
fn follow_does_not_count_as_idle_while_the_caller_is_busy() {
    let endpoint = Endpoint::new("http://hub.invalid/api/v1").unwrap();
    let endpoint = endpoint.with_dialect(Dialect::of(Version::new(1, 0, 1)));
    let mut flow = Follow::instance_log(endpoint, InstanceId::new("i").unwrap()).unwrap();
    let (status, headers, reason) = (http::StatusCode::OK, &http::HeaderMap::new(), "OK");
    let answer = |flow: &mut Follow<_>, time: u64, body: &str| {
        let time = Duration::from_millis(time);
        let Command::Send(send) = flow.poll(time) else {
            panic!("no request");
        };
        let (id, bytes) = (send.id, body.as_bytes());
        let head = Input::Head {
            id,
            status,
            reason,
            headers,
        };
        flow.handle(time, head);
        flow.handle(time, Input::Body { id, bytes });
        id
    };
    let poll = |flow: &mut Follow<_>, time: u64| flow.poll(Duration::from_millis(time));
    let is_item = |command: &Command<Result<Followed<LogLine>, FlowError>>| {
        matches!(command, Command::Done(Ok(Followed::Item(_))))
    };
    let log = answer(&mut flow, 0, "{\"msg\":\"one\"}\n");
    assert!(matches!(
        poll(&mut flow, 0),
        Command::Done(Ok(Followed::Opened))
    ));
    assert!(is_item(&poll(&mut flow, 0)));
    // After two seconds without data, the flow requests the status.
    assert!(matches!(poll(&mut flow, 10_000), Command::Wait { .. }));
    let asked = answer(&mut flow, 12_000, r#"{"id":"i","ended":"x"}"#);
    flow.handle(Duration::from_secs(12), Input::End { id: asked });
    for time in [12_100, 20_000] {
        assert!(matches!(poll(&mut flow, time), Command::Wait { .. }));
        let bytes = b"{\"msg\":\"more\"}\n";
        flow.handle(Duration::from_millis(time), Input::Body { id: log, bytes });
        assert!(is_item(&poll(&mut flow, time)));
    }
    assert!(matches!(poll(&mut flow, 30_000), Command::Wait { .. }));
    assert!(matches!(poll(&mut flow, 30_500), Command::Abort(_)));
    assert!(matches!(
        poll(&mut flow, 30_500),
        Command::Done(Ok(Followed::End))
    ));
}
