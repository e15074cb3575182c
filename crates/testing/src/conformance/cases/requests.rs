//! Cases about requests.

use http::Method;
use scramjet_client_blocking::transport::RequestBody;

use crate::ReceivedRequest;
use crate::conformance::fixture::{Fixture, Target, body_of, reader_body, text};
use crate::conformance::{CheckResult, check, check_eq};
use crate::script::Answer;

/// Answers each request after its whole body has arrived.
fn answer_all(target: &Target) -> CheckResult<Fixture> {
    target.answer(|request| {
        request.read_all();
        Answer::ok("")
    })
}

fn values<'a>(request: &'a ReceivedRequest, name: &str) -> Vec<&'a [u8]> {
    request
        .headers
        .get_all(name)
        .into_iter()
        .map(|value| value.as_bytes())
        .collect()
}

pub(super) fn requests_are_sent_unchanged(target: &Target) -> CheckResult {
    let fixture = answer_all(target)?;
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
        for path in [
            "/",
            "/a+b:c@d",
            "/100%",
            "/%2e%2e/%41%2Fx",
            "/!$&'()*,;=~",
            "/a//b/",
            "/a/../b",
            "/[{x}]",
            "/q?x=%20+y&z",
        ] {
            let what = format!("{method} {path}");
            let body = body_of(&method);
            let mut request = fixture.request(method.clone(), path, body)?;
            let headers = [
                ("x-one", "a b"),
                ("x-two", "first"),
                ("x-two", "second"),
                ("x-three", r#"a "b" \c"#),
                ("authorization", "Bearer abc=="),
            ];
            for (name, value) in headers {
                request.headers_mut().append(name, value.parse()?);
            }
            if method != Method::PUT {
                request.headers_mut().append("accept", "*/*".parse()?);
            }
            text(fixture.transport.send(request)?)?;
            let received = fixture.received()?;
            check_eq(
                &what,
                (&received.method, received.target.as_str()),
                (&method, path),
            )?;
            check_eq(&what, values(&received, "x-one"), vec![&b"a b"[..]])?;
            check_eq(
                &what,
                values(&received, "x-two"),
                vec![&b"first"[..], b"second"],
            )?;
            check_eq(
                &what,
                values(&received, "x-three"),
                vec![&br#"a "b" \c"#[..]],
            )?;
            check_eq(
                &what,
                values(&received, "authorization"),
                vec![&b"Bearer abc=="[..]],
            )?;
            if method != Method::PUT {
                check_eq(&what, values(&received, "accept"), vec![&b"*/*"[..]])?;
            }
            if fixture.has_network() {
                check_eq(&what, values(&received, "host").len(), 1)?;
            }
            for name in ["accept-encoding", "expect", "content-type", "cookie"] {
                check(
                    values(&received, name).is_empty(),
                    format_args!("{what}: the header {name} was added"),
                )?;
            }
        }
    }
    Ok(())
}

pub(super) fn empty_bodies_are_not_announced(target: &Target) -> CheckResult {
    let fixture = answer_all(target)?;
    for method in [Method::GET, Method::DELETE] {
        text(fixture.send(method.clone(), "/x", RequestBody::Empty)?)?;
        let received = fixture.received()?;
        for name in ["content-length", "transfer-encoding"] {
            check(
                values(&received, name).is_empty(),
                format_args!("{method} has no body, and announces one with {name}"),
            )?;
        }
        check(
            received.body.is_empty(),
            format_args!("{method} has no body, and one arrived"),
        )?;
    }
    Ok(())
}

pub(super) fn bodies_are_announced_and_sent(target: &Target) -> CheckResult {
    let fixture = answer_all(target)?;
    let long = b"0123456789abcdef".repeat(20_000);
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        for content in [&b""[..], b"{}", &long] {
            let length = Some(u64::try_from(content.len())?);
            let send = |body: RequestBody<'_>, length: Option<u64>| -> CheckResult {
                let what = format!("{method} {body:?}");
                text(fixture.send(method.clone(), "/x", body)?)?;
                let received = fixture.received()?;
                if fixture.has_network() {
                    let announced = length.map(|length| length.to_string());
                    check_eq(
                        &what,
                        received.header("content-length"),
                        announced.as_deref(),
                    )?;
                    check_eq(
                        &what,
                        received.header("transfer-encoding"),
                        length.is_none().then_some("chunked"),
                    )?;
                }
                check(
                    received.complete && received.body == content,
                    format_args!("{what}: other bytes arrived"),
                )
            };
            send(RequestBody::Bytes(content), length)?;
            send(reader_body(&mut &*content, length), length)?;
            send(reader_body(&mut &*content, None), None)?;
        }
    }
    Ok(())
}

pub(super) fn a_reader_is_read_up_to_its_length(target: &Target) -> CheckResult {
    let fixture = answer_all(target)?;
    let mut reader = &b"0123456789"[..];
    text(fixture.upload(&mut reader, Some(4))?)?;
    check_eq(
        "the body that arrived",
        fixture.received()?.text().as_str(),
        "0123",
    )?;
    check_eq("the rest of the reader", reader, b"456789")
}
