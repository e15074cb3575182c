//! What is made of recorded replies: every fixture is a row of a table here, once.

use std::{cell::RefCell, collections::BTreeSet, fmt::Debug};

use scramjet_client_core::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use scramjet_client_core::{
    Acknowledged, ApiError, ContentType, Decode, DeleteSequence, Dialect, Endpoint, ErrorCode, Event, EventBody, EventName, GetInstance,
    GetInstanceHealth, GetSequence, GetVersion, InstanceId, InstanceStatus, KillInstance, KillOptions, LastEvent, ListInstances,
    ListSequenceInstances, ListSequences, NextEvent, Operation, OutputStream, OverwriteSequence, ReadStream, ReplyError, SendInput,
    SendSequence, SendStdin, SequenceId, SequenceOf, Single, StartOptions, StartSequence, Step, StopInstance, StopOptions, Version,
};
use scramjet_client_tests::fixture::{self, Exchange};
use serde::Serialize;
use serde_json::{Value, json};

use crate::drive::{Head, every_split, hub};

/// The fixtures of one folder, and which of them a row was written for.
struct Table {
    generation: &'static str,
    hub: Endpoint,
    rows: RefCell<BTreeSet<String>>,
}

/// An exchange that a row is about, and the place where it stands.
struct Row {
    exchange: Exchange,
    place: String,
}

impl Table {
    fn new(generation: &'static str, dialect: Option<Dialect>) -> Self {
        let hub = dialect.map_or_else(hub, |dialect| hub().with_dialect(dialect));
        Self { generation, hub, rows: RefCell::default() }
    }

    fn row(&self, name: &str) -> Row {
        let place = format!("{}/{name}", self.generation);
        assert!(self.rows.borrow_mut().insert(name.to_owned()), "{place} has two rows");
        Row { exchange: fixture::load(self.generation, name), place }
    }

    /// The reply is complete, and becomes the one item that `check` accepts. Whatever the hub wrote is in it.
    fn gives<O>(&self, name: &str, operation: impl Fn(&Row) -> O, check: impl Fn(&<O::Decoder as Decode>::Item) -> bool)
    where
        O: Operation,
        O::Decoder: Single<Item: Debug + Serialize>,
    {
        let row = self.row(name);
        let item = row.item(&self.hub, &operation(&row));
        assert!(check(&item), "{}: {item:#?}", row.place);
        if !row.exchange.response.body.is_empty() {
            let sent = serde_json::from_slice(&row.exchange.response.body).expect("a JSON body");
            assert_kept(&sent, &serde_json::to_value(&item).expect("a JSON value"), &row.place);
        }
    }

    /// The reply is an event of the requested name with this data.
    fn event<O: Operation<Decoder = EventBody>>(&self, name: &str, operation: impl Fn(&Row) -> O, data: Value) {
        let row = self.row(name);
        let event: Event = row.item(&self.hub, &operation(&row));
        let asked = row.exchange.request.target.rsplit('/').next().unwrap_or_default();
        assert_eq!((event.name.as_str(), &event.data), (asked, &data), "{}", row.place);
    }

    /// The reply means yes and nothing more.
    fn done<O: Operation<Decoder: Single<Item = ()>>>(&self, name: &str, operation: impl Fn(&Row) -> O) {
        let row = self.row(name);
        row.item(&self.hub, &operation(&row));
    }

    /// The reply is a stream, complete, of these bytes.
    fn streams(&self, name: &str, bytes: &str) {
        let row = self.row(name);
        let read = row.read_stream();
        let items = row.outcome(&self.hub, &read, |pieces| pieces.concat()).unwrap_or_else(|error| panic!("{}: {error:?}", row.place));
        assert_eq!(String::from_utf8_lossy(&items), bytes, "{}", row.place);
    }

    /// The reply is a refusal. `named` is the status that is meant, and the one in the status line where that is another.
    fn refuses<O>(&self, name: &str, operation: impl Fn(&Row) -> O, named: impl Into<Statuses>, code: ErrorCode, message: &str) -> ApiError
    where
        O: Operation<Decoder: Decode<Item: Debug>>,
    {
        let row = self.row(name);
        let error = match row.outcome(&self.hub, &operation(&row), |items| items) {
            Err(ReplyError::Api(error)) => *error,
            other => panic!("{}: {other:?}", row.place),
        };
        let Statuses { meant, received } = named.into();
        let seen = (error.status.as_u16(), error.received_status.as_u16(), &error.code, error.message.as_str());
        assert_eq!(seen, (meant, received, &code, message), "{}", row.place);
        assert_eq!(error.body, row.exchange.response.body, "{}: the body is kept", row.place);
        error
    }

