//! The routes of the hub, and the way from a request to its handler.

use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

use super::exchange::{ExchangeId, Upload};
use super::negotiate::{self, Scope};
use super::reply::{BYTES, JSON, Piece, Reply};
use super::{InstanceKey, Model, hub, instance_routes, sequences, topics};

/// What a handler is given.
pub(super) struct Asked {
    pub(super) id: ExchangeId,
    /// The values of the segments that a route leaves open, without those of an instance's id.
    pub(super) values: Vec<String>,
    /// The instance, in routes below `instance/:id`.
    pub(super) instance: Option<InstanceKey>,
    pub(super) headers: HeaderMap,
    /// The body of an operation in JSON; `None` if it has no body.
    pub(super) json: Option<Value>,
    /// The body of an upload.
    pub(super) bytes: Vec<u8>,
}

impl Asked {
    /// The value of the first open segment: an id or a name.
    pub(super) fn name(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn key(&self) -> InstanceKey {
        self.instance.unwrap_or(InstanceKey(0))
    }
}

/// Answers a request, or sees to it that it is answered later.
type Handle = fn(&mut Model, &Asked) -> Option<Reply>;

/// A route, once it was found.
#[derive(Clone, Copy)]
pub(super) struct Handler {
    takes: Takes,
    handle: Handle,
    scope: Scope,
}

/// The body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// JSON, whole.
    Json,
    /// Bytes, whole.
    Package,
    /// Bytes, as they come.
    Stream,
    /// The same, with a content type that the handler looks at.
    Typed,
}

/// The hubs that have a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Both,
    V1,
}

struct Route {
    method: Method,
    path: &'static [&'static str],
    on: On,
    takes: Takes,
    /// The content type of the response, which `Accept` must allow.
    gives: &'static [&'static str],
    handle: Handle,
}

const fn route(
    method: Method,
    path: &'static [&'static str],
    on: On,
    takes: Takes,
    gives: &'static [&'static str],
    handle: Handle,
) -> Route {
    Route {
        method,
        path,
        on,
        takes,
        gives,
        handle,
    }
}

/// Everything is accepted.
const ANY: &[&str] = &[];
const VALUE: &[&str] = &[JSON, "text/json"];
const STREAM: &[&str] = &[BYTES];

