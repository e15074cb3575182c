//! The routes of the hub.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::exchange::ExchangeId;
use super::negotiate::JSON_TYPES;
use super::reply::{BYTES, Reply};
use super::{
    Generation, InstanceKey, Model, control_routes as control, events, hub, instance_routes,
    sequences, stream_routes as streams, topics,
};

/// A request, for its handler.
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

/// Answers a request. Without a reply, it is answered later, bit by bit, or never.
pub(super) type Handle = fn(&mut Model, &Asked) -> Option<Reply>;

/// The body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// JSON, whole.
    Json,
    /// Bytes, whole.
    Package,
    /// Bytes, as they come.
    Stream,
    /// Bytes, as they come, with a content type that the handler checks.
    Typed,
}

/// The hubs that have a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Both,
    V1,
}

pub(super) struct Route {
    method: Method,
    path: &'static [&'static str],
    on: On,
    pub(super) takes: Takes,
    /// The content types of the response, of which `Accept` must allow one.
    pub(super) gives: &'static [&'static str],
    pub(super) handle: Handle,
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

/// `Accept` is not looked at.
const ANY: &[&str] = &[];
const VALUE: &[&str] = JSON_TYPES;
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
    route(Method::POST, &["platform"], On::V1, Takes::Typed, ANY, hub::platform),
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
        streams::output),
    route(Method::GET, &["instance", ":", "stdout"], On::Both, Takes::Nothing, STREAM,
        streams::stdout),
    route(Method::GET, &["instance", ":", "stderr"], On::Both, Takes::Nothing, STREAM,
        streams::stderr),
    route(Method::GET, &["instance", ":", "log"], On::Both, Takes::Nothing, STREAM,
        streams::log),
    route(Method::GET, &["instance", ":", "event", ":"], On::Both, Takes::Nothing, VALUE,
        events::last_event),
    route(Method::GET, &["instance", ":", "once", ":"], On::Both, Takes::Nothing, VALUE,
        events::next_event),
    route(Method::GET, &["instance", ":", "events", ":"], On::Both, Takes::Nothing, STREAM,
        events::event_stream),
    route(Method::POST, &["instance", ":", "stdin"], On::Both, Takes::Stream, ANY,
        streams::stdin),
    route(Method::POST, &["instance", ":", "input"], On::Both, Takes::Typed, ANY,
        streams::input),
    route(Method::POST, &["instance", ":", "inout"], On::V1, Takes::Typed, ANY,
        streams::inout),
    route(Method::POST, &["instance", ":", "_event"], On::Both, Takes::Json, ANY,
        control::send_event),
    route(Method::POST, &["instance", ":", "_stop"], On::Both, Takes::Json, ANY,
        control::stop),
    route(Method::POST, &["instance", ":", "_kill"], On::Both, Takes::Json, ANY,
        control::kill),
    route(Method::POST, &["instance", ":", "_monitoring_rate"], On::Both, Takes::Json, ANY,
        control::monitoring_rate),
];

impl Route {
    /// Checks a path. Literals match in any case.
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

/// Finds the route of a request.
pub(super) fn find(
    generation: Generation,
    method: &Method,
    path: &[String],
) -> Option<&'static Route> {
    ROUTES.iter().find(|route| {
        route.method == *method
            && (route.on == On::Both || generation.is_v1())
            && route.matches(path)
    })
}