    /// The recording breaks off in the reply, which never ends: nothing is made of it before its end, except that a stream's bytes are handed on.
    fn unfinished<O: Operation>(&self, name: &str, operation: impl Fn(&Row) -> O, reason: &str) {
        let row = self.row(name);
        let operation = operation(&row);
        let Response { head, body, complete } = row.response(&operation);
        assert!(!complete && head.status.is_success() && !reason.is_empty(), "{}: {reason}", row.place);
        let mut reply = head.reply(&self.hub, &operation);
        reply.feed(body);
        let first = matches!(reply.next_item().unwrap_or_else(|error| panic!("{}: {error}", row.place)), Step::Item(_));
        assert_eq!(first, !body.is_empty(), "{}", row.place);
        assert!(matches!(reply.next_item(), Ok(Step::NeedData)), "{}", row.place);
    }

    /// Skipped: the hub did not answer as long as anyone waited.
    fn unanswered(&self, name: &str, reason: &str) {
        let row = self.row(name);
        assert!(row.exchange.response.status == 0 && !reason.is_empty(), "{}: it was answered", row.place);
    }

    /// Skipped: nothing that core sends is answered like this.
    fn foreign(&self, name: &str, reason: &str) {
        let row = self.row(name);
        assert!(row.exchange.response.complete && !reason.is_empty(), "{}", row.place);
    }

    fn finish(self) {
        let files: BTreeSet<String> = fixture::names(self.generation).into_iter().collect();
        assert_eq!(files, self.rows.into_inner(), "{}: left: the fixtures, right: the rows", self.generation);
    }
}

/// The status that is meant, and the one that came in the status line.
struct Statuses {
    meant: u16,
    received: u16,
}

impl From<u16> for Statuses {
    fn from(status: u16) -> Self {
        Self { meant: status, received: status }
    }
}

impl From<(u16, u16)> for Statuses {
    fn from((meant, received): (u16, u16)) -> Self {
        Self { meant, received }
    }
}

struct Response<'a> {
    head: Head,
    body: &'a [u8],
    complete: bool,
}

impl Row {
    /// The reply, after a check that the request of the recording is the one that the operation makes.
    fn response<O: Operation>(&self, operation: &O) -> Response<'_> {
        // Not told any version, so that an operation can be made which the recording's hub does not have.
        let request = hub().request(operation).unwrap_or_else(|error| panic!("{}: {error}", self.place));
        assert_eq!(request.method().as_str(), self.exchange.request.method, "{}", self.place);
        assert_eq!(request.uri().path(), self.exchange.request.target, "{}", self.place);
        let response = &self.exchange.response;
        let mut headers = HeaderMap::new();
        for (name, value) in &response.headers {
            let name: HeaderName = name.parse().expect("a header name");
            headers.append(name, HeaderValue::from_str(value).expect("a header value"));
        }
        let status = StatusCode::from_u16(response.status).unwrap_or_else(|_| panic!("{} has no answer", self.place));
        let head = Head { status, reason: response.reason.clone(), headers };
        Response { head, body: &response.body, complete: response.complete }
    }

    fn outcome<O: Operation, T: Debug>(
        &self,
        hub: &Endpoint,
        operation: &O,
        view: impl Fn(Vec<<O::Decoder as Decode>::Item>) -> T,
    ) -> Result<T, ReplyError> {
        let Response { head, body, complete } = self.response(operation);
        assert!(complete, "{} is incomplete", self.place);
        every_split(&head, hub, operation, body, view)
    }

    fn item<O: Operation<Decoder: Single<Item: Debug>>>(&self, hub: &Endpoint, operation: &O) -> <O::Decoder as Decode>::Item {
        let mut items = self.outcome(hub, operation, |items| items).unwrap_or_else(|error| panic!("{}: {error:?}", self.place));
        assert_eq!(items.len(), 1, "{}", self.place);
        items.remove(0)
    }

    // The operation that the recorded request was. What it refers to lives as long as the tests.

    fn sequence(&self) -> &'static SequenceId {
        keep(SequenceId::new(self.exchange.id_after("sequence")))
    }

    fn instance(&self) -> &'static InstanceId {
        keep(InstanceId::new(self.exchange.id_after("instance")))
    }

    fn read_stream(&self) -> ReadStream<'static> {
        let streams = [OutputStream::Stdout, OutputStream::Stderr, OutputStream::Output, OutputStream::Log];
        let stream = streams.into_iter().find(|stream| self.exchange.request.target.ends_with(stream.as_str()));
        ReadStream { id: self.instance(), stream: stream.unwrap_or_else(|| panic!("{} is of no stream", self.place)) }
    }
}

fn keep<T>(value: Result<T, scramjet_client_core::RequestError>) -> &'static T {
    Box::leak(Box::new(value.unwrap_or_else(|error| panic!("{error}"))))
}

/// Every member of `sent` is in `kept`, on every level.
fn assert_kept(sent: &Value, kept: &Value, place: &str) {
    match (sent, kept) {
        (Value::Object(sent), Value::Object(kept)) => {
            for (name, value) in sent {
                let name = if name == "sequenceArgs" { "args" } else { name };
                let kept = kept.get(name).unwrap_or_else(|| panic!("{place}: {name} is lost"));
                assert_kept(value, kept, &format!("{place}: {name}"));
            }
        }
        (Value::Array(sent), Value::Array(kept)) => {
            assert_eq!(sent.len(), kept.len(), "{place}");
            sent.iter().zip(kept).for_each(|(sent, kept)| assert_kept(sent, kept, place));
        }
        _ => assert_eq!(sent, kept, "{place}"),
    }
}

