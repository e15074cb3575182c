//! What becomes of connections.

use std::io::{self, Read};
use std::thread;

use http::Method;

use crate::transport::conformance::server::refused_url;
use crate::transport::conformance::stage::{Answered, Hear, Say, Stage, heard, text};
use crate::transport::conformance::{Checked, check, same};
use crate::transport::script::Answer;
use crate::{Fresh, Outgoing, Phase, TransportError};

pub(super) fn requests_do_not_wait_for_each_other(stage: &Stage) -> Checked {
    let (say, arrived) = Say::new();
    let (go_on, may_go_on) = Hear::new();
    let scene = stage.play(move |asked| {
        if asked.so_far().target == "/slow" {
            say.say(());
            if let Err(error) = may_go_on.hear() {
                return Answer::error(error);
            }
        }
        Answer::ok("done")
    })?;
    thread::scope(|scope| {
        let slow = scope.spawn(|| text(scene.get("/slow")?));
        heard(&arrived, "the slow request")?;
        same(
            "the quick one",
            text(scene.get("/quick")?)?.as_str(),
            "done",
        )?;
        go_on.send(())?;
        let slow = slow.join().map_err(|_| "the slow one panicked")??;
        same("the slow one", slow.as_str(), "done")
    })
}

pub(super) fn dropping_a_body_closes_the_connection(stage: &Stage) -> Checked {
    for path in ["/endless", "/idle"] {
        let (say, gone) = Say::new();
        let scene = stage.wire(move |connection| {
            let endless = connection.request()?.target == "/endless";
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            let chunk = [b"1000\r\n".as_slice(), &[b'.'; 4096], b"\r\n"].concat();
            while connection.send(&chunk).is_ok() && endless {}
            // Either the client has closed it, or it does now.
            let _ = connection.drain();
            say.say(());
            Ok(())
        })?;
        let mut body = scene.get(path)?.into_body();
        body.read_exact(&mut [0; 1000])?;
        check(gone.try_recv().is_err(), "it is closed too early")?;
        drop(body);
        heard(&gone, "the end of the connection")?;
    }
    Ok(())
}

pub(super) fn closed_connections_are_not_used(stage: &Stage) -> Checked {
    let (say, closed) = Say::new();
    let scene = stage.wire(move |connection| {
        connection.request()?;
        // It does not say that it will close.
        connection.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}",
            connection.index
        ))?;
        connection.close()?;
        say.say(());
        Ok(())
    })?;
    for index in 0..3 {
        let answered = scene.send(Method::POST, "/x", Outgoing::Bytes(b"{}"))?;
        same("the connection", text(answered)?, index.to_string())?;
        heard(&closed, "the end of the connection")?;
    }
    Ok(())
}

pub(super) fn connections_are_used_again(stage: &Stage) -> Checked {
    let scene = stage.wire(|connection| {
        loop {
            let sent = connection.request()?;
            connection.send(match sent.target.as_str() {
                "/chunked" => {
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
                        .to_owned()
                }
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
                status => format!(
                    "HTTP/1.1 {} Words\r\nContent-Length: 4\r\n\r\nbody",
                    status.trim_start_matches('/')
                ),
            })?;
        }
    })?;
    for path in [
        "/200", "/404", "/chunked", "/500", "/204", "/302", "/419", "/200",
    ] {
        text(scene.get(path)?)?;
        text(scene.send(Method::POST, path, Outgoing::Bytes(b"{}"))?)?;
        text(scene.send(
            Method::POST,
            path,
            Outgoing::Reader {
                reader: &mut &b"data"[..],
                length: None,
            },
        )?)?;
    }
    same("the number of connections", scene.connections(), 1)
}

pub(super) fn fresh_connections_are_made(stage: &Stage) -> Checked {
    let scene = stage.wire(|connection| {
        loop {
            connection.request()?;
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}",
                connection.index
            ))?;
        }
    })?;
    same(
        "the first connection",
        text(scene.get("/x")?)?.as_str(),
        "0",
    )?;
    let mut request = scene.request(Method::GET, "/x", Outgoing::Empty)?;
    request.extensions_mut().insert(Fresh);
    same(
        "the connection of a request that was sent before in vain",
        text(scene.transport.send(request)?)?.as_str(),
        "1",
    )
}

pub(super) fn requests_are_sent_once(stage: &Stage) -> Checked {
    let (say, arrived) = Say::new();
    let scene = stage.wire(move |connection| {
        loop {
            let sent = connection.request()?;
            say.say(format!("{} {}", sent.method, sent.target));
            if sent.target == "/lost" {
                return Ok(());
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        }
    })?;
    for (method, body) in [
        (Method::GET, Outgoing::Empty),
        (Method::PUT, Outgoing::Bytes(b"{}")),
        (Method::POST, Outgoing::Bytes(b"{}")),
    ] {
        // On a connection that was used before, where they are.
        text(scene.get("/before")?)?;
        check(
            scene.send(method.clone(), "/lost", body).is_err(),
            format_args!("{method}: there was an answer"),
        )?;
        text(scene.get("/after")?)?;
        for expected in [
            "GET /before".to_owned(),
            format!("{method} /lost"),
            "GET /after".to_owned(),
        ] {
            same("what arrived", heard(&arrived, &expected)?, expected)?;
        }
    }
    Ok(())
}

pub(super) fn errors_say_how_far_the_request_got(stage: &Stage) -> Checked {
    let scene = stage.wire(|connection| connection.request().map(drop))?;
    let phase = |result: Checked<Answered>| -> Checked<Phase> {
        match result.map(drop) {
            Ok(()) => Err("there was an answer".into()),
            Err(error) => match error.downcast::<TransportError>() {
                Ok(error) => Ok(error.phase),
                Err(error) => Err(format!("it is no TransportError: {error}").into()),
            },
        }
    };
    let wait = |what: &str, result| same(what, phase(result)?, Phase::Wait);
    wait("GET without an answer", scene.get("/x"))?;
    wait(
        "POST without an answer",
        scene.send(Method::POST, "/x", Outgoing::Bytes(b"{}")),
    )?;
    wait(
        "an upload without an answer",
        scene.upload(&mut &b"{}"[..], None),
    )?;

    for (method, body) in [
        (Method::GET, Outgoing::Empty),
        (Method::POST, Outgoing::Bytes(b"{}")),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri(refused_url()?)
            .body(body)?;
        let phase = phase(scene.transport.send(request))?;
        // However finely it is told, nothing was sent.
        check(
            !matches!(phase, Phase::Send | Phase::Wait | Phase::Read),
            format_args!("where nobody listens: {phase:?}"),
        )?;
    }

    let scene = stage.wire(|connection| connection.head().map(drop))?;
    same(
        "an upload that is not taken",
        phase(scene.upload(&mut io::repeat(b'.'), None))?,
        Phase::Send,
    )
}
