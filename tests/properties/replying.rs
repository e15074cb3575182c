//! Replies with any status, reason phrase, headers and body, for every operation with a decoder of
//! its own.
//!
//! - Nothing panics.
//! - Items, errors and messages do not depend on how the body is split.
//! - Only a 2xx returns items. All other statuses are API errors with the received status and the
//!   beginning of the body.
//! - A body that is truncated or shorter than announced is never a success.
//! - Messages fit on a screen and contain no control characters.

use std::fmt::Debug;

use scramjet_client_core::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use scramjet_client_core::{
    ApiError, ContentType, Decode, DeleteSequence, Dialect, Endpoint, EventName, GetConfig,
    GetInstance, GetLoadCheck, GetVersion, InstanceId, KillInstance, KillOptions, LastEvent,
    ListAccessKeys, ListEntities, ListHubs, ListInstances, ListSequences, ListTopics, Operation,
    OutputStream, ReadAudit, ReadEvents, ReadLog, ReadStream, ReadTopic, Reply, ReplyError,
    SendInput, SendSequence, SendTopic, SequenceId, SpaceId, StartOptions, StartSequence, Step,
    TopicName, Version,
};

/// A response, as far as it is valid HTTP.
struct Received<'a> {
    status: StatusCode,
    reason: String,
    headers: HeaderMap,
    body: &'a [u8],
    seed: usize,
}

/// Items and the error as text.
#[derive(Debug, PartialEq)]
struct Outcome {
    items: Vec<String>,
    error: Option<String>,
}

fn pull<D: Decode<Item: Debug>>(
    reply: &mut Reply<D>,
    outcome: &mut Outcome,
    fed: usize,
    joined: bool,
) -> Option<Option<ReplyError>> {
    loop {
        match reply.next_item() {
            // The pieces of a stream depend on the split, so only their concatenation is compared.
            Ok(Step::Item(item)) if joined && !outcome.items.is_empty() => {
                let before = outcome.items.pop().unwrap_or_default();
                let item = format!("{item:?}");
                let joint = format!(
                    "{}, {}",
                    before.trim_end_matches(']'),
                    item.trim_start_matches('[')
                );
                outcome.items.push(joint);
            }
            Ok(Step::Item(item)) => outcome.items.push(format!("{item:?}")),
            Ok(Step::NeedData) => return None,
            Ok(Step::End) => return Some(None),
            Err(error) => return Some(Some(error)),
        }
        assert!(
            outcome.items.len() <= fed + 1,
            "more comes out than went in"
        );
    }
}

fn with_causes(error: &ReplyError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    let mut causes = 1;
    while let Some(error) = cause {
        causes += 1;
        text += &format!("\n{error}");
        cause = error.source();
    }
    assert!(
        text.chars().count() <= 3000,
        "{} characters",
        text.chars().count()
    );
    assert!(
        text.lines().count() == causes && !text.contains(|c: char| c.is_control() && c != '\n'),
        "{text:?} moves the cursor"
    );
    format!("{error:?}: {text}")
}

/// Reads up to the first error. `lost`: the connection breaks at the end of the body.
fn read<D: Decode<Item: Debug>>(
    mut reply: Reply<D>,
    received: &Received<'_>,
    size: usize,
    joined: bool,
    lost: bool,
) -> Outcome {
    let mut outcome = Outcome {
        items: Vec::new(),
        error: None,
    };
    let success = received.status.is_success();
    let encodings = [header::CONTENT_ENCODING, header::TRANSFER_ENCODING];
    let encoded = encodings
        .iter()
        .any(|name| received.headers.contains_key(name));
    assert!(reply.is_success() == success || success && encoded);
    let mut fed = 0;
    let mut last = None;
    for piece in received.body.chunks(size.max(1)) {
        reply.feed(piece);
        fed += piece.len();
        last = pull(&mut reply, &mut outcome, fed, joined);
        if last.is_some() {
            break;
        }
    }
    let error = match last {
        Some(end) => end,
        None if lost => Some(reply.cut_off()),
        None => match reply.end() {
            Err(error) => Some(error),
            Ok(()) => pull(&mut reply, &mut outcome, fed, joined)
                .expect("a complete body needs no more data"),
        },
    };
    match &error {
        Some(ReplyError::Api(refusal)) => check_refusal(refusal, received),
        Some(_) => assert!(success, "a refusal is told as one"),
        None => {
            assert!(success, "only a success gives items");
            assert!(!lost, "what was cut off is no success");
            let length = received
                .headers
                .get(header::CONTENT_LENGTH)
                .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
            let framed = !received.headers.contains_key(header::TRANSFER_ENCODING)
                && received.status != StatusCode::NO_CONTENT;
            assert!(
                !framed || length.is_none_or(|length| received.body.len() >= length),
                "it is shorter than was announced"
            );
        }
    }
    outcome.error = error.as_ref().map(with_causes);
    outcome
}

fn check_refusal(refusal: &ApiError, received: &Received<'_>) {
    // Some hubs refuse an upload with status 200 and an error text.
    let accepted_first = received.status.is_success();
    assert_eq!(
        refusal.received_status,
        if accepted_first {
            StatusCode::OK
        } else {
            received.status
        }
    );
    assert!(refusal.body.len() <= ApiError::BODY_LIMIT);
    assert!(received.body.starts_with(&refusal.body), "another body");
    assert!(
        refusal.status == received.status
            || refusal.status.is_client_error()
            || refusal.status.is_server_error()
    );
    assert!(!refusal.message.is_empty() && !refusal.code.as_str().is_empty());
    // None of these panics.
    let _ = (
        refusal.json(),
        refusal.is_conflict(),
        refusal.is_not_found(),
        refusal.is_transient(),
        refusal.is_overloaded(),
    );
}