// The operations of the tables, each from the recorded request.

fn version(_: &Row) -> GetVersion {
    GetVersion
}

fn list_sequences(_: &Row) -> ListSequences {
    ListSequences
}

fn list_instances(_: &Row) -> ListInstances {
    ListInstances
}

fn get_sequence(row: &Row) -> GetSequence<'static> {
    GetSequence { id: row.sequence() }
}

fn instances_of(row: &Row) -> ListSequenceInstances<'static> {
    ListSequenceInstances { id: row.sequence() }
}

fn upload(_: &Row) -> SendSequence {
    SendSequence
}

fn overwrite(row: &Row) -> OverwriteSequence<'static> {
    OverwriteSequence { id: row.sequence() }
}

fn delete(row: &Row) -> DeleteSequence<'static> {
    DeleteSequence { id: row.sequence(), force: false }
}

fn delete_by_force(row: &Row) -> DeleteSequence<'static> {
    DeleteSequence { id: row.sequence(), force: true }
}

fn start(row: &Row) -> StartSequence<'static> {
    StartSequence { id: row.sequence(), options: keep(Ok(StartOptions::new())) }
}

fn get_instance(row: &Row) -> GetInstance<'static> {
    GetInstance { id: row.instance() }
}

fn health(row: &Row) -> GetInstanceHealth<'static> {
    GetInstanceHealth { id: row.instance() }
}

fn kill(row: &Row) -> KillInstance<'static> {
    KillInstance { id: row.instance(), options: keep(Ok(KillOptions::new())) }
}

fn stop(row: &Row) -> StopInstance<'static> {
    StopInstance { id: row.instance(), options: keep(Ok(StopOptions::default())) }
}

fn input(row: &Row) -> SendInput<'static> {
    SendInput { id: row.instance(), content_type: ContentType::Ndjson, end: None }
}

fn stdin(row: &Row) -> SendStdin<'static> {
    SendStdin { id: row.instance(), end: None }
}

fn stream(row: &Row) -> ReadStream<'static> {
    row.read_stream()
}

fn once(row: &Row) -> NextEvent<'static> {
    NextEvent { id: row.instance(), name: keep(EventName::new(row.exchange.id_after("once"))) }
}

fn last(row: &Row) -> LastEvent<'static> {
    LastEvent { id: row.instance(), name: keep(EventName::new(row.exchange.id_after("event"))) }
}

const NEVER_ANSWERED: &str = "0.18.7 never answers such a start";
const FALSY: &str = "a falsy last event is waited for";
const NO_ROUTE: &str = "core has no operation with this route";
const NEVER_ENDS: &str = "the answer to an upload for an ended input never ends";

