//! The transport that the README of core shows, with a program around it.
//!
//! `cargo run --example core_forty_lines -- [HUB-URL]`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use scramjet_client_core::http::{HeaderMap, HeaderName, StatusCode};
use scramjet_client_core::{Decode, Endpoint, GetVersion, Operation, Single, Step};

pub type Failure = Box<dyn std::error::Error>;

pub fn call<O>(hub: &Endpoint, operation: &O) -> Result<<O::Decoder as Decode>::Item, Failure>
where
    O: Operation<Payload = Vec<u8>, Decoder: Single>,
{
    let (head, body) = hub.request(operation)?.into_parts();
    let host = head
        .uri
        .authority()
        .filter(|_| head.uri.scheme_str() == Some("http"))
        .ok_or("only http:// addresses")?;
    let mut stream = TcpStream::connect((
        host.host().trim_matches(['[', ']']),
        host.port_u16().unwrap_or(80),
    ))?;
    write!(
        stream,
        "{} {} HTTP/1.0\r\nhost: {host}\r\nconnection: close\r\n",
        head.method,
        head.uri.path()
    )?;
    write!(stream, "content-length: {}\r\n", body.len())?;
    for (name, value) in &head.headers {
        stream.write_all(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat())?;
    }
    stream.write_all(&[b"\r\n", body.as_slice()].concat())?;

    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    let mut words = line.trim_end().splitn(3, ' ').skip(1);
    let status: StatusCode = words.next().unwrap_or_default().parse()?;
    let reason = words.next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    for line in lines.by_ref().lines() {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.append(name.parse::<HeaderName>()?, value.trim().parse()?);
    }

    let mut reply = hub.reply(operation, status, reason, &headers);
    loop {
        match reply.next_item()? {
            Step::Item(item) => return Ok(item),
            Step::NeedData => {}
            Step::End => return Err("a reply without its value".into()),
        }
        match lines.fill_buf()? {
            [] => reply.end()?,
            piece => reply.feed(piece),
        }
        let length = lines.buffer().len();
        lines.consume(length);
    }
}

fn main() -> Result<(), Failure> {
    let hub = scramjet_client_tests::hub::any(std::env::args().nth(1))?;
    println!(
        "version {}",
        call(&Endpoint::new(hub.url())?, &GetVersion)?.version
    );
    Ok(())
}
