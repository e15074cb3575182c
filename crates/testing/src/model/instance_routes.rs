//! The routes that describe an instance: its info, and its health.

use serde_json::json;

use super::instance::Instance;
use super::reply::Reply;
use super::routes::RouteRequest;
use super::{InstanceKey, Model};

// 5.2
pub(super) fn info(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let instance = hub.instances.get(request.key())?;
    Some(Reply::json(200, &hub.instance_info(instance)))
}

/// The first id of a process, less one. It is above those of any operating system (Linux has at most
/// 2^22), so that a program that sends a signal to the process hits no other one.
const FIRST_PROCESS: u64 = 10_000_000;

// 5.3
/// Answers with the last report, also when the process hangs or is gone.
pub(super) fn health(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let instance = hub.instances.get_mut(request.key())?;
    if instance.has_reported {
        return Some(healthy(instance));
    }
    instance.pending_health.push(request.id);
    None
}

fn healthy(instance: &Instance) -> Reply {
    let process = FIRST_PROCESS + instance.key.0;
    Reply::json(200, &json!({ "healthy": true, "processId": process }))
}

impl Model {
    /// The first report about the health comes, if the process is able to send it.
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