/// `joined`: the items are pieces of a stream.
fn check_one<O: Operation<Decoder: Decode<Item: Debug>>>(
    hub: &Endpoint,
    operation: &O,
    received: &Received<'_>,
    joined: bool,
) {
    let reply = || {
        hub.reply(
            operation,
            received.status,
            &received.reason,
            &received.headers,
        )
    };
    let _ = format!("{:?}", reply());
    let whole = read(reply(), received, received.body.len(), joined, false);
    for size in [1, 2, 1 + received.seed] {
        assert_eq!(
            read(reply(), received, size, joined, false),
            whole,
            "{}, in pieces of {size}",
            O::NAME
        );
    }
    let lost = read(reply(), received, received.body.len(), joined, true);
    assert_eq!(
        read(reply(), received, 1, joined, true),
        lost,
        "{}, lost at its end",
        O::NAME
    );
    assert!(
        lost.error.is_some(),
        "{}: what was cut off is no success",
        O::NAME
    );
}

/// The first two bytes select the operation and the split, the next two the status. Then follow
/// reason phrase, headers and body, separated by 0xff. The headers are separated by 0xfe.
pub(crate) fn check(input: &[u8]) {
    let [which, seed, high, low, rest @ ..] = input else {
        return;
    };
    let mut parts = rest.splitn(3, |byte| *byte == 0xff);
    let mut part = || parts.next().unwrap_or_default();
    let reason = String::from_utf8_lossy(part()).into_owned();
    let mut headers = HeaderMap::new();
    for line in part().split(|byte| *byte == 0xfe).take(100) {
        let mut line = line.splitn(2, |byte| *byte == b':');
        let name = line
            .next()
            .and_then(|name| HeaderName::from_bytes(name).ok());
        let value = line
            .next()
            .and_then(|value| HeaderValue::from_bytes(value.trim_ascii()).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    // Hundreds and units are chosen separately, so that most statuses are common ones.
    let status = 100 * (1 + u16::from(*high) % 9) + u16::from(*low) % 100;
    let status = StatusCode::from_u16(status).expect("a status of three digits");
    let received = &Received {
        status,
        reason,
        headers,
        body: part(),
        seed: usize::from(*seed),
    };

    let hub = &Endpoint::new("http://hub.example:8000/api/v1").expect("a base URL");
    let hub = &hub.clone().with_dialect(if which & 128 == 0 {
        Dialect::LATEST
    } else {
        Dialect::of(Version::new(0, 18, 7))
    });
    let id = &SequenceId::new("s").expect("an id");
    let instance = &InstanceId::new("i").expect("an id");
    let name = &EventName::new("e").expect("a name");
    let topic = &TopicName::new("t").expect("a name");
    let space = &SpaceId::new("p").expect("an id");
    let content_type = ContentType::Ndjson;
    match (which & 127) % 23 {
        0 => check_one(hub, &GetVersion, received, false),
        1 => check_one(hub, &ListSequences, received, false),
        2 => check_one(hub, &ListInstances, received, false),
        3 => check_one(hub, &GetInstance { id: instance }, received, false),
        4 => check_one(hub, &GetConfig, received, false),
        5 => check_one(hub, &GetLoadCheck, received, false),
        6 => check_one(hub, &ListEntities, received, false),
        7 => check_one(hub, &ListTopics, received, false),
        8 => check_one(hub, &ListHubs, received, false),
        9 => check_one(hub, &ListAccessKeys { space }, received, false),
        10 => check_one(hub, &SendSequence, received, false),
        11 => check_one(hub, &DeleteSequence { id, force: false }, received, false),
        12 => check_one(
            hub,
            &StartSequence {
                id,
                options: &StartOptions::new(),
            },
            received,
            false,
        ),
        13 => check_one(
            hub,
            &KillInstance {
                id: instance,
                options: &KillOptions::new(),
            },
            received,
            false,
        ),
        14 => check_one(hub, &LastEvent { id: instance, name }, received, false),
        15 => check_one(hub, &ReadEvents { id: instance, name }, received, false),
        16 => check_one(
            hub,
            &SendInput {
                id: instance,
                content_type,
                end: None,
            },
            received,
            false,
        ),
        17 => check_one(
            hub,
            &SendTopic {
                name: topic,
                content_type,
                end: None,
            },
            received,
            false,
        ),
        18 => check_one(
            hub,
            &ReadStream {
                id: instance,
                stream: OutputStream::Output,
            },
            received,
            true,
        ),
        19 => check_one(
            hub,
            &ReadTopic {
                name: topic,
                content_type,
            },
            received,
            true,
        ),
        20 => check_one(hub, &ReadLog, received, true),
        21 => check_one(hub, &ReadAudit, received, true),
        // `ApiError` without a reply.
        _ => check_refusal_alone(received),
    }
}

fn check_refusal_alone(received: &Received<'_>) {
    let body = &received.body[..received.body.len().min(ApiError::BODY_LIMIT)];
    let error = ApiError::new(
        received.status,
        &received.reason,
        &received.headers,
        body.to_vec(),
    );
    assert_eq!(error.body, body);
    with_causes(&ReplyError::Api(Box::new(error.clone())));
    let again = error.with_meaning(StatusCode::NOT_FOUND, "x");
    assert!(
        again.is_not_found() && again.message == "x" && again.received_status == received.status
    );
}