#[test]
fn replies_of_0_18_7() {
    use ErrorCode::{BadParameters, InsufficientResources, NotFound, Other, PrerunnerError, ServerError, UnprocessableEntity};
    let t = Table::new("0.18.7", Some(Dialect::of(Version::new(0, 18, 7))));

    t.gives("version", version, |hub| hub.dialect() == Dialect::of(Version::new(0, 18, 7)) && hub.service.is_none());
    t.refuses("accept-list-with-space", version, 400, BadParameters, "Invalid content-type");
    t.refuses("accept-not-acceptable", version, 400, BadParameters, "Invalid content-type");
    t.foreign("malformed-request", "core has no malformed requests");
    t.foreign("non-ascii-path", "core refuses such an id");
    t.foreign("unknown-route", NO_ROUTE);
    t.foreign("wrong-method", NO_ROUTE);
    t.foreign("instance-unknown-subroute", NO_ROUTE);

    t.refuses("sequence-get-unknown", get_sequence, 404, NotFound, "Not Found");
    t.gives("sequence-instances", instances_of, |ids| *ids == ["946d707f-53cd-4a87-9b10-258897d1e67d"]);
    t.gives("sequence-upload", upload, |sent| sent.id == "2d1cb1f0-81ea-4e33-a94d-ba8fe578a025" && sent.extra.is_empty());
    t.gives("sequence-upload-chunked", upload, |sent| sent.id == "7d9f222e-8332-4d66-84d9-84562215bb71");
    t.gives("sequence-upload-expect-continue", upload, |sent| sent.id == "fb6da5a0-369b-42e7-914f-f1eb113a38eb");
    t.gives("sequence-upload-no-content-type", upload, |sent| sent.id == "16dd9a5c-3ba3-4361-9b5b-4f2ac2147b34");
    t.refuses("sequence-upload-bad-package-json", upload, 422, UnprocessableEntity, "Unprocessable Entity");
    t.refuses("sequence-upload-empty", upload, 422, PrerunnerError, "Invalid pkg tar.gz archive");
    let garbage = t.refuses("sequence-upload-garbage", upload, 422, PrerunnerError, "Invalid pkg tar.gz archive");
    assert!(garbage.is_unprocessable());
    let missing = "<SequencePackageJSON> decoder failed at key \"main\" with error: undefined is not a valid string";
    t.refuses("sequence-upload-no-main", upload, 422, UnprocessableEntity, missing);
    let missing = "ENOENT: open /srv/sequences/37689062-4bc4-4979-9202-e11babacd834/package.json";
    t.refuses("sequence-upload-no-package-json", upload, 422, Other("ENOENT".into()), missing);
    t.refuses("sequence-upload-wrong-content-type", upload, 400, BadParameters, "Invalid content-type");
    t.refuses("sequence-overwrite", overwrite, 404, NotFound, "Not Found");
    t.refuses("sequence-overwrite-garbage", overwrite, 404, NotFound, "Not Found");
    t.refuses("sequence-delete-bad-charset", delete, 400, BadParameters, "Invalid encoding in content-type");
    t.refuses("sequence-delete-no-content-type", delete, 400, BadParameters, "Invalid content-type");
    t.refuses("sequence-delete-unknown", delete, 404, NotFound, "Not Found");

    t.gives("start-with-config-and-args", start, |started| {
        started.id == "e2762c1a-64f0-4d1b-9228-d6d8c8ca80dd" && started.extra["opStatus"] == "OK" && started.status.is_none()
    });
    t.gives("start-throws-at-load", start, |started| started.id == "f183e85c-11d9-497d-8883-3c1d8e752aa1");
    t.unanswered("start-bad-main", NEVER_ANSWERED);
    t.unanswered("start-two-engines", NEVER_ANSWERED);
    t.refuses("start-invalid-json", start, 400, BadParameters, "Could not parse content");
    t.refuses("start-no-content-type", start, 400, BadParameters, "Invalid content-type");
    let overloaded = t.refuses("start-overloaded", start, 419, InsufficientResources, "Insufficient Space on Resource");
    assert!(overloaded.is_overloaded());
    t.refuses("start-unknown-sequence", start, 404, NotFound, "Not Found");

    t.gives("instances-empty", list_instances, Vec::is_empty);
    t.gives("instances-list", list_instances, |instances| {
        let sequence = SequenceId::new("dbb02e3a-59cd-4010-ac62-3a25da8fbc40").ok().map(SequenceOf::Id);
        instances.len() == 4 && instances[0].sequence == sequence && instances[0].created.is_none()
    });
    t.gives("instance-info-running", get_instance, |info| {
        let sequence = info.sequence.as_ref().map(SequenceOf::id);
        sequence.is_some_and(|id| *id == "dbb02e3a-59cd-4010-ac62-3a25da8fbc40")
            && info.started.as_ref().is_some_and(|time| time.as_str() == "2026-11-23T19:29:56.678Z")
            && (&info.status, &info.ended, &info.args) == (&None, &None, &None)
    });
    t.gives("instance-info-running-with-args", get_instance, |info| {
        info.args == Some(vec![json!("x"), json!(1), json!({ "o": 2 }), Value::Null]) && info.app_config == Some(json!({ "a": 1 }))
    });
    for gone in ["instance-info-completed", "instance-info-failed-at-load", "instance-info-killed", "instance-info-stopped"] {
        t.refuses(gone, get_instance, 404, NotFound, "Not Found");
    }
    assert!(t.refuses("instance-unknown", get_instance, 404, NotFound, "Not Found").is_not_found());
    t.refuses("instance-accept-not-acceptable", get_instance, (400, 500), BadParameters, "Invalid content-type");
    t.refuses("health-ended", health, 404, NotFound, "Not Found");
    t.gives("kill-again", kill, |answer| *answer == Acknowledged::Bare(json!({ "opStatus": "Accepted" })) && answer.info().is_none());
    t.refuses("kill-ended", kill, 404, NotFound, "Not Found");
    t.refuses("kill-invalid-json", kill, (400, 500), BadParameters, "Could not parse content");
    t.refuses("instance-unknown-post", kill, 404, NotFound, "Not Found");
    t.gives("stop-timeout-zero", stop, |answer| *answer == Acknowledged::Bare(json!({ "opStatus": "OK" })));
    t.gives("stop-with-keepalive", stop, |answer| *answer == Acknowledged::Bare(json!({ "opStatus": "OK" })));
    let spread = "Spread syntax requires ...iterable[Symbol.iterator] to be a function";
    t.refuses("stop-object-body", stop, 500, ServerError, spread);

    t.streams("stream-output", "{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n{\"i\":3}\n{\"i\":4}\n");
    t.streams("stream-stdout", "out 0\nout 1\nout 2\nout 3\nout 4\n");
    let given =
        "{\"t\":\"object\",\"v\":{\"a\":1}}\n{\"t\":\"object\",\"v\":{\"a\":2}}\n{\"t\":\"object\",\"v\":{\"a\":3}}\n{\"t\":\"END\"}\n";
    t.streams("input-output", given);
    t.refuses("stream-output-ended", stream, 404, NotFound, "Not Found");
    t.done("input-chunked-keep-open", input);
    t.done("input-end", input);
    t.refuses("input-ended", input, 404, NotFound, "Not Found");
    t.refuses("input-no-content-type", input, 500, ServerError, "Internal error occurred");
    let row = t.row("input-after-end");
    assert_eq!(row.exchange.response.status, 200, "the refusal is in the body alone");
    let error = row.outcome(&t.hub, &input(&row), |items| items).expect_err("a refusal");
    let error = error.api().unwrap_or_else(|| panic!("{error:?}"));
    let seen = (error.status.as_u16(), &error.code, error.message.as_str());
    assert_eq!(seen, (500, &ServerError, "Internal error occurred; has this input ended already?"));
    t.done("stdin-end", stdin);
    t.done("stdin-keep-open", stdin);
    t.done("stdin-expect-continue", stdin);
    t.refuses("stdin-ended", stdin, 404, NotFound, "Not Found");
    t.refuses("stdin-wrong-content-type", stdin, (400, 500), BadParameters, "Invalid content-type");

    t.event("event-last-empty-object", last, json!({}));
    t.event("event-last-empty-string", last, json!(""));
    t.event("event-last-false", last, json!(false));
    t.event("event-last-op-status-bogus", last, json!({ "opStatus": "Bogus", "x": 1 }));
    t.event("event-last-op-status-ok", last, json!({ "opStatus": "OK", "x": 1 }));
    t.event("event-last-string", last, json!("s"));
    t.event("event-last-undefined", last, Value::Null);
    t.event("event-last-with-error", last, json!({ "error": "e" }));
    t.event("event-last-with-event-name", last, json!({ "eventName": "zzz", "message": "inner" }));
    t.event("event-last-zero", last, json!(0));
    t.unanswered("event-name-encoded", "no event has this name, and the hub waits for one");
    t.event("event-once-array", once, json!([1, 2]));
    t.event("event-once-empty-object", once, json!({}));
    t.event("event-once-false", once, json!(false));
    t.unanswered("event-once-never", "no such event came, and the hub waits for one");
    t.event("event-once-null", once, Value::Null);
    t.event("event-once-number", once, json!(5));
    t.event("event-once-object", once, json!({ "a": 1 }));
    t.event("event-once-op-status-bogus", once, json!({ "opStatus": "Bogus", "x": 1 }));
    t.event("event-once-op-status-not-found", once, json!({ "opStatus": "Not Found", "x": 1 }));
    t.event("event-once-op-status-ok", once, json!({ "opStatus": "OK", "x": 1 }));
    t.event("event-once-string", once, json!("s"));
    t.event("event-once-true", once, json!(true));
    t.event("event-once-with-error", once, json!({ "error": "e" }));
    t.event("event-once-with-event-name", once, json!({ "eventName": "zzz", "message": "inner" }));
    t.event("event-once-with-message", once, json!({ "message": "inner" }));
    t.finish();
}

