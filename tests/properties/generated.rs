//! The same properties for generated values. The generator uses a fixed seed.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;
use proptest::string::string_regex;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use crate::requesting::Hub;
use crate::{decoding, heads, replying, requesting};

/// Number of values for each property.
pub(crate) const CASES: u32 = 5_000;

/// Checks this many values. A failure prints the smallest failing value. Nothing is saved: add the
/// value to the tests as a row of its own.
pub(crate) fn for_all<S: Strategy>(cases: u32, values: S, check: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 10_000,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, b"what anybody may pass, and more.");
    let mut runner = TestRunner::new_with_rng(config, random);
    let checked = std::cell::Cell::new(0);
    let result = runner.run(&values, |value| {
        checked.set(checked.get() + 1);
        check(value);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    assert!(checked.get() >= cases, "only {} cases", checked.get());
}

/// Text that has a meaning in a path, head or body, and must not get it.
const FRAGMENTS: [&str; 60] = [
    "..",
    ".",
    "/",
    "//",
    "\\",
    "?",
    "#",
    "%",
    "%2e",
    "%2E%2e",
    "%2f",
    "%00",
    "%0d%0a",
    "%u002e",
    "@",
    ":",
    ":80",
    "user:pass@",
    "http://",
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\t",
    " ",
    "X-A: b",
    "\r\nX-A: b\r\n",
    "Host: elsewhere",
    "HTTP/1.1",
    "Content-Length: 0",
    "chunked",
    "0\r\n\r\n",
    "\u{1b}[2J",
    "\u{7f}",
    "\u{80}",
    "\u{9b}",
    "\u{a0}",
    "\u{ad}",
    "\u{202e}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffd}",
    "ż",
    "ﬀ",
    "𝒳",
    "İ",
    "。",
    "／",
    "toString",
    "__proto__",
    "constructor",
    "null",
    "\"",
    "'",
    "{}",
    "[1,2]",
    "<",
    ">",
    "|",
    "^",
];

/// Generates any text, preferably text of `FRAGMENTS`.
pub(crate) fn texts() -> impl Strategy<Value = String> {
    let pieces = || vec(select(&FRAGMENTS[..]).prop_map(str::to_owned), 1..5);
    let mixed = vec(
        proptest::prop_oneof![
            select(&FRAGMENTS[..]).prop_map(str::to_owned),
            string_regex("[a-z0-9-]{1,6}").expect("a pattern")
        ],
        1..8,
    );
    proptest::prop_oneof![
        3 => any::<String>(),
        3 => string_regex("[A-Za-z0-9._~!$&'()*+,;=:@%-]{1,40}").expect("a pattern"),
        1 => string_regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").expect("a pattern"),
        1 => string_regex("[ -~]{0,60}").expect("a pattern"),
        2 => pieces().prop_map(|pieces| pieces.concat()),
        3 => mixed.prop_map(|pieces| pieces.concat()),
    ]
}

/// Generates IDs, preferably ones that can be part of a path.
pub(crate) fn ids() -> impl Strategy<Value = String> {
    proptest::prop_oneof![2 => string_regex("[A-Za-z0-9._~!$&'()*+,;=:@-]{1,40}").expect("a pattern"), 1 => texts()]
}

/// Header names that HTTP or the client uses.
const KNOWN: [&str; 9] = [
    "Host",
    "content-length",
    "Transfer-Encoding",
    "connection",
    "TE",
    "accept",
    "authorization",
    "user-agent",
    "cookie",
];

/// Generates header names and values, preferably ones that can be sent.
pub(crate) fn headers() -> impl Strategy<Value = (String, String)> {
    let names = proptest::prop_oneof![
        4 => string_regex("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}").expect("a pattern"),
        1 => select(&KNOWN[..]).prop_map(str::to_owned),
        2 => texts(),
    ];
    let values = proptest::prop_oneof![
        3 => string_regex("[!-~]([ \t!-~]{0,40}[!-~])?").expect("a pattern"),
        1 => string_regex("\\PC{0,30}").expect("a pattern"),
        1 => string_regex("[a-z]{1,3}").expect("a pattern").prop_map(|unit| unit.repeat(6000)),
        3 => texts(),
    ];
    (names, values)
}

fn urls() -> impl Strategy<Value = String> {
    let schemes = select(
        &[
            "http://", "https://", "HTTP://", "http:", "http:/", "http:///", "ftp://", "//", "",
            "file://", "ws://", "user:",
        ][..],
    );
    let hosts = proptest::prop_oneof![
        3 => select(&["localhost", "127.0.0.1", "[::1]", "example.com", "0x7f.1", "żółw.pl",
            "a.b.c.", "EXAMPLE.com", "[::ffff:1.2.3.4]"][..])
            .prop_map(str::to_owned),
        2 => string_regex("[a-z0-9.-]{1,12}").expect("a pattern"),
        1 => texts(),
    ];
    let ports = select(
        &[
            "", "", ":80", ":443", ":8000", ":0", ":65535", ":65536", ":-1", ":x",
        ][..],
    );
    let paths = proptest::prop_oneof![
        2 => string_regex("(/[a-z0-9%._~-]{0,6}){0,4}/?").expect("a pattern"),
        2 => texts().prop_map(|text| format!("/{text}")),
    ];
    let whole = (schemes, hosts, ports, paths)
        .prop_map(|(scheme, host, port, path)| format!("{scheme}{host}{port}{path}"));
    proptest::prop_oneof![5 => whole, 1 => texts()]
}

/// Generates JSON of any shape, at most three levels deep.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let words = || {
        let letters = string_regex("[ -~]{0,8}").expect("a pattern");
        proptest::prop_oneof![
            select(&FRAGMENTS[..]).prop_map(str::to_owned),
            letters,
            any::<char>().prop_map(String::from)
        ]
    };
    let leaf = proptest::prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 8, 3, move |inner| {
        let members = vec((words(), inner.clone()), 0..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()));
        proptest::prop_oneof![vec(inner, 0..4).prop_map(Value::from), members]
    })
}