/// All routes. A segment of `:` is open.
#[rustfmt::skip]
const ROUTES: &[Route] = &[
    route(Method::GET, &["version"], On::Both, Takes::Nothing, VALUE, hub::version),
    route(Method::GET, &["config"], On::V1, Takes::Nothing, VALUE, hub::config),
    route(Method::GET, &["status"], On::V1, Takes::Nothing, VALUE, hub::status),
    route(Method::GET, &["load-check"], On::Both, Takes::Nothing, VALUE, hub::load_check),
    route(Method::GET, &["sequences"], On::Both, Takes::Nothing, VALUE, hub::sequences),
    route(Method::GET, &["instances"], On::Both, Takes::Nothing, VALUE, hub::instances),
    route(Method::GET, &["entities"], On::V1, Takes::Nothing, VALUE, hub::entities),
    route(Method::GET, &["log"], On::Both, Takes::Nothing, STREAM, hub::log),
    route(Method::GET, &["audit"], On::V1, Takes::Nothing, STREAM, hub::audit),
    route(Method::GET, &["topics"], On::Both, Takes::Nothing, VALUE, topics::list),
    route(Method::POST, &["topics"], On::V1, Takes::Json, ANY, topics::create),
    route(Method::DELETE, &["topics", ":"], On::V1, Takes::Json, ANY, topics::delete),
    route(Method::GET, &["topic", ":"], On::Both, Takes::Nothing, STREAM, topics::read),
    route(Method::POST, &["topic", ":"], On::Both, Takes::Typed, ANY, topics::write),
    route(Method::POST, &["sequence"], On::Both, Takes::Package, ANY, sequences::upload),
    route(Method::PUT, &["sequence", ":"], On::V1, Takes::Package, ANY, sequences::overwrite),
    route(Method::GET, &["sequence", ":"], On::Both, Takes::Nothing, VALUE, sequences::info),
    route(Method::DELETE, &["sequence", ":"], On::Both, Takes::Json, ANY, sequences::delete),
    route(Method::GET, &["sequence", ":", "instances"], On::Both, Takes::Nothing, VALUE,
        sequences::instances),
    route(Method::POST, &["sequence", ":", "start"], On::Both, Takes::Json, ANY, sequences::start),
    route(Method::GET, &["instance", ":"], On::Both, Takes::Nothing, VALUE, instance_routes::info),
    route(Method::GET, &["instance", ":", "health"], On::Both, Takes::Nothing, VALUE,
        instance_routes::health),
    route(Method::GET, &["instance", ":", "output"], On::Both, Takes::Nothing, STREAM,
        instance_routes::output),
    route(Method::GET, &["instance", ":", "stdout"], On::Both, Takes::Nothing, STREAM,
        instance_routes::stdout),
    route(Method::GET, &["instance", ":", "stderr"], On::Both, Takes::Nothing, STREAM,
        instance_routes::stderr),
    route(Method::GET, &["instance", ":", "log"], On::Both, Takes::Nothing, STREAM,
        instance_routes::log),
    route(Method::GET, &["instance", ":", "event", ":"], On::Both, Takes::Nothing, VALUE,
        instance_routes::last_event),
    route(Method::GET, &["instance", ":", "once", ":"], On::Both, Takes::Nothing, VALUE,
        instance_routes::next_event),
    route(Method::GET, &["instance", ":", "events", ":"], On::Both, Takes::Nothing, STREAM,
        instance_routes::event_stream),
    route(Method::POST, &["instance", ":", "stdin"], On::Both, Takes::Stream, ANY,
        instance_routes::stdin),
    route(Method::POST, &["instance", ":", "input"], On::Both, Takes::Typed, ANY,
        instance_routes::input),
    route(Method::POST, &["instance", ":", "inout"], On::V1, Takes::Typed, ANY,
        instance_routes::inout),
    route(Method::POST, &["instance", ":", "_event"], On::Both, Takes::Json, ANY,
        instance_routes::send_event),
    route(Method::POST, &["instance", ":", "_stop"], On::Both, Takes::Json, ANY,
        instance_routes::stop),
    route(Method::POST, &["instance", ":", "_kill"], On::Both, Takes::Json, ANY,
        instance_routes::kill),
    route(Method::POST, &["instance", ":", "_monitoring_rate"], On::Both, Takes::Json, ANY,
        instance_routes::monitoring_rate),
];

/// Ids that JavaScript finds in every object: requests for them are never answered.
const FOUND_IN_OBJECTS: &[&str] = &[
    "toString",
    "constructor",
    "__proto__",
    "valueOf",
    "hasOwnProperty",
    "isPrototypeOf",
];

impl Route {
    /// Literals match in any case, one slash at the end is ignored.
    fn matches(&self, path: &[String]) -> bool {
        self.path.len() == path.len()
            && self
                .path
                .iter()
                .zip(path)
                .all(|(wanted, given)| match *wanted {
                    ":" => !given.is_empty(),
                    literal => literal.eq_ignore_ascii_case(given),
                })
    }
}

impl Model {
    /// Finds the handler of a request that has just come, and lets it answer as soon as it can.
    pub(super) fn dispatch(&mut self, id: ExchangeId, path: &str) {
        let below = path
            .strip_prefix(Self::BASE)
            .filter(|rest| rest.starts_with('/'));
        let Some(exchange) = self.exchange(id) else {
            return;
        };
        let below = below.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        exchange.path = below
            .into_iter()
            .flat_map(|p| p.split('/').skip(1))
            .map(Into::into)
            .collect();
        self.dispatch_again(id);
    }