#[test]
fn replies_of_1_0_1() {
    use ErrorCode::{
        BadParameters, Conflict, InvalidConfig, NotFound, Other, PrerunnerError, RequestError, ServerError, UnprocessableEntity,
    };
    let t = Table::new("1.0.1", Some(Dialect::LATEST));

    t.refuses("accept-list-with-space", version, 415, RequestError, "Invalid content-type");
    t.refuses("accept-not-acceptable", version, 415, RequestError, "Invalid content-type");
    t.foreign("malformed-request", "core has no malformed requests");
    t.foreign("non-ascii-path", "core refuses such an id");
    t.foreign("wrong-method", NO_ROUTE);
    t.foreign("instance-unknown-subroute", NO_ROUTE);

    t.gives("sequences-empty", list_sequences, Vec::is_empty);
    t.gives("sequences-list", list_sequences, |sequences| {
        let full = &sequences[1];
        sequences.len() == 4
            && (full.config.name.as_str(), full.config.version.as_str()) == ("fullmeta", "2.1.0")
            && full.config.description.as_deref() == Some("desc")
            && full.config.extra["repository"] == json!({ "type": "git", "url": "https://example.com/x.git" })
            && sequences.iter().all(|sequence| sequence.location.as_deref() == Some("STH") && sequence.instances.is_empty())
    });
    t.refuses("sequence-get-by-name", get_sequence, 404, NotFound, "Sequence fullmeta not found");
    let unknown = "Sequence 00000000-0000-4000-8000-000000000000 not found";
    t.refuses("sequence-get-unknown", get_sequence, 404, NotFound, unknown);
    t.gives("sequence-instances", instances_of, |ids| *ids == ["61b8b342-9165-445b-bca3-acc8156045ea"]);
    t.gives("sequence-upload-chunked", upload, |sent| sent.id == "2b5a1aa9-b673-4626-8b67-eb08f1be64fd");
    t.gives("sequence-upload-expect-continue", upload, |sent| sent.id == "d706bf50-fc62-4fd0-aede-f3ee182e067b");
    t.refuses("sequence-upload-bad-package-json", upload, 422, UnprocessableEntity, "Unprocessable Entity");
    t.refuses("sequence-upload-empty", upload, 422, PrerunnerError, "Invalid pkg tar.gz archive");
    let missing = "<SequencePackageJSON> decoder failed at key \"main\" with error: undefined is not a valid string";
    t.refuses("sequence-upload-no-main", upload, 422, UnprocessableEntity, missing);
    let missing = "ENOENT: open /srv/sequences/a4d3bc8d-e1d8-4278-a9c5-7185050d4db2/package.json";
    t.refuses("sequence-upload-no-package-json", upload, 422, Other("ENOENT".into()), missing);
    t.refuses("sequence-upload-wrong-content-type", upload, 415, RequestError, "Invalid content-type");
    t.gives("sequence-overwrite", overwrite, |sent| sent.id == "e5cde247-8e90-4b04-acb8-e64d1532128f");
    let in_use = t.refuses("sequence-overwrite-in-use", overwrite, 409, Conflict, "Can't update sequence with instances");
    assert!(in_use.is_conflict());
    let unknown = "Sequence with id: 00000000-0000-4000-8000-000000000000 not found";
    t.refuses("sequence-overwrite-unknown", overwrite, 404, NotFound, unknown);
    t.done("sequence-delete", delete);
    t.done("sequence-delete-force", delete_by_force);
    t.refuses("sequence-delete-bad-charset", delete, 400, BadParameters, "Could not parse content");
    t.refuses("sequence-delete-no-content-type", delete, 400, BadParameters, "Could not parse content");

    t.refuses("start-duplicate-instance-id", start, 409, Conflict, "Instance with a given ID already exists");
    t.refuses("start-instance-id-bad-appconfig", start, 500, ServerError, "Internal Server Error");
    t.refuses("start-short-instance-id", start, 500, ServerError, "Internal Server Error");
    t.refuses("start-invalid-json", start, 400, BadParameters, "Could not parse content");
    t.refuses("start-no-content-type", start, 400, BadParameters, "Could not parse content");
    t.refuses("start-text-plain", start, 400, BadParameters, "Could not parse content");
    let engines = "Incorrect config passed to SequenceConfig,'engines' field can't contain more than one element";
    t.refuses("start-two-engines", start, 400, InvalidConfig, engines);
    t.refuses("start-unknown-sequence", start, 404, NotFound, "Not Found");

    t.gives("instances-empty", list_instances, Vec::is_empty);
    t.gives("instances-list", list_instances, |instances| {
        let status: Vec<_> = instances.iter().map(|info| info.status.as_ref().map(InstanceStatus::as_str).unwrap_or_default()).collect();
        let sequence = instances[0].sequence.as_ref().map(|of| of.id().as_str());
        status == ["running", "running", "errored"]
            && sequence == Some("f2641c38-a286-4e9e-84ae-1d9fc7bef8a6")
            && matches!(&instances[0].sequence, Some(SequenceOf::Info(info)) if info.config.main.as_deref() == Some("index.js"))
            && instances[0].extra["provides"] == ""
            && instances[1].args.as_ref().is_some_and(|args| args.len() == 4)
    });
    t.gives("instance-info-just-started", get_instance, |info| info.status == Some(InstanceStatus::Starting) && info.terminated.is_none());
    let ended = |exitcode, reason: &'static str| {
        move |info: &scramjet_client_core::InstanceInfo| {
            let said = info.terminated.as_ref().map(|how| (how.exitcode, how.reason.as_deref()));
            said == Some((Some(exitcode), Some(reason)))
        }
    };
    t.gives("instance-info-completed", get_instance, |info| {
        ended(-1, "Instance completed")(info) && info.ended.as_ref().is_some_and(|time| time.as_str() == "2026-11-23T19:32:24.624Z")
    });
    t.gives("instance-info-failed-at-load", get_instance, |info| {
        ended(22, "Sequence failed on start")(info) && info.status == Some(InstanceStatus::Errored) && info.ended.is_none()
    });
    t.gives("instance-info-killed", get_instance, |info| {
        ended(137, "Instance killed")(info) && info.status == Some(InstanceStatus::Completed)
    });
    t.gives("instance-info-stopped", get_instance, |info| {
        ended(138, "Instance stopped")(info)
            && info.app_config == Some(json!({ "a": 1 }))
            && info.id == "11111111-2222-4333-8444-555555555555"
    });
    t.refuses("instance-accept-not-acceptable", get_instance, (415, 500), RequestError, "Invalid content-type");
    let unknown = "Instance 00000000-0000-4000-8000-000000000000 not found";
    t.refuses("instance-unknown-post", kill, 404, NotFound, unknown);
    t.gives("instance-health", health, |health| health.healthy && health.process_id == Some(18898) && health.extra.is_empty());
    t.gives("health-ended", health, |health| health.healthy && health.process_id == Some(29528));
    t.refuses("kill-ended", kill, 400, BadParameters, "Instance not running");
    t.refuses("kill-while-starting", kill, 400, BadParameters, "Instance not running");
    t.refuses("kill-invalid-remove-immediately", kill, 400, BadParameters, "Invalid removeImmediately format");
    t.refuses("kill-invalid-json", kill, (400, 500), BadParameters, "Could not parse content");
    t.refuses("kill-no-content-type", kill, (400, 500), BadParameters, "Could not parse content");
    let stopping = |answer: &Acknowledged| answer.info().is_some_and(|info| info.status == Some(InstanceStatus::Stopping));
    t.gives("stop", stop, stopping);
    t.gives("stop-array-body", stop, stopping);
    t.gives("stop-timeout-zero", stop, stopping);
    t.gives("stop-with-keepalive", stop, stopping);
    t.gives("stop-ended", stop, |answer| stopping(answer) && answer.info().is_some_and(|info| info.ended.is_some()));
    t.refuses("stop-invalid-keepalive", stop, 400, BadParameters, "Invalid canCallKeepalive format");
    t.refuses("stop-invalid-timeout", stop, 400, BadParameters, "Invalid timeout format");

    t.streams("stream-output", "{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n{\"i\":3}\n{\"i\":4}\n");
    t.streams("stream-stdout", "out 0\nout 1\nout 2\nout 3\nout 4\n");
    t.streams("stream-stderr", "err 0\nerr 1\nerr 2\nerr 3\nerr 4\n");
    t.streams("stream-output-ended", "");
    t.streams("stream-stdout-ended", "");
    t.unfinished("stream-log", stream, "a log never ends");
    let given =
        "{\"t\":\"object\",\"v\":{\"a\":1}}\n{\"t\":\"object\",\"v\":{\"a\":2}}\n{\"t\":\"object\",\"v\":{\"a\":3}}\n{\"t\":\"END\"}\n";
    t.streams("input-output", given);
    t.done("input-chunked-keep-open", input);
    t.unfinished("input-after-end", input, NEVER_ENDS);
    t.unfinished("input-ended", input, NEVER_ENDS);
    t.done("stdin-end", stdin);
    t.done("stdin-keep-open", stdin);
    t.done("stdin-expect-continue", stdin);
    t.unfinished("stdin-after-end", stdin, NEVER_ENDS);
    t.refuses("stdin-wrong-content-type", stdin, (415, 500), RequestError, "Invalid content-type");

    t.event("event-last-array", last, json!([1, 2]));
    t.unanswered("event-last-empty-string", FALSY);
    t.unanswered("event-last-false", FALSY);
    t.unanswered("event-last-null", FALSY);
    t.event("event-last-number", last, Value::Null);
    t.event("event-last-object", last, json!({ "a": 1 }));
    let looks_refused = t.refuses("event-last-op-status-not-found", last, 404, NotFound, "Not Found");
    assert_eq!(looks_refused.json(), Some(json!({ "x": 1, "error": "Not Found" })), "the event's data can be had");
    t.event("event-last-op-status-not-found-again", last, json!({ "x": 1, "error": "Not Found" }));
    t.event("event-last-op-status-ok", last, json!({ "x": 1 }));
    t.event("event-last-string", last, json!("s"));
    t.event("event-last-true", last, Value::Null);
    t.unanswered("event-last-undefined", FALSY);
    t.event("event-last-with-error", last, json!({ "error": "e" }));
    t.event("event-last-with-event-name", last, json!({ "eventName": "zzz", "message": "inner" }));
    t.event("event-last-with-message", last, json!({ "message": "inner" }));
    t.unanswered("event-last-zero", FALSY);
    t.unanswered("event-name-encoded", "no event has this name, and the hub waits for one");
    t.event("event-name-plus-raw", last, json!({ "plus": true }));
    t.event("event-once-array", once, json!([1, 2]));
    t.event("event-once-empty-object", once, Value::Null);
    t.event("event-once-empty-string", once, Value::Null);
    t.unanswered("event-once-ended", "the instance has ended, and the hub waits for an event of it");
    t.event("event-once-null", once, Value::Null);
    t.event("event-once-number", once, Value::Null);
    t.event("event-once-object", once, json!({ "a": 1 }));
    t.refuses("event-once-op-status-bogus", once, 500, ServerError, "Failed to serialize data");
    t.refuses("event-once-op-status-not-found", once, 404, NotFound, "Not Found");
    t.event("event-once-op-status-ok", once, json!({ "x": 1 }));
    t.event("event-once-string", once, json!("s"));
    t.event("event-once-true", once, Value::Null);
    t.event("event-once-with-error", once, json!({ "error": "e" }));
    t.event("event-once-with-message", once, json!({ "message": "inner" }));
    t.event("event-once-zero", once, Value::Null);
    t.finish();
}