#[test]
fn path_value_is_sent_unchanged_or_refused() {
    for_all(CASES, (texts(), texts()), |(first, second)| {
        requesting::check_path(&Hub::with_defaults(), &first, &second)
    });
}

#[test]
fn sequence_id_is_sent_unchanged_or_refused() {
    for_all(CASES, texts(), |text| {
        requesting::check_sequence_id(&Hub::with_defaults(), &text)
    });
}

#[test]
fn instance_id_is_sent_unchanged_or_refused() {
    for_all(CASES, texts(), |text| {
        requesting::check_instance_id(&Hub::with_defaults(), &text)
    });
}

#[test]
fn event_name_is_sent_unchanged_or_refused() {
    for_all(CASES, texts(), |text| {
        requesting::check_event_name(&Hub::with_defaults(), &text)
    });
}

#[test]
fn topic_name_is_sent_unchanged_or_refused_with_each_content_type() {
    for_all(CASES, texts(), |text| {
        requesting::check_topic_name(&Hub::with_defaults(), &text)
    });
}

#[test]
fn platform_ids_are_sent_unchanged_or_refused() {
    for_all(CASES, texts(), |text| {
        requesting::check_platform_id(&Hub::with_defaults(), &text)
    });
}

#[test]
fn endpoint_new_keeps_the_base_url_or_refuses_it() {
    for_all(CASES, (urls(), texts()), |(url, text)| {
        requesting::check_base(&url, &text)
    });
}

#[test]
fn set_header_keeps_the_value_or_refuses_it() {
    for_all(CASES, headers(), |(name, value)| {
        drop(requesting::check_header(&name, &value))
    });
}

#[test]
fn send_event_accepts_any_name_and_data() {
    for_all(CASES, (texts(), json()), |(name, data)| {
        requesting::check_event(&Hub::with_defaults(), &name, &data)
    });
}

#[test]
fn start_options_are_sent_unchanged_or_refused() {
    for_all(
        CASES,
        (json(), texts(), texts()),
        |(value, text, member)| {
            requesting::check_options(&Hub::with_defaults(), &value, &text, &member)
        },
    );
}

