//! Cases about connections.

use std::io::{self, Read};
use std::net::Shutdown;
use std::thread;

use http::Method;
use scramjet_client_blocking::transport::{NewConnection, Phase, RequestBody, TransportError};

use crate::conformance::fixture::{
    BodyResponse, SharedReceiver, SharedSender, Target, reader_body, receive, text,
};
use crate::conformance::{CheckResult, check, check_eq};
use crate::script::Answer;
use crate::server::refused_url;

pub(super) fn requests_do_not_wait_for_each_other(target: &Target) -> CheckResult {
    let (sender, arrived) = SharedSender::new();
    let (release, wait_for_release) = SharedReceiver::new();
    let fixture = target.answer(move |request| {
        if request.target == "/slow" {
            sender.send(());
            if let Err(error) = wait_for_release.wait() {
                return Answer::error(error);
            }
        }
        Answer::ok("done")
    })?;
    thread::scope(|scope| {
        let slow = scope.spawn(|| text(fixture.get("/slow")?));
        receive(&arrived, "the slow request")?;
        check_eq(
            "the response to the quick request",
            text(fixture.get("/quick")?)?.as_str(),
            "done",
        )?;
        release.send(())?;
        let slow = slow.join().map_err(|_| "the slow request panicked")??;
        check_eq("the response to the slow request", slow.as_str(), "done")
    })
}

pub(super) fn dropping_a_body_closes_the_connection(target: &Target) -> CheckResult {
    for path in ["/endless", "/idle"] {
        let (sender, gone) = SharedSender::new();
        let fixture = target.serve_bytes(move |connection| {
            let endless = connection.read_request()?.target == "/endless";
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            let chunk = [b"1000\r\n".as_slice(), &[b'.'; 4096], b"\r\n"].concat();
            while connection.send(&chunk).is_ok() && endless {}
            // Blocks until the client closes the connection.
            let _ = io::copy(connection, &mut io::sink());
            sender.send(());
            Ok(())
        })?;
        let mut body = fixture.get(path)?.into_body();
        body.read_exact(&mut [0; 1000])?;
        check(
            gone.try_recv().is_err(),
            "the connection is closed too early",
        )?;
        drop(body);
        receive(&gone, "the end of the connection")?;
    }
    Ok(())
}

pub(super) fn closed_connections_are_not_used(target: &Target) -> CheckResult {
    let (sender, closed) = SharedSender::new();
    let fixture = target.serve_bytes(move |connection| {
        connection.read_request()?;
        // There is no `Connection: close` before the close.
        connection.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}",
            connection.index()
        ))?;
        connection.socket().shutdown(Shutdown::Both)?;
        sender.send(());
        Ok(())
    })?;
    for index in 0..3 {
        let response = fixture.send(Method::POST, "/x", RequestBody::Bytes(b"{}"))?;
        check_eq("the connection", text(response)?, index.to_string())?;
        receive(&closed, "the end of the connection")?;
    }
    Ok(())
}

pub(super) fn connections_are_reused(target: &Target) -> CheckResult {
    let fixture = target.serve_bytes(|connection| {
        loop {
            let request = connection.read_request()?;
            connection.send(match request.target.as_str() {
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
        text(fixture.get(path)?)?;
        text(fixture.send(Method::POST, path, RequestBody::Bytes(b"{}"))?)?;
        text(fixture.send(Method::POST, path, reader_body(&mut &b"data"[..], None))?)?;
    }
    check_eq("the number of connections", fixture.connections(), 1)
}

pub(super) fn retried_requests_get_new_connections(target: &Target) -> CheckResult {
    let fixture = target.serve_bytes(|connection| {
        loop {
            connection.read_request()?;
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}",
                connection.index()
            ))?;
        }
    })?;
    check_eq(
        "the first connection",
        text(fixture.get("/x")?)?.as_str(),
        "0",
    )?;
    let mut request = fixture.request(Method::GET, "/x", RequestBody::Empty)?;
    request.extensions_mut().insert(NewConnection);
    check_eq(
        "the connection of the retried request",
        text(fixture.transport.send(request)?)?.as_str(),
        "1",
    )
}

pub(super) fn requests_are_sent_once(target: &Target) -> CheckResult {
    let (sender, arrived) = SharedSender::new();
    let fixture = target.serve_bytes(move |connection| {
        loop {
            let request = connection.read_request()?;
            sender.send(format!("{} {}", request.method, request.target));
            if request.target == "/lost" {
                return Ok(());
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        }
    })?;
    for (method, body) in [
        (Method::GET, RequestBody::Empty),
        (Method::PUT, RequestBody::Bytes(b"{}")),
        (Method::POST, RequestBody::Bytes(b"{}")),
    ] {
        // The next request may then use an idle connection.
        text(fixture.get("/before")?)?;
        check(
            fixture.send(method.clone(), "/lost", body).is_err(),
            format_args!("{method}: there was a response"),
        )?;
        text(fixture.get("/after")?)?;
        for expected in [
            "GET /before".to_owned(),
            format!("{method} /lost"),
            "GET /after".to_owned(),
        ] {
            check_eq("the request", receive(&arrived, &expected)?, expected)?;
        }
    }
    Ok(())
}

pub(super) fn errors_say_how_far_the_request_got(target: &Target) -> CheckResult {
    let fixture = target.serve_bytes(|connection| connection.read_request().map(drop))?;
    let phase = |result: Result<BodyResponse, TransportError>| -> CheckResult<Phase> {
        match result {
            Ok(_) => Err("there was a response".into()),
            Err(error) => Ok(error.phase),
        }
    };
    let wait = |what: &str, result| check_eq(what, phase(result)?, Phase::Wait);
    wait("GET without a response", fixture.get("/x"))?;
    wait(
        "POST without a response",
        fixture.send(Method::POST, "/x", RequestBody::Bytes(b"{}")),
    )?;
    wait(
        "an upload without a response",
        fixture.upload(&mut &b"{}"[..], None),
    )?;

    for (method, body) in [
        (Method::GET, RequestBody::Empty),
        (Method::POST, RequestBody::Bytes(b"{}")),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri(refused_url()?)
            .body(body)?;
        let phase = phase(fixture.transport.send(request))?;
        // All earlier phases mean that nothing was sent.
        check(
            !matches!(phase, Phase::Send | Phase::Wait | Phase::Read),
            format_args!("the connection was refused, and the phase is {phase:?}"),
        )?;
    }

    let fixture = target.serve_bytes(|connection| connection.read_head().map(drop))?;
    check_eq(
        "an upload that the server does not read",
        phase(fixture.upload(&mut io::repeat(b'.'), None))?,
        Phase::Send,
    )
}