#[test]
fn composed_replies_of_0_18_7() {
    let t = Table::new("composed/0.18.7", Some(Dialect::of(Version::new(0, 18, 7))));
    t.gives("instance-health", health, |health| health.healthy && health.process_id == Some(18898));
    t.done("sequence-delete", delete);
    t.refuses("sequence-delete-in-use", delete, 409, ErrorCode::Conflict, "Can't remove sequence in use.");
    t.gives("sequence-get", get_sequence, |sequence| {
        let config = &sequence.config;
        (config.name.as_str(), config.version.as_str(), config.main.as_deref()) == ("events", "1.0.0", Some("index.js"))
            && config.engines["node"] == ">=16"
            && config.adapter.as_deref() == Some("process")
            && config.extra["sequenceDir"] == "/srv/sequences/dbb02e3a-59cd-4010-ac62-3a25da8fbc40"
            && sequence.instances == ["946d707f-53cd-4a87-9b10-258897d1e67d"]
            && (&sequence.location, &config.language, &config.description) == (&None, &None, &None)
    });
    let unknown = "the hub has no such sequence";
    let unknown = t.refuses("sequence-instances-unknown", instances_of, (404, 500), ErrorCode::NotFound, unknown);
    assert!(unknown.is_not_found());
    t.gives("sequences-list", list_sequences, |sequences| {
        let bare = &sequences[2].config;
        sequences.len() == 3 && bare.name.is_empty() && bare.version.is_empty() && bare.engines.is_empty()
    });
    t.finish();
}

