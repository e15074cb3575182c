//! What goes out.

use http::Method;

use crate::Outgoing;
use crate::transport::conformance::stage::{Scene, Stage, text};
use crate::transport::conformance::{Checked, check, same};
use crate::transport::script::{Answer, Sent};

/// Everything is answered, when all of it has come.
fn taking(stage: &Stage) -> Checked<Scene> {
    stage.play(|asked| {
        asked.read_all();
        Answer::ok("")
    })
}

fn values<'a>(sent: &'a Sent, name: &str) -> Vec<&'a [u8]> {
    sent.headers
        .get_all(name)
        .into_iter()
        .map(|value| value.as_bytes())
        .collect()
}

pub(super) fn requests_go_out_as_they_are(stage: &Stage) -> Checked {
    let scene = taking(stage)?;
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
            let body = if method == Method::GET {
                Outgoing::Empty
            } else {
                Outgoing::Bytes(b"{}")
            };
            let mut request = scene.request(method.clone(), path, body)?;
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
            text(scene.transport.send(request)?)?;
            let sent = scene.sent()?;
            same(&what, (&sent.method, sent.target.as_str()), (&method, path))?;
            same(&what, values(&sent, "x-one"), vec![&b"a b"[..]])?;
            same(
                &what,
                values(&sent, "x-two"),
                vec![&b"first"[..], b"second"],
            )?;
            same(&what, values(&sent, "x-three"), vec![&br#"a "b" \c"#[..]])?;
            same(
                &what,
                values(&sent, "authorization"),
                vec![&b"Bearer abc=="[..]],
            )?;
            if method != Method::PUT {
                same(&what, values(&sent, "accept"), vec![&b"*/*"[..]])?;
            }
            if scene.is_wire() {
                same(&what, values(&sent, "host").len(), 1)?;
            }
            for name in ["accept-encoding", "expect", "content-type", "cookie"] {
                check(
                    values(&sent, name).is_empty(),
                    format_args!("{what}: the header {name} was added"),
                )?;
            }
        }
    }
    Ok(())
}

pub(super) fn no_body_is_not_announced(stage: &Stage) -> Checked {
    let scene = taking(stage)?;
    for method in [Method::GET, Method::DELETE] {
        text(scene.send(method.clone(), "/x", Outgoing::Empty)?)?;
        let sent = scene.sent()?;
        for name in ["content-length", "transfer-encoding"] {
            check(
                values(&sent, name).is_empty(),
                format_args!("{method} has no body, and announces one by {name}"),
            )?;
        }
        check(
            sent.body.is_empty(),
            format_args!("{method} has no body, and one arrived"),
        )?;
    }
    Ok(())
}

pub(super) fn bodies_are_announced_and_sent(stage: &Stage) -> Checked {
    let scene = taking(stage)?;
    let long = b"0123456789abcdef".repeat(20_000);
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        for content in [&b""[..], b"{}", &long] {
            let length = Some(u64::try_from(content.len())?);
            let send = |body: Outgoing<'_>, length: Option<u64>| -> Checked {
                let what = format!("{method} {body:?}");
                text(scene.send(method.clone(), "/x", body)?)?;
                let sent = scene.sent()?;
                if scene.is_wire() {
                    let announced = length.map(|length| length.to_string());
                    same(&what, sent.header("content-length"), announced.as_deref())?;
                    same(
                        &what,
                        sent.header("transfer-encoding"),
                        length.is_none().then_some("chunked"),
                    )?;
                }
                check(
                    sent.complete && sent.body == content,
                    format_args!("{what}: other bytes arrived"),
                )
            };
            send(Outgoing::Bytes(content), length)?;
            send(
                Outgoing::Reader {
                    reader: &mut &*content,
                    length,
                },
                length,
            )?;
            send(
                Outgoing::Reader {
                    reader: &mut &*content,
                    length: None,
                },
                None,
            )?;
        }
    }
    Ok(())
}

pub(super) fn a_reader_is_read_up_to_its_length(stage: &Stage) -> Checked {
    let scene = taking(stage)?;
    let mut reader = &b"0123456789"[..];
    text(scene.upload(&mut reader, Some(4))?)?;
    same("what arrived", scene.sent()?.text().as_str(), "0123")?;
    same("what is left", reader, b"456789")
}
