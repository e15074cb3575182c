//! Replies with any status, reason, headers and body, to every operation whose answer is read in a way of its own.
//!
//! Whatever comes:
//!
//! - nothing panics;
//! - the same comes out however the body is cut: the same items, the same error, in the same words;
//! - only a 2xx gives items; everything else is a refusal that says the status that was received, and holds the beginning of the body;
//! - a body that is shorter than announced is never a success, and one that was cut off neither;
//! - what errors say is not longer than a screen, whatever the other side has to say, and moves no cursor.

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

/// What the other side says, as far as it could be read as HTTP.
struct Said<'a> {
    status: StatusCode,
    reason: String,
    headers: HeaderMap,
    body: &'a [u8],
    seed: usize,
}

/// What came out, in words.
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
            // The pieces of a stream are what the cuts are; together they are the same.
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

fn in_words(error: &ReplyError) -> String {
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

/// Reads as drivers do, up to the first error. `lost`: the connection breaks at the end.
fn read<D: Decode<Item: Debug>>(
    mut reply: Reply<D>,
    said: &Said<'_>,
    size: usize,
    joined: bool,
    lost: bool,
) -> Outcome {
    let mut outcome = Outcome {
        items: Vec::new(),
        error: None,
    };
    let success = said.status.is_success();
    let encodings = [header::CONTENT_ENCODING, header::TRANSFER_ENCODING];
    let encoded = encodings.iter().any(|name| said.headers.contains_key(name));
    assert!(reply.is_success() == success || success && encoded);
    let mut fed = 0;
    let mut last = None;
    for piece in said.body.chunks(size.max(1)) {
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
        Some(ReplyError::Api(refusal)) => check_refusal(refusal, said),
        Some(_) => assert!(success, "a refusal is told as one"),
        None => {
            assert!(success, "only a success gives items");
            assert!(!lost, "what was cut off is no success");
            let length = said
                .headers
                .get(header::CONTENT_LENGTH)
                .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
            let framed = !said.headers.contains_key(header::TRANSFER_ENCODING)
                && said.status != StatusCode::NO_CONTENT;
            assert!(
                !framed || length.is_none_or(|length| said.body.len() >= length),
                "it is shorter than was announced"
            );
        }
    }
    outcome.error = error.as_ref().map(in_words);
    outcome
}

fn check_refusal(refusal: &ApiError, said: &Said<'_>) {
    // An upload that a hub takes with a 200 and refuses in words.
    let in_words = said.status.is_success();
    assert_eq!(
        refusal.received_status,
        if in_words {
            StatusCode::OK
        } else {
            said.status
        }
    );
    assert!(refusal.body.len() <= ApiError::BODY_LIMIT);
    assert!(said.body.starts_with(&refusal.body), "another body");
    assert!(
        refusal.status == said.status
            || refusal.status.is_client_error()
            || refusal.status.is_server_error()
    );
    assert!(!refusal.message.is_empty() && !refusal.code.as_str().is_empty());
    // Whatever is asked of it.
    let _ = (
        refusal.json(),
        refusal.is_conflict(),
        refusal.is_not_found(),
        refusal.is_transient(),
        refusal.is_overloaded(),
    );
}

/// `joined`: the items are pieces.
fn check_one<O: Operation<Decoder: Decode<Item: Debug>>>(
    hub: &Endpoint,
    operation: &O,
    said: &Said<'_>,
    joined: bool,
) {
    let reply = || hub.reply(operation, said.status, &said.reason, &said.headers);
    let _ = format!("{:?}", reply());
    let whole = read(reply(), said, said.body.len(), joined, false);
    for size in [1, 2, 1 + said.seed] {
        assert_eq!(
            read(reply(), said, size, joined, false),
            whole,
            "{}, in pieces of {size}",
            O::NAME
        );
    }
    let lost = read(reply(), said, said.body.len(), joined, true);
    assert_eq!(
        read(reply(), said, 1, joined, true),
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

/// Two bytes choose the operation and the cuts, two more the status; then follow, each up to a byte 0xff: the reason phrase, the headers with a
/// byte 0xfe between them, and the body, which takes the rest.
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
    // Mostly the statuses that there are, in hundreds and units.
    let status = 100 * (1 + u16::from(*high) % 9) + u16::from(*low) % 100;
    let status = StatusCode::from_u16(status).expect("a status of three digits");
    let said = &Said {
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
        0 => check_one(hub, &GetVersion, said, false),
        1 => check_one(hub, &ListSequences, said, false),
        2 => check_one(hub, &ListInstances, said, false),
        3 => check_one(hub, &GetInstance { id: instance }, said, false),
        4 => check_one(hub, &GetConfig, said, false),
        5 => check_one(hub, &GetLoadCheck, said, false),
        6 => check_one(hub, &ListEntities, said, false),
        7 => check_one(hub, &ListTopics, said, false),
        8 => check_one(hub, &ListHubs, said, false),
        9 => check_one(hub, &ListAccessKeys { space }, said, false),
        10 => check_one(hub, &SendSequence, said, false),
        11 => check_one(hub, &DeleteSequence { id, force: false }, said, false),
        12 => check_one(
            hub,
            &StartSequence {
                id,
                options: &StartOptions::new(),
            },
            said,
            false,
        ),
        13 => check_one(
            hub,
            &KillInstance {
                id: instance,
                options: &KillOptions::new(),
            },
            said,
            false,
        ),
        14 => check_one(hub, &LastEvent { id: instance, name }, said, false),
        15 => check_one(hub, &ReadEvents { id: instance, name }, said, false),
        16 => check_one(
            hub,
            &SendInput {
                id: instance,
                content_type,
                end: None,
            },
            said,
            false,
        ),
        17 => check_one(
            hub,
            &SendTopic {
                name: topic,
                content_type,
                end: None,
            },
            said,
            false,
        ),
        18 => check_one(
            hub,
            &ReadStream {
                id: instance,
                stream: OutputStream::Output,
            },
            said,
            true,
        ),
        19 => check_one(
            hub,
            &ReadTopic {
                name: topic,
                content_type,
            },
            said,
            true,
        ),
        20 => check_one(hub, &ReadLog, said, true),
        21 => check_one(hub, &ReadAudit, said, true),
        // And what becomes of it without a reply.
        _ => check_refusal_alone(said),
    }
}

fn check_refusal_alone(said: &Said<'_>) {
    let body = &said.body[..said.body.len().min(ApiError::BODY_LIMIT)];
    let error = ApiError::new(said.status, &said.reason, &said.headers, body.to_vec());
    assert_eq!(error.body, body);
    in_words(&ReplyError::Api(Box::new(error.clone())));
    let again = error.meaning(StatusCode::NOT_FOUND, "x");
    assert!(again.is_not_found() && again.message == "x" && again.received_status == said.status);
}
