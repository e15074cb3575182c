//! Finds the handler of a request and calls it.

use http::{HeaderMap, Method, header};
use serde_json::json;

use super::Model;
use super::exchange::ExchangeId;
use super::instance::{Instance, ProcessState};
use super::negotiate::{self, Scope};
use super::reply::{Piece, Reply};
use super::routes::{self, BodyKind, HandlerFn, RouteRequest};
use super::upload::Upload;

/// The handler of a request, from its route.
#[derive(Clone, Copy)]
pub(super) struct Handler {
    takes: BodyKind,
    handle: HandlerFn,
    scope: Scope,
}

/// Ids that are members of every JavaScript object. Requests for them never get a response.
const FOUND_IN_OBJECTS: &[&str] = &[
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// Returns the segments of a path below the base. One slash at the end is ignored. Any other extra
/// slash makes an empty segment, which no route matches.
fn segments(path: &str) -> Vec<String> {
    let base = path.get(..Model::BASE.len());
    let below = base
        .filter(|base| base.eq_ignore_ascii_case(Model::BASE))
        .and_then(|base| path.get(base.len()..))
        .filter(|below| below.starts_with('/'))
        .unwrap_or_default();
    let below = below.strip_suffix('/').unwrap_or(below);
    below.split('/').skip(1).map(str::to_owned).collect()
}

impl Model {
    /// Dispatches a request whose head has just arrived.
    pub(super) fn dispatch(&mut self, id: ExchangeId, path: &str) {
        let is_v1 = self.generation.is_v1();
        let Some(exchange) = self.exchange(id) else {
            return;
        };
        exchange.path = segments(path);
        match expectation(&exchange.headers) {
            Expectation::None => {}
            // Rule 2.3
            Expectation::Unknown => return self.reply(id, Reply::empty(417).without_cors()),
            // Rule 2.5: Node.js sends it before the hub sees the request.
            Expectation::Continue if !is_v1 => self.push(id, Piece::Continue),
            Expectation::Continue => {}
        }
        self.resume_dispatch(id);
    }

    /// Dispatches a request that may have been deferred.
    pub(super) fn resume_dispatch(&mut self, id: ExchangeId) {
        match self.find_handler(id) {
            Err(None) => {}
            Err(Some(refusal)) => self.reply(id, refusal),
            Ok(handler) => {
                self.send_continue(id, handler);
                match handler.takes {
                    BodyKind::Nothing | BodyKind::Stream | BodyKind::Typed => {
                        self.handle(id, handler, None)
                    }
                    BodyKind::Json | BodyKind::Package => self.collect(id, handler),
                }
            }
        }
    }

    fn collect(&mut self, id: ExchangeId, handler: Handler) {
        let Some(exchange) = self.exchange(id) else {
            return;
        };
        if exchange.uploaded {
            self.handle(id, handler, Some(Vec::new()));
        } else {
            exchange.upload = Upload::Collected(Vec::new(), handler);
        }
    }

    /// Returns the handler, or a refusal. `Err(None)` means that the request has to wait.
    fn find_handler(&mut self, id: ExchangeId) -> Result<Handler, Option<Reply>> {
        const CORS: &[(&str, &str)] = &[
            ("access-control-allow-headers", "*"),
            ("access-control-allow-methods", "DELETE, POST, GET, OPTIONS"),
        ];
        let generation = self.generation;
        let Some(exchange) = self.exchange(id) else {
            return Err(None);
        };
        // Rule 2.1
        if exchange.method == Method::OPTIONS {
            return Err(Some(Reply::sized(200, "").with_headers(CORS)));
        }
        let (path, headers) = (exchange.path.clone(), exchange.headers.clone());
        let method = match exchange.method {
            Method::HEAD => Method::GET,
            ref method => method.clone(),
        };
        let is_first = |name: &str| {
            let first = path.first();
            first.is_some_and(|first| first.eq_ignore_ascii_case(name))
        };
        let instance = path
            .get(1)
            .filter(|id| is_first("instance") && !id.is_empty());
        let scope = match instance {
            Some(_) => Scope::Instance,
            None => Scope::Host,
        };
        if let Some(instance) = instance {
            self.find_instance(id, instance)?;
        }
        let Some(route) = routes::find(generation, &method, &path) else {
            let cpm = is_first("cpm");
            return Err(Some(match scope {
                Scope::Instance => Reply::sized(404, ""),
                Scope::Host if cpm && generation.is_v1() => Reply::sized(404, ""),
                Scope::Host => Reply::empty(404),
            }));
        };
        let checked = match route.body {
            BodyKind::Json => negotiate::check_json_type(generation, scope, &headers),
            BodyKind::Package | BodyKind::Stream => {
                negotiate::check_bytes(generation, scope, &headers)
            }
            BodyKind::Nothing | BodyKind::Typed => Ok(()),
        };
        checked.map_err(Some)?;
        if !route.accepts.is_empty() {
            negotiate::check_accept(generation, scope, &headers, route.accepts).map_err(Some)?;
        }
        Ok(Handler {
            takes: route.body,
            handle: route.handle,
            scope,
        })
    }

    /// Checks that an instance exists and is connected. `Err(None)` means that the request has to
    /// wait.
    fn find_instance(&mut self, id: ExchangeId, name: &str) -> Result<(), Option<Reply>> {
        if FOUND_IN_OBJECTS.contains(&name) {
            return Err(None);
        }
        let Some(key) = self.instance(name) else {
            let error = json!({ "error": format!("Instance {name} not found") });
            return Err(Some(match self.generation.is_v1() {
                true => Reply::json(404, &error).untyped(),
                false => Reply::sized(404, ""),
            }));
        };
        let waits = |instance: &&mut Instance| instance.state == ProcessState::Connecting;
        match self.instances.get_mut(key).filter(waits) {
            Some(instance) => {
                instance.pending_requests.push(id);
                Err(None)
            }
            None => Ok(()),
        }
    }

    // Rule 2.5
    /// Sends an interim response if the client expects one and the handler needs the body.
    fn send_continue(&mut self, id: ExchangeId, handler: Handler) {
        let is_v1 = self.generation.is_v1();
        let Some(exchange) = self.exchange(id) else {
            return;
        };
        if expectation(&exchange.headers) == Expectation::None {
            return;
        }
        let is_topic = exchange
            .path
            .first()
            .is_some_and(|first| first.eq_ignore_ascii_case("topic"));
        let sends = match handler.takes {
            BodyKind::Nothing => false,
            BodyKind::Json => is_v1,
            // The handler of a topic sends it when earlier writers have finished.
            BodyKind::Typed if is_topic => !is_v1,
            BodyKind::Package | BodyKind::Stream | BodyKind::Typed => true,
        };
        if sends {
            self.push(id, Piece::Continue);
        }
    }

    /// Calls a handler, with the whole body if it needs that.
    pub(super) fn handle(&mut self, id: ExchangeId, handler: Handler, body: Option<Vec<u8>>) {
        let Some(exchange) = self.exchange(id) else {
            return;
        };
        let path = exchange.path.clone();
        let headers = exchange.headers.clone();
        let is_instance = handler.scope == Scope::Instance;
        let instance = path
            .get(1)
            .filter(|_| is_instance)
            .and_then(|name| self.instance(name));
        if is_instance && instance.is_none() {
            // The hub has forgotten the instance while the body arrived.
            if let Err(Some(refusal)) = self.find_instance(id, path.get(1).map_or("", |s| s)) {
                self.reply(id, refusal);
            }
            return;
        }
        let json = match handler.takes {
            BodyKind::Json => {
                match negotiate::parse_json(handler.scope, body.as_deref().unwrap_or_default()) {
                    Ok(json) => json,
                    Err(refusal) => return self.reply(id, refusal),
                }
            }
            _ => None,
        };
        let skipped = if is_instance { 3 } else { 1 };
        let values = path.into_iter().skip(skipped).collect();
        let bytes = body.unwrap_or_default();
        let request = RouteRequest {
            id,
            values,
            instance,
            headers,
            json,
            bytes,
        };
        if let Some(reply) = (handler.handle)(self, &request) {
            self.reply(id, reply);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expectation {
    None,
    Continue,
    Unknown,
}

fn expectation(headers: &HeaderMap) -> Expectation {
    match headers.get(header::EXPECT) {
        None => Expectation::None,
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Expectation::Continue
        }
        Some(_) => Expectation::Unknown,
    }
}
