//! The routes that describe an instance: its info, and its health.

use serde_json::json;

use super::instance::Instance;
use super::reply::Reply;
use super::routes::RouteRequest;
use super::{InstanceKey, Model};

// Rule 5.2
pub(super) fn info(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let instance = hub.instances.get(request.key())?;
    Some(Reply::json(200, &hub.instance_info(instance)))
}

/// The base of process ids. It is above the ids of operating systems (at most 2^22 on Linux), so
/// that a signal to such an id reaches no real process.
const PROCESS_ID_BASE: u64 = 10_000_000;

// Rule 5.3
/// Responds with the last health report, even if the process hangs or has exited.
pub(super) fn health(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let instance = hub.instances.get_mut(request.key())?;
    if instance.has_reported {
        return Some(healthy(instance));
    }
    instance.pending_health.push(request.id);
    None
}

fn healthy(instance: &Instance) -> Reply {
    let process = PROCESS_ID_BASE + instance.key.0;
    Reply::json(200, &json!({ "healthy": true, "processId": process }))
}

impl Model {
    /// Receives the first health report, unless the process hangs or has exited.
    pub(super) fn health_reported(&mut self, key: InstanceKey) {
        let able = |one: &&mut Instance| !one.is_dead() && !one.runner.hangs;
        let Some(instance) = self.instances.get_mut(key).filter(able) else {
            return;
        };
        instance.has_reported = true;
        let reply = healthy(instance);
        for exchange in std::mem::take(&mut instance.pending_health) {
            self.reply(exchange, reply.clone());
        }
    }
}
