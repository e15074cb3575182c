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

/// A request as its handler receives it.
pub(super) struct RouteRequest {
    pub(super) id: ExchangeId,
    /// The values of the placeholders of the route, without the id of an instance.
    pub(super) values: Vec<String>,
    /// The instance of a route below `instance/:id`.
    pub(super) instance: Option<InstanceKey>,
    pub(super) headers: HeaderMap,
    /// The body of a JSON operation; `None` if it is empty.
    pub(super) json: Option<Value>,
    /// The body of an upload.
    pub(super) bytes: Vec<u8>,
}

impl RouteRequest {
    /// Returns the value of the first placeholder: an id or a name.
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

/// A handler of requests. Without a reply, the response comes later, is streamed, or never comes.
pub(super) type HandlerFn = fn(&mut Model, &RouteRequest) -> Option<Reply>;

/// The kind of body that a route accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyKind {
    Nothing,
    /// JSON. The handler gets the whole body.
    Json,
    /// Bytes. The handler gets the whole body.
    Package,
    /// Bytes. The handler streams them.
    Stream,
    /// Bytes, with a content type that the handler checks. The handler streams them.
    Typed,
}

/// The generations that have a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hubs {
    Both,
    V1,
}

pub(super) struct Route {
    method: Method,
    path: &'static [&'static str],
    on: Hubs,
    pub(super) body: BodyKind,
    /// The content types that `Accept` must allow. If it is empty, `Accept` is ignored.
    pub(super) accepts: &'static [&'static str],
    pub(super) handle: HandlerFn,
}

const fn route(
    method: Method,
    path: &'static [&'static str],
    on: Hubs,
    takes: BodyKind,
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

/// `Accept` is ignored.
const ANY: &[&str] = &[];
const VALUE: &[&str] = JSON_TYPES;
const STREAM: &[&str] = &[BYTES];

/// All routes. The segment `:` is a placeholder.
#[rustfmt::skip]
const ROUTES: &[Route] = &[
    route(Method::GET, &["version"], Hubs::Both, BodyKind::Nothing, VALUE, hub::version),
    route(Method::GET, &["config"], Hubs::V1, BodyKind::Nothing, VALUE, hub::config),
    route(Method::GET, &["status"], Hubs::V1, BodyKind::Nothing, VALUE, hub::status),
    route(Method::GET, &["load-check"], Hubs::Both, BodyKind::Nothing, VALUE, hub::load_check),
    route(Method::GET, &["sequences"], Hubs::Both, BodyKind::Nothing, VALUE, hub::sequences),
    route(Method::GET, &["instances"], Hubs::Both, BodyKind::Nothing, VALUE, hub::instances),
    route(Method::GET, &["entities"], Hubs::V1, BodyKind::Nothing, VALUE, hub::entities),
    route(Method::GET, &["log"], Hubs::Both, BodyKind::Nothing, STREAM, hub::log),
    route(Method::GET, &["audit"], Hubs::V1, BodyKind::Nothing, STREAM, hub::audit),
    route(Method::POST, &["platform"], Hubs::V1, BodyKind::Typed, ANY, hub::platform),
    route(Method::GET, &["topics"], Hubs::Both, BodyKind::Nothing, VALUE, topics::list),
    route(Method::POST, &["topics"], Hubs::V1, BodyKind::Json, ANY, topics::create),
    route(Method::DELETE, &["topics", ":"], Hubs::V1, BodyKind::Json, ANY, topics::delete),
    route(Method::GET, &["topic", ":"], Hubs::Both, BodyKind::Nothing, STREAM, topics::read),
    route(Method::POST, &["topic", ":"], Hubs::Both, BodyKind::Typed, ANY, topics::write),
    route(Method::POST, &["sequence"], Hubs::Both, BodyKind::Package, ANY, sequences::upload),
    route(Method::PUT, &["sequence", ":"], Hubs::V1, BodyKind::Package, ANY, sequences::overwrite),
    route(Method::GET, &["sequence", ":"], Hubs::Both, BodyKind::Nothing, VALUE, sequences::info),
    route(Method::DELETE, &["sequence", ":"], Hubs::Both, BodyKind::Json, ANY, sequences::delete),
    route(Method::GET, &["sequence", ":", "instances"], Hubs::Both, BodyKind::Nothing, VALUE,
        sequences::instances),
    route(Method::POST, &["sequence", ":", "start"], Hubs::Both, BodyKind::Json, ANY,
        sequences::start),
    route(Method::GET, &["instance", ":"], Hubs::Both, BodyKind::Nothing, VALUE,
        instance_routes::info),
    route(Method::GET, &["instance", ":", "health"], Hubs::Both, BodyKind::Nothing, VALUE,
        instance_routes::health),
    route(Method::GET, &["instance", ":", "output"], Hubs::Both, BodyKind::Nothing, STREAM,
        streams::output),
    route(Method::GET, &["instance", ":", "stdout"], Hubs::Both, BodyKind::Nothing, STREAM,
        streams::stdout),
    route(Method::GET, &["instance", ":", "stderr"], Hubs::Both, BodyKind::Nothing, STREAM,
        streams::stderr),
    route(Method::GET, &["instance", ":", "log"], Hubs::Both, BodyKind::Nothing, STREAM,
        streams::log),
    route(Method::GET, &["instance", ":", "event", ":"], Hubs::Both, BodyKind::Nothing, VALUE,
        events::last_event),
    route(Method::GET, &["instance", ":", "once", ":"], Hubs::Both, BodyKind::Nothing, VALUE,
        events::next_event),
    route(Method::GET, &["instance", ":", "events", ":"], Hubs::Both, BodyKind::Nothing, STREAM,
        events::event_stream),
    route(Method::POST, &["instance", ":", "stdin"], Hubs::Both, BodyKind::Stream, ANY,
        streams::stdin),
    route(Method::POST, &["instance", ":", "input"], Hubs::Both, BodyKind::Typed, ANY,
        streams::input),
    route(Method::POST, &["instance", ":", "inout"], Hubs::V1, BodyKind::Typed, ANY,
        streams::inout),
    route(Method::POST, &["instance", ":", "_event"], Hubs::Both, BodyKind::Json, ANY,
        control::send_event),
    route(Method::POST, &["instance", ":", "_stop"], Hubs::Both, BodyKind::Json, ANY,
        control::stop),
    route(Method::POST, &["instance", ":", "_kill"], Hubs::Both, BodyKind::Json, ANY,
        control::kill),
    route(Method::POST, &["instance", ":", "_monitoring_rate"], Hubs::Both, BodyKind::Json, ANY,
        control::monitoring_rate),
];

impl Route {
    /// Returns `true` if a path matches. Literals ignore case.
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
            && (route.on == Hubs::Both || generation.is_v1())
            && route.matches(path)
    })
}
