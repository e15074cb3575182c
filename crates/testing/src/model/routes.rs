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
pub(super) struct RouteRequest {
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

impl RouteRequest {
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
pub(super) type HandlerFn = fn(&mut Model, &RouteRequest) -> Option<Reply>;

/// The body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestBodyKind {
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
enum Availability {
    Both,
    V1,
}

pub(super) struct Route {
    method: Method,
    path: &'static [&'static str],
    on: Availability,
    pub(super) body: RequestBodyKind,
    /// The content types of the response, of which `Accept` must allow one.
    pub(super) accepts: &'static [&'static str],
    pub(super) handle: HandlerFn,
}

const fn route(
    method: Method,
    path: &'static [&'static str],
    on: Availability,
    takes: RequestBodyKind,
    gives: &'static [&'static str],
    handle: HandlerFn,
) -> Route {
    Route {
        method,
        path,
        on,
        body: takes,
        accepts: gives,
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
    route(Method::GET, &["version"], Availability::Both, RequestBodyKind::Nothing, VALUE, hub::version),
    route(Method::GET, &["config"], Availability::V1, RequestBodyKind::Nothing, VALUE, hub::config),
    route(Method::GET, &["status"], Availability::V1, RequestBodyKind::Nothing, VALUE, hub::status),
    route(Method::GET, &["load-check"], Availability::Both, RequestBodyKind::Nothing, VALUE, hub::load_check),
    route(Method::GET, &["sequences"], Availability::Both, RequestBodyKind::Nothing, VALUE, hub::sequences),
    route(Method::GET, &["instances"], Availability::Both, RequestBodyKind::Nothing, VALUE, hub::instances),
    route(Method::GET, &["entities"], Availability::V1, RequestBodyKind::Nothing, VALUE, hub::entities),
    route(Method::GET, &["log"], Availability::Both, RequestBodyKind::Nothing, STREAM, hub::log),
    route(Method::GET, &["audit"], Availability::V1, RequestBodyKind::Nothing, STREAM, hub::audit),
    route(Method::POST, &["platform"], Availability::V1, RequestBodyKind::Typed, ANY, hub::platform),
    route(Method::GET, &["topics"], Availability::Both, RequestBodyKind::Nothing, VALUE, topics::list),
    route(Method::POST, &["topics"], Availability::V1, RequestBodyKind::Json, ANY, topics::create),
    route(Method::DELETE, &["topics", ":"], Availability::V1, RequestBodyKind::Json, ANY, topics::delete),
    route(Method::GET, &["topic", ":"], Availability::Both, RequestBodyKind::Nothing, STREAM, topics::read),
    route(Method::POST, &["topic", ":"], Availability::Both, RequestBodyKind::Typed, ANY, topics::write),
    route(Method::POST, &["sequence"], Availability::Both, RequestBodyKind::Package, ANY, sequences::upload),
    route(Method::PUT, &["sequence", ":"], Availability::V1, RequestBodyKind::Package, ANY, sequences::overwrite),
    route(Method::GET, &["sequence", ":"], Availability::Both, RequestBodyKind::Nothing, VALUE, sequences::info),
    route(Method::DELETE, &["sequence", ":"], Availability::Both, RequestBodyKind::Json, ANY, sequences::delete),
    route(Method::GET, &["sequence", ":", "instances"], Availability::Both, RequestBodyKind::Nothing, VALUE,
        sequences::instances),
    route(Method::POST, &["sequence", ":", "start"], Availability::Both, RequestBodyKind::Json, ANY, sequences::start),
    route(Method::GET, &["instance", ":"], Availability::Both, RequestBodyKind::Nothing, VALUE, instance_routes::info),
    route(Method::GET, &["instance", ":", "health"], Availability::Both, RequestBodyKind::Nothing, VALUE,
        instance_routes::health),
    route(Method::GET, &["instance", ":", "output"], Availability::Both, RequestBodyKind::Nothing, STREAM,
        streams::output),
    route(Method::GET, &["instance", ":", "stdout"], Availability::Both, RequestBodyKind::Nothing, STREAM,
        streams::stdout),
    route(Method::GET, &["instance", ":", "stderr"], Availability::Both, RequestBodyKind::Nothing, STREAM,
        streams::stderr),
    route(Method::GET, &["instance", ":", "log"], Availability::Both, RequestBodyKind::Nothing, STREAM,
        streams::log),
    route(Method::GET, &["instance", ":", "event", ":"], Availability::Both, RequestBodyKind::Nothing, VALUE,
        events::last_event),
    route(Method::GET, &["instance", ":", "once", ":"], Availability::Both, RequestBodyKind::Nothing, VALUE,
        events::next_event),
    route(Method::GET, &["instance", ":", "events", ":"], Availability::Both, RequestBodyKind::Nothing, STREAM,
        events::event_stream),
    route(Method::POST, &["instance", ":", "stdin"], Availability::Both, RequestBodyKind::Stream, ANY,
        streams::stdin),
    route(Method::POST, &["instance", ":", "input"], Availability::Both, RequestBodyKind::Typed, ANY,
        streams::input),
    route(Method::POST, &["instance", ":", "inout"], Availability::V1, RequestBodyKind::Typed, ANY,
        streams::inout),
    route(Method::POST, &["instance", ":", "_event"], Availability::Both, RequestBodyKind::Json, ANY,
        control::send_event),
    route(Method::POST, &["instance", ":", "_stop"], Availability::Both, RequestBodyKind::Json, ANY,
        control::stop),
    route(Method::POST, &["instance", ":", "_kill"], Availability::Both, RequestBodyKind::Json, ANY,
        control::kill),
    route(Method::POST, &["instance", ":", "_monitoring_rate"], Availability::Both, RequestBodyKind::Json, ANY,
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
            && (route.on == Availability::Both || generation.is_v1())
            && route.matches(path)
    })
}
