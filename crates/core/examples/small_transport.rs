//! A transport in 50 lines: HTTP/1.0 over a plain socket, for operations with a single value.
//!
//! `cargo run -p scramjet-client-core --example small_transport`
//!
//! Prints the version of the hub. Uses the hub of `SCRAMJET_HUB_URL`, or a fake hub.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use scramjet_client_core::http::{HeaderMap, HeaderName};
use scramjet_client_core::{Decode, Endpoint, GetVersion, Operation, SingleItem, Step};
use scramjet_client_testing::demo;

/// Any error of this program.
pub type Failure = Box<dyn std::error::Error>;

/// Runs an operation whose response is one value.
pub fn call<O>(hub: &Endpoint, operation: &O) -> Result<<O::Decoder as Decode>::Item, Failure>
where
    O: Operation<Payload = Vec<u8>, Decoder: SingleItem>,
{
    let (head, body) = hub.request(operation)?.into_parts();
    let host = head
        .uri
        .authority()
        .filter(|_| head.uri.scheme_str() == Some("http"));
    let host = host.ok_or("only http:// addresses are supported")?;
    let address = (
        host.host().trim_matches(['[', ']']),
        host.port_u16().unwrap_or(80),
    );
    let mut stream = TcpStream::connect(address)?;
    let (method, path, length) = (&head.method, head.uri.path(), body.len());
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nhost: {host}\r\nconnection: close\r\n"
    )?;
    write!(stream, "content-length: {length}\r\n")?;
    for (name, value) in &head.headers {
        stream.write_all(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat())?;
    }
    stream.write_all(&[b"\r\n", body.as_slice()].concat())?;

    let (mut lines, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head)? > 0 {}
    let (line, fields) = head.split_once("\r\n").ok_or("no response")?;
    let [status, reason] = [1, 2].map(|nth| line.splitn(3, ' ').nth(nth).unwrap_or_default());
    let mut headers = HeaderMap::new();
    for (name, value) in fields.lines().filter_map(|line| line.split_once(':')) {
        headers.append(name.parse::<HeaderName>()?, value.trim().parse()?);
    }

    let mut reply = hub.reply(operation, status.parse()?, reason, &headers);
    loop {
        match reply.next_item()? {
            Step::Item(item) => return Ok(item),
            Step::NeedData => {}
            Step::End => return Err("the response contained no item".into()),
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
    let hub = demo::hub();
    let endpoint = Endpoint::new(hub.url())?;
    println!("version {}", call(&endpoint, &GetVersion)?.version);
    Ok(())
}
