//! Time and allocations for building requests and reading responses, in core and by hand.
//!
//! `cargo bench --bench protocol`

use std::hint::black_box;

use scramjet_client_core::http::{HeaderMap, Method, Request, StatusCode, header};
use scramjet_client_core::{
    Decode, Endpoint, GetVersion, HubVersion, InstanceInfo, ListInstances, Operation, SequenceId,
    StartOptions, StartSequence, Step,
};
use scramjet_client_tests::bench::{Bench, Cost, Goal, Spread, Unit, side};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

const CORE: &str = "core";
const BY_HAND: &str = "by hand";

const BASE: &str = "http://127.0.0.1:8000/api/v1";

const VERSION: &str =
    r#"{"service":"@scramjet/host","apiVersion":"v1","version":"1.0.1","build":"3f2a9c1"}"#;

fn main() {
    let bench = Bench::start(&[]);
    let endpoint = Endpoint::new(BASE).unwrap();

    compare(
        &bench,
        "build version: the request",
        Goal::AtMost(1.3),
        || drop(black_box(endpoint.request(&GetVersion).unwrap())),
        || {
            drop(black_box(
                request(Method::GET, format!("{BASE}/version"))
                    .body(Vec::<u8>::new())
                    .unwrap(),
            ))
        },
    );

    let id = SequenceId::new("5a1e9a37-6c42-4c0f-a3a3-7d2c39d0e2a1").unwrap();
    let options = StartOptions::new()
        .app_config(json!({ "city": "Berlin", "limit": 10 }))
        .arg("x")
        .arg(3);
    let body = json!({ "appConfig": { "city": "Berlin", "limit": 10 }, "args": ["x", 3] });
    compare(
        &bench,
        "build start: the request",
        Goal::AtMost(1.3),
        || {
            drop(black_box(
                endpoint
                    .request(&StartSequence {
                        id: &id,
                        options: &options,
                    })
                    .unwrap(),
            ))
        },
        || {
            let request = request(Method::POST, format!("{BASE}/sequence/{id}/start"))
                .header(header::CONTENT_TYPE, "application/json");
            drop(black_box(
                request.body(serde_json::to_vec(&body).unwrap()).unwrap(),
            ));
        },
    );

    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    headers.insert(header::CONTENT_LENGTH, VERSION.len().into());
    let read = || {
        drop(black_box(reply::<_, HubVersion>(
            &endpoint,
            &GetVersion,
            &headers,
            VERSION.as_bytes(),
        )))
    };
    // A struct for all members of today, which ignores future ones.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only parsed")]
    struct Version {
        service: String,
        api_version: String,
        version: String,
        build: String,
    }
    // A struct for the version only.
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only parsed")]
    struct Least {
        version: String,
    }
    fn parse<T: DeserializeOwned>() {
        drop(black_box(
            serde_json::from_slice::<T>(VERSION.as_bytes()).unwrap(),
        ));
    }
    compare(
        &bench,
        "decode version: by hand into a plain struct of the same members",
        Goal::AtMost(1.3),
        read,
        parse::<Version>,
    );
    compare(
        &bench,
        "decode version as ours: by hand into the library's struct, which keeps unknown members",
        Goal::None,
        read,
        parse::<HubVersion>,
    );
    compare(
        &bench,
        "decode version alone: by hand nothing else is kept",
        Goal::None,
        read,
        parse::<Least>,
    );

    let instances = json!((0..100).map(instance).collect::<Vec<_>>()).to_string();
    headers.insert(header::CONTENT_LENGTH, instances.len().into());
    compare(
        &bench,
        "decode list: 100 instances, by hand into the library's struct",
        Goal::AtMost(1.3),
        || {
            drop(black_box(reply::<_, Vec<InstanceInfo>>(
                &endpoint,
                &ListInstances,
                &headers,
                instances.as_bytes(),
            )))
        },
        || {
            drop(black_box(
                serde_json::from_slice::<Vec<InstanceInfo>>(instances.as_bytes()).unwrap(),
            ))
        },
    );
}

fn compare(bench: &Bench, title: &str, goal: Goal, core: impl Fn(), by_hand: impl Fn()) {
    if !bench.wants(title.split(':').next().unwrap_or(title)) {
        return;
    }
    let times = bench.repeats(Cost::of(|| (0..100).for_each(|_| core())).0) * 100;
    let compared = bench.compare(
        title,
        Unit::Each(times, "time"),
        vec![
            side(CORE, || Cost::of(|| (0..times).for_each(|_| core())).0),
            side(BY_HAND, || {
                Cost::of(|| (0..times).for_each(|_| by_hand())).0
            }),
        ],
    );
    compared.time(CORE, BY_HAND, goal);
    compared.cpu(CORE, BY_HAND, Goal::None);
    for (name, work) in [(CORE, &core as &dyn Fn()), (BY_HAND, &by_hand)] {
        let allocated = allocation_counter::measure(work);
        let what = format!(
            "allocations of {name}, of {} bytes in all",
            allocated.bytes_total
        );
        compared.report(
            &what,
            Spread::of([allocated.count_total as f64]),
            Goal::None,
        );
    }
}

fn request(method: Method, uri: String) -> scramjet_client_core::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(uri)
        .header(header::ACCEPT, "*/*")
}

/// Reads a response like a driver whose body arrives as one chunk.
fn reply<O, T: DeserializeOwned>(
    endpoint: &Endpoint,
    operation: &O,
    headers: &HeaderMap,
    body: &[u8],
) -> T
where
    O: Operation<Decoder: Decode<Item = T>>,
{
    let mut reply = endpoint.reply(operation, StatusCode::OK, "OK", headers);
    assert!(matches!(reply.next_item().unwrap(), Step::NeedData));
    reply.feed(body);
    assert!(matches!(reply.next_item().unwrap(), Step::NeedData));
    reply.end().unwrap();
    match reply.next_item().unwrap() {
        Step::Item(item) => item,
        Step::NeedData | Step::End => unreachable!("the body is complete"),
    }
}

fn instance(number: usize) -> serde_json::Value {
    json!({
        "id": format!("{number:08}-6c42-4c0f-a3a3-7d2c39d0e2a1"),
        "sequence": {
            "id": "5a1e9a37-6c42-4c0f-a3a3-7d2c39d0e2a1",
            "config": { "name": "shout", "version": "1.0.0", "main": "index.js" },
        },
        "status": "running",
        "appConfig": {},
        "args": ["Berlin"],
        "created": "2026-01-01T00:00:00.000Z",
        "started": "2026-01-01T00:00:01.000Z",
        "provides": "",
        "requires": "",
    })
}