#[test]
fn composed_replies_of_1_0_1() {
    use ErrorCode::{BadParameters, Conflict, InsufficientResources, NotFound};
    let t = Table::new("composed/1.0.1", Some(Dialect::LATEST));
    t.gives("version", version, |hub| {
        hub.dialect() == Dialect::LATEST
            && (hub.service.as_deref(), hub.api_version.as_deref(), hub.build.as_deref())
                == (Some("@scramjet/host"), Some("v1"), Some("source"))
    });
    t.gives("kill", kill, |answer| answer.info().is_some_and(|info| info.status == Some(InstanceStatus::Killing)));
    t.refuses("sequence-delete-in-use", delete, 409, Conflict, "Can't remove- Sequence in use");
    let unknown = "The sequence 00000000-0000-4000-8000-000000000000 does not exist.";
    t.refuses("sequence-delete-unknown", delete, 404, NotFound, unknown);
    t.gives("sequence-get", get_sequence, |sequence| {
        let config = &sequence.config;
        (config.name.as_str(), config.version.as_str(), config.main.as_deref()) == ("fullmeta", "2.1.0", Some("index.js"))
            && config.description.as_deref() == Some("desc")
            && config.engines["node"] == ">=16"
            && config.language.as_deref() == Some("js")
            && config.extra["author"] == "Jane Doe"
            && config.extra["keywords"] == json!(["a", "b"])
            && config.extra["args"] == json!([{ "type": "string" }])
            && config.extra["packageSize"] == 582
            && sequence.location.as_deref() == Some("STH")
    });
    let unknown = "Sequence 00000000-0000-4000-8000-000000000000 not found";
    t.refuses("sequence-instances-unknown", instances_of, 404, NotFound, unknown);
    t.gives("start", start, |started| {
        started.id == "c34b9a11-82ba-442a-9bca-dcff8c1871d1"
            && started.extra["message"] == "Sequence c34b9a11-82ba-442a-9bca-dcff8c1871d1 starting"
    });
    let main = "Sequence entrypoint path missing.js is invalid. Check `main` field in Sequence package.json";
    t.refuses("start-bad-main", start, 400, BadParameters, main);
    let error = t.refuses("start-failed-object", start, 400, BadParameters, main);
    assert_eq!(error.json().map(|json| json["error"]["exitcode"].clone()), Some(json!(21)));
    let overloaded = t.refuses("start-overloaded", start, 419, InsufficientResources, "Insufficient Space on Resource");
    assert!(overloaded.is_overloaded());
    t.finish();
}

#[test]
fn replies_of_a_proxy() {
    use ErrorCode::{ServerError, UnknownError};
    let t = Table::new("composed/proxy", None);
    t.refuses("bad-gateway-empty", version, 502, ServerError, "Bad Gateway");
    let page = "an HTML page (502 Bad Gateway); a proxy or another web server answered instead of the hub";
    t.refuses("bad-gateway-html", version, 502, ServerError, page);
    t.refuses("server-error-text", version, 500, ServerError, "something broke");
    let target = "it redirects to https://login.example.com/?to=%2Fapi%2Fv1%2Fversion, and redirects are not followed; \
                  if that is the hub, make it the base URL";
    t.refuses("redirect", version, 302, UnknownError, target);

    let row = t.row("ok-html");
    let error = row.outcome(&t.hub, &GetVersion, |items| items).expect_err("a page is no version");
    let ReplyError::Body { start, .. } = &error else { panic!("{error:?}") };
    let page = "<!DOCTYPE html>\n<html>\n<head><title>Sign in</title></head>\n<body><form method=\"post\" action=\"/login\">";
    assert!(start.starts_with(page) && start.chars().count() <= 121, "{start}");
    t.finish();
}