    /// The same for a request that was put off.
    pub(super) fn dispatch_again(&mut self, id: ExchangeId) {
        match self.find_handler(id) {
            Err(None) => {}
            Err(Some(refusal)) => self.reply(id, refusal),
            Ok(handler) => {
                self.ask_for_body(id, handler);
                match handler.takes {
                    Takes::Nothing | Takes::Stream | Takes::Typed => self.handle(id, handler, None),
                    Takes::Json | Takes::Package => self.collect(id, handler),
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

    /// The handler; or a refusal; or nothing, if the request has to wait.
    fn find_handler(&mut self, id: ExchangeId) -> Result<Handler, Option<Reply>> {
        const CORS: &[(&str, &str)] = &[
            ("access-control-allow-headers", "*"),
            ("access-control-allow-methods", "DELETE, POST, GET, OPTIONS"),
        ];
        let generation = self.generation;
        let Some(exchange) = self.exchange(id) else {
            return Err(None);
        };
        let expected = exchange.headers.get(header::EXPECT);
        if expected.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
            return Err(Some(Reply::empty(417)));
        }
        if exchange.method == Method::OPTIONS {
            return Err(Some(Reply::sized(200, "").with_headers(CORS)));
        }
        let (path, headers) = (exchange.path.clone(), exchange.headers.clone());
        let method = match exchange.method {
            Method::HEAD => Method::GET,
            ref method => method.clone(),
        };
        let is_instance = path
            .first()
            .is_some_and(|first| first.eq_ignore_ascii_case("instance"));
        let scope = match is_instance && path.len() > 1 {
            true => Scope::Instance,
            false => Scope::Host,
        };
        if scope == Scope::Instance {
            self.find_instance(id, path.get(1).map_or("", String::as_str))?;
        }
        let there = |route: &&Route| {
            route.method == method
                && (route.on == On::Both || generation.is_v1())
                && route.matches(&path)
        };
        let Some(route) = ROUTES.iter().find(there) else {
            let cpm = path.first().is_some_and(|first| first == "cpm");
            return Err(Some(match scope {
                Scope::Instance => Reply::sized(404, ""),
                Scope::Host if cpm && generation.is_v1() => Reply::sized(404, ""),
                Scope::Host => Reply::empty(404),
            }));
        };
        let checked = match route.takes {
            Takes::Json => negotiate::check_json_type(generation, scope, &headers),
            Takes::Package | Takes::Stream => negotiate::check_bytes(generation, scope, &headers),
            Takes::Nothing | Takes::Typed => Ok(()),
        };
        checked.map_err(Some)?;
        if !route.gives.is_empty() {
            negotiate::check_accept(generation, scope, &headers, route.gives).map_err(Some)?;
        }
        Ok(Handler {
            takes: route.takes,
            handle: route.handle,
            scope,
        })
    }

    /// Whether the instance is there and connected; a refusal, or nothing if the request has to
    /// wait for that.
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
        let waits = |instance: &&mut super::instance::Instance| {
            instance.stage == super::instance::Stage::Connecting
        };
        match self.instances.get_mut(key).filter(waits) {
            Some(instance) => {
                instance.waiting.push(id);
                Err(None)
            }
            None => Ok(()),
        }
    }

    /// Sends the interim responses that a client asks for with `Expect: 100-continue`.
    fn ask_for_body(&mut self, id: ExchangeId, handler: Handler) {
        let v0_18 = !self.generation.is_v1();
        let Some(exchange) = self.exchange(id) else {
            return;
        };
        if !exchange.headers.contains_key(header::EXPECT) {
            return;
        }
        let is_topic = exchange.path.first().is_some_and(|first| first == "topic");
        let times = match handler.takes {
            // The handler of a topic asks when earlier writers have finished.
            Takes::Typed if is_topic && !v0_18 => 0,
            Takes::Nothing => 0,
            Takes::Package | Takes::Stream | Takes::Typed if v0_18 => 2,
            _ => 1,
        };
        for _ in 0..times {
            self.push(id, Piece::Continue);
        }
    }

    /// Calls a handler, with the whole body if it takes one.
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
            // It has gone while the body came.
            if let Err(Some(refusal)) = self.find_instance(id, path.get(1).map_or("", |s| s)) {
                self.reply(id, refusal);
            }
            return;
        }
        let json = match handler.takes {
            Takes::Json => {
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
        let asked = Asked {
            id,
            values,
            instance,
            headers,
            json,
            bytes,
        };
        if let Some(reply) = (handler.handle)(self, &asked) {
            self.reply(id, reply);
        }
    }
}
