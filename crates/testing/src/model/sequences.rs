//! The routes of sequences: upload, overwrite, deletion, and the start of instances.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::exchange::ExchangeId;
use super::package::Package;
use super::process::ProgramSpec;
use super::reply::Reply;
use super::routes::RouteRequest;
use super::{InstanceKey, Model, javascript};

/// An uploaded sequence.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) id: String,
    pub(super) package: Package,
}

impl Sequence {
    // Rule 4.5
    /// Returns `true` if the runner cannot be started. 0.18 never responds to such a start.
    fn is_broken(&self) -> bool {
        self.package.engines() > 1 || !self.package.can_start()
    }
}

/// A forced deletion that waits until instances are forgotten. It completes even if the client has
/// closed its connection.
#[derive(Debug)]
pub(super) struct PendingDeletion {
    pub(super) exchange: ExchangeId,
    pub(super) sequence: String,
    pub(super) waits_for: BTreeSet<InstanceKey>,
}

/// The body of a start. JSON that is not an object has no members.
pub(super) struct StartPayload {
    pub(super) app_config: Option<Value>,
    pub(super) args: Option<Value>,
    pub(super) input_topic: Option<String>,
    pub(super) output_topic: Option<String>,
    instance_id: Option<Value>,
}

impl StartPayload {
    fn of(json: Option<&Value>, is_v1: bool) -> Self {
        let member = |name: &str| json.and_then(|json| json.get(name)).cloned();
        let text = |name: &str| {
            member(name)
                .filter(|_| is_v1)
                .and_then(|name| name.as_str().map(str::to_owned))
        };
        Self {
            app_config: member("appConfig"),
            args: member("args"),
            input_topic: text("inputTopic"),
            output_topic: text("outputTopic"),
            instance_id: member("instanceId").filter(|id| is_v1 && *id != ""),
        }
    }
}

pub(super) fn upload(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let id = hub.ids.uuid();
    let dir = format!("/srv/sequences/{id}");
    Some(match Package::unpack(&request.bytes, &dir) {
        Err(error) => Reply::json(422, &json!({ "error": error })),
        Ok(package) => {
            hub.add_sequence(&id, package);
            Reply::json(200, &json!({ "id": id }))
        }
    })
}

pub(super) fn overwrite(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let id = request.name();
    let Some(index) = hub.sequences.iter().position(|sequence| sequence.id == id) else {
        let error = format!("Sequence with id: {id} not found");
        return Some(Reply::json(404, &json!({ "error": error })));
    };
    if hub.instances.of_sequence(id).next().is_some() {
        let error = "Can't update sequence with instances";
        return Some(Reply::json(409, &json!({ "error": error })));
    }
    Some(
        match Package::unpack(&request.bytes, &format!("/srv/sequences/{id}")) {
            Err(error) => Reply::json(422, &json!({ "error": error })),
            Ok(package) => {
                if let Some(sequence) = hub.sequences.get_mut(index) {
                    sequence.package = package;
                }
                Reply::json(200, &json!({ "id": id }))
            }
        },
    )
}

pub(super) fn info(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let id = request.name();
    Some(match hub.sequence(id) {
        Some(sequence) => Reply::json(200, &hub.sequence_info(sequence)),
        None if hub.generation.is_v1() => not_found(id),
        None => Reply::json(404, &json!({})),
    })
}

fn not_found(id: &str) -> Reply {
    Reply::json(404, &json!({ "error": format!("Sequence {id} not found") }))
}

pub(super) fn instances(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let id = request.name();
    Some(match hub.sequence(id) {
        Some(_) => {
            let ids: Value = hub
                .instances
                .of_sequence(id)
                .map(|one| one.id.clone())
                .collect();
            Reply::json(200, &ids)
        }
        None if hub.generation.is_v1() => not_found(id),
        None => Reply::reason(500, "Failed to serialize data"),
    })
}

pub(super) fn delete(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let (id, generation) = (request.name().to_owned(), hub.generation);
    if hub.sequence(&id).is_none() {
        let error = format!("The sequence {id} does not exist.");
        return Some(Reply::refusal(generation, 404, None, &error));
    }
    // If one instance no longer blocks the deletion, the hub ignores all others.
    let blocked = hub.instances.of_sequence(&id).next().is_some()
        && hub
            .instances
            .of_sequence(&id)
            .all(|instance| instance.blocks_deletion());
    if !blocked {
        hub.remove_sequence(&id);
        return Some(deleted(hub, &id));
    }
    // Any value of the header forces the deletion, even `false`.
    if !generation.is_v1() || request.header("x-seq-kill-inst").is_none() {
        let v0_18 = Some("Can't remove sequence in use.");
        return Some(Reply::refusal(
            generation,
            409,
            v0_18,
            "Can't remove- Sequence in use",
        ));
    }
    let keys: BTreeSet<_> = hub
        .instances
        .of_sequence(&id)
        .map(|instance| instance.key)
        .collect();
    for key in &keys {
        hub.kill_for_deletion(*key);
    }
    hub.deletions.push(PendingDeletion {
        exchange: request.id,
        sequence: id,
        waits_for: keys,
    });
    None
}