#[test]
fn access_key_is_sent_unchanged_or_refused() {
    for_all(CASES, texts(), |text| {
        requesting::check_key(&Hub::with_defaults(), &text)
    });
}

/// Generates bodies that resemble those of hubs, some of them truncated.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let lines = vec(
        proptest::prop_oneof![json().prop_map(|value| value.to_string()), texts()],
        0..4,
    );
    // Decoders process some kB of lines together.
    let line = proptest::prop_oneof![
        4 => texts().prop_map(String::into_bytes),
        4 => json().prop_map(|value| value.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..9),
    ];
    let many = (
        vec(line, 1..9),
        select(&["\n", "\r\n"][..]),
        0_usize..20_000,
    )
        .prop_map(|(lines, end, length)| {
            let some = lines
                .iter()
                .flat_map(|line| [line, end.as_bytes()].concat());
            some.collect::<Vec<_>>()
                .into_iter()
                .cycle()
                .take(length)
                .collect()
        });
    let nearly_null = vec(
        select(
            &[
                "null", "nul", "l", " ", "\t", "\r", "\n", "\r\n", "\u{c}", "1", "{}",
            ][..],
        ),
        0..12,
    );
    proptest::prop_oneof![
        3 => nearly_null.prop_map(|pieces| pieces.concat().into_bytes()),
        3 => vec(any::<u8>(), 0..80),
        3 => json().prop_map(|value| value.to_string().into_bytes()),
        1 => many,
        3 => (lines, select(&["\n", "\r\n", "\n\n", "\r"][..])).prop_map(|(lines,
            end)| lines.join(end).into_bytes()),
        3 => (json(), any::<u8>()).prop_map(|(value, at)| {
            let mut text = value.to_string().into_bytes();
            text.truncate(usize::from(at));
            text
        }),
    ]
}

#[test]
fn decoders_do_not_depend_on_how_a_body_is_split() {
    for_all(
        CASES,
        (0_u8..247, any::<u8>(), bodies()),
        |(which, seed, body)| decoding::check(&[&[which, seed], &body[..]].concat()),
    );
}

#[test]
fn replies_do_not_depend_on_how_a_body_is_split() {
    let lines = vec(
        (
            headers(),
            select(
                &[
                    "content-length:5",
                    "transfer-encoding:chunked",
                    "location:/x",
                    "retry-after:7",
                    "retry-after:Sun, 06 Nov 1994 08:49:37 GMT",
                    "date:Sun Nov  6 08:49:37 1994",
                    "content-encoding:gzip",
                    "content-encoding:identity",
                    "",
                ][..],
            ),
        ),
        0..4,
    );
    for_all(
        CASES,
        (any::<[u8; 4]>(), texts(), lines, bodies()),
        |(choices, reason, lines, body)| {
            let lines: Vec<String> = lines
                .into_iter()
                .map(|((name, value), line)| format!("{line}\u{fe}{name}:{value}"))
                .collect();
            let head: Vec<u8> = lines
                .join("\u{fe}")
                .chars()
                .map(|c| {
                    if c == '\u{fe}' {
                        0xfe
                    } else {
                        u8::try_from(c).unwrap_or(b'?')
                    }
                })
                .collect();
            replying::check(
                &[
                    &choices[..],
                    reason.as_bytes(),
                    &[0xff],
                    &head,
                    &[0xff],
                    &body,
                ]
                .concat(),
            );
        },
    );
}

#[test]
fn heads_are_found_at_the_same_place_in_every_prefix() {
    let interim = select(
        &[
            "",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
        ][..],
    );
    let lines = string_regex("HTTP/1\\.[01x] {0,2}[0-9+a]{1,4} ?[ -~\\x80-\\xff]{0,12}\r?\n")
        .expect("a pattern");
    let rest = string_regex("([A-Za-z-]{1,5}: ?[!-~]{0,5}\r?\n){0,3}(\r\n)?").expect("a pattern");
    for_all(
        CASES,
        (interim, lines, rest, texts()),
        |(interim, line, rest, text)| {
            heads::check(format!("{interim}{line}{rest}{text}").as_bytes())
        },
    );
}