fn deleted(hub: &Model, id: &str) -> Reply {
    let mut value = json!({ "id": id });
    if !hub.generation.is_v1() {
        javascript::set(&mut value, "opStatus", "OK");
    }
    Reply::json(200, &value)
}

pub(super) fn start(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let (id, generation) = (request.name(), hub.generation);
    if hub.overloaded {
        let text = "Insufficient Space on Resource";
        return Some(Reply::refusal(generation, 419, None, text));
    }
    let Some(sequence) = hub.sequence(id).cloned() else {
        return Some(Reply::refusal(generation, 404, None, "Not Found"));
    };
    let payload = StartPayload::of(request.json.as_ref(), generation.is_v1());
    let chosen = match chosen_id(hub, &payload) {
        Ok(chosen) => chosen,
        Err(refusal) => return Some(refusal),
    };
    if sequence.is_broken() && generation.is_v1() {
        let error = match sequence.package.engines() {
            0 | 1 => format!(
                "Sequence entrypoint path {} is invalid. Check `main` field in Sequence \
                 package.json",
                sequence.package.main()
            ),
            _ => "Incorrect config passed to SequenceConfig,'engines' field can't contain more \
                  than one element"
                .to_owned(),
        };
        return Some(Reply::json(400, &json!({ "error": error })));
    }
    let Some(program) = hub.program_of(&sequence.package) else {
        let name = &sequence.package.name;
        let error = format!(
            "this fake hub has no program for sequences named {name:?}: add one with \
             FakeHub::program"
        );
        return Some(Reply::not_modeled(&error));
    };
    let key = hub.launch(&sequence, &program, payload, chosen, !sequence.is_broken());
    if let Some(instance) = hub.instances.get_mut(key) {
        instance.pending_starts.push(request.id);
    }
    None
}

/// Returns the instance id in the body of a start.
fn chosen_id(hub: &Model, payload: &StartPayload) -> Result<Option<String>, Reply> {
    let Some(id) = &payload.instance_id else {
        return Ok(None);
    };
    let is_object = |config: &Value| config.is_object();
    let id = id.as_str().filter(|id| id.encode_utf16().count() == 36);
    let id = id.filter(|_| payload.app_config.as_ref().is_none_or(is_object));
    match id {
        None => Err(Reply::empty(500)),
        Some(id) if hub.instance(id).is_some() => {
            let error = "Instance with a given ID already exists";
            Err(Reply::json(409, &json!({ "error": error })))
        }
        Some(id) => Ok(Some(id.to_owned())),
    }
}

impl Model {
    /// Adds a sequence with a given id, as if it had been uploaded.
    pub fn add_sequence(&mut self, id: &str, package: Package) {
        self.audit_state(0, id);
        self.sequences.push(Sequence {
            id: id.to_owned(),
            package,
        });
    }

    /// Starts an instance with a given id, like a request with this payload.
    pub(super) fn launch_as(
        &mut self,
        id: &str,
        sequence: &str,
        payload: &Value,
    ) -> Option<InstanceKey> {
        let sequence = self.sequence(sequence)?.clone();
        let program = self.program_of(&sequence.package)?;
        let payload = StartPayload::of(Some(payload), self.generation.is_v1());
        let id = Some(id.to_owned());
        Some(self.launch(&sequence, &program, payload, id, !sequence.is_broken()))
    }

    pub(super) fn sequence(&self, id: &str) -> Option<&Sequence> {
        self.sequences.iter().find(|sequence| sequence.id == id)
    }

    pub(super) fn sequence_info(&self, sequence: &Sequence) -> Value {
        let (id, is_v1) = (&sequence.id, self.generation.is_v1());
        let instances: Value = self
            .instances
            .of_sequence(id)
            .map(|one| one.id.clone())
            .collect();
        let config = sequence.package.config(id, is_v1);
        let mut info = json!({ "id": id, "config": config, "instances": instances });
        if is_v1 {
            javascript::set(&mut info, "location", "STH");
        }
        info
    }

    fn program_of(&self, package: &Package) -> Option<ProgramSpec> {
        let found = || self.find_program.as_ref().and_then(|find| find(package));
        self.programs.get(&package.name).cloned().or_else(found)
    }

    fn remove_sequence(&mut self, id: &str) {
        self.audit_state(1, id);
        self.sequences.retain(|sequence| sequence.id != id);
    }

    /// Completes the forced deletions that wait only for this instance.
    pub(super) fn instance_forgotten(&mut self, key: InstanceKey) {
        for deletion in &mut self.deletions {
            deletion.waits_for.remove(&key);
        }
        let (done, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.deletions)
            .into_iter()
            .partition(|deletion| deletion.waits_for.is_empty());
        self.deletions = open;
        for deletion in done {
            self.remove_sequence(&deletion.sequence);
            let reply = deleted(self, &deletion.sequence);
            self.reply(deletion.exchange, reply);
        }
    }
}
