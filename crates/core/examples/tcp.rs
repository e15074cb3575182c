//! A client over a `TcpStream`, with HTTP/1.1 written by hand. No encryption and no timeouts. If
//! the hub refuses an upload midway, the client reads its response only after a write has failed.
//!
//! `cargo run -p scramjet-client-core --example tcp`
//!
//! Prints the version of the hub, and the output of a sequence. Uses the hub of `SCRAMJET_HUB_URL`,
//! or a fake hub.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "this example prints to the terminal, and slices what it has read"
)]

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use scramjet_client_core::http::{HeaderMap, HeaderName, Request, StatusCode, header};
use scramjet_client_core::{
    ContentType, Decode, DeleteSequence, Endpoint, GetVersion, KillInstance, KillOptions,
    Operation, OutputStream, ReadStream, Reply, ReplyError, SendInput, SendSequence, SingleItem,
    StartOptions, StartSequence, Step, Streamed,
};
use scramjet_client_testing::demo;

fn main() -> Result<(), Failure> {
    let started = demo::hub();
    let mut hub = Endpoint::new(started.url())?;
    let version = call(&hub, &GetVersion)?;
    hub.set_dialect(version.dialect());
    println!("hub        {}, version {}", started.url(), version.version);

    let sequence = send(&hub, &SendSequence, &mut demo::shout().as_slice())?.id;
    let options = StartOptions::new();
    let instance = call(
        &hub,
        &StartSequence {
            id: &sequence,
            options: &options,
        },
    )?
    .id;
    let input = SendInput {
        id: &instance,
        content_type: ContentType::Text,
        end: Some(false),
    };
    send(&hub, &input, &mut "some text\n".as_bytes())?;
    let output = ReadStream {
        id: &instance,
        stream: OutputStream::Output,
    };
    if let Some(piece) = items(&hub, &output)?.next() {
        println!("output     {}", piece?.escape_ascii());
    }
    let kill = KillInstance {
        id: &instance,
        options: &KillOptions::new(),
    };
    let delete = DeleteSequence {
        id: &sequence,
        force: false,
    };
    retry(|| call(&hub, &kill))?;
    retry(|| call(&hub, &delete))?;
    Ok(())
}

/// Repeats a request while the hub refuses it, up to 600 times. A hub of 1.x refuses to kill an
/// instance that is still starting, and all hubs refuse to delete a sequence whose instance has not
/// ended yet.
fn retry<T>(mut request: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    for _ in 0..600 {
        match request() {
            Err(error) if error.is::<ReplyError>() => thread::sleep(Duration::from_millis(50)),
            result => return result,
        }
    }
    request()
}

/// Any error: a `RequestError` or a `ReplyError` of core, or an IO error.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Runs an operation whose response is one value.
pub fn call<O>(hub: &Endpoint, operation: &O) -> Result<<O::Decoder as Decode>::Item, Failure>
where
    O: Operation<Payload = Vec<u8>, Decoder: SingleItem>,
{
    items(hub, operation)?
        .next()
        .ok_or("the response contained no item")?
}

/// Runs an operation, and streams its upload from a reader.
pub fn send<O>(
    hub: &Endpoint,
    operation: &O,
    upload: &mut dyn Read,
) -> Result<<O::Decoder as Decode>::Item, Failure>
where
    O: Operation<Payload = Streamed, Decoder: SingleItem>,
{
    let (head, _) = hub.request(operation)?.into_parts();
    let mut connection = open(&Request::from_parts(head, ()), "transfer-encoding: chunked")?;
    let mut piece = [0; 8 << 10];
    let sent = loop {
        let read = match upload.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        match connection
            .write_all(&[format!("{read:x}\r\n").as_bytes(), &piece[..read], b"\r\n"].concat())
        {
            Ok(()) if read > 0 => {}
            sent => break sent,
        }
    };
    match read_response(hub, operation, connection) {
        // If a write failed, the hub may have sent an error before it closed the connection.
        Ok(mut reply) if sent.is_ok() || !reply.reply.is_success() => {
            reply.next().ok_or("the response contained no item")?
        }
        response => Err(sent
            .err()
            .map(Failure::from)
            .or(response.err())
            .unwrap_or_else(|| "no response".into())),
    }
}

/// Runs an operation whose response is a stream of items. An error response is the first item.
pub fn items<O>(hub: &Endpoint, operation: &O) -> Result<Items<O::Decoder>, Failure>
where
    O: Operation<Payload = Vec<u8>>,
{
    let (head, body) = hub.request(operation)?.into_parts();
    let mut connection = open(
        &Request::from_parts(head, ()),
        &format!("content-length: {}", body.len()),
    )?;
    connection.write_all(&body)?;
    read_response(hub, operation, connection)
}

/// Connects and sends the request head.
fn open(request: &Request<()>, framing: &str) -> Result<TcpStream, Failure> {
    let (uri, headers) = (request.uri(), request.headers());
    if uri.scheme_str() != Some("http") {
        return Err("only http:// addresses are supported".into());
    }
    let (authority, target) = uri
        .authority()
        .zip(uri.path_and_query())
        .ok_or("the address has no host")?;
    let host = authority.host().trim_matches(['[', ']']);
    let mut head = format!(
        "{} {target} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n{framing}\r\n",
        request.method()
    )
    .into_bytes();
    for (name, value) in headers {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    let mut connection = TcpStream::connect((host, authority.port_u16().unwrap_or(80)))?;
    connection.write_all(&head)?;
    Ok(connection)
}

fn read_response<O: Operation>(
    hub: &Endpoint,
    operation: &O,
    connection: TcpStream,
) -> Result<Items<O::Decoder>, Failure> {
    let mut body = BufReader::new(connection);
    let (status, reason, headers) = loop {
        let line = line(&mut body)?;
        let mut words = line.splitn(3, ' ').skip(1);
        let status: StatusCode = words.next().unwrap_or_default().parse()?;
        let headers = read_headers(&mut body)?;
        if !status.is_informational() {
            break (status, words.next().unwrap_or_default().to_owned(), headers);
        }
    };
    let left = match headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok())
    {
        _ if headers.contains_key(header::TRANSFER_ENCODING) => Left::Chunks,
        _ if status == StatusCode::NO_CONTENT => Left::Bytes(0),
        length => Left::Bytes(length.unwrap_or(u64::MAX)),
    };
    Ok(Items {
        reply: hub.reply(operation, status, &reason, &headers),
        body,
        left,
    })
}

fn read_headers(from: &mut impl BufRead) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    loop {
        match line(from)?.split_once(':') {
            Some((name, value)) => {
                headers.append(name.parse::<HeaderName>()?, value.trim().parse()?)
            }
            None => return Ok(headers),
        };
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    line.strip_suffix("\r\n")
        .map(str::to_owned)
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// An iterator over the items of a response. Blocks until the next one arrives.
#[derive(Debug)]
pub struct Items<D> {
    reply: Reply<D>,
    body: BufReader<TcpStream>,
    left: Left,
}

/// The next part of the body to read.
#[derive(Debug)]
enum Left {
    /// The rest of a body without chunks, in bytes.
    Bytes(u64),
    /// The rest of a chunk, in bytes.
    Chunk(u64),
    /// The line break after a chunk.
    ChunkEnd,
    /// The size line of the next chunk.
    Chunks,
}

impl<D: Decode> Iterator for Items<D> {
    type Item = Result<D::Item, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reply.next_item() {
                Ok(Step::Item(item)) => return Some(Ok(item)),
                Ok(Step::End) => return None,
                Err(error) => return Some(Err(error.into())),
                Ok(Step::NeedData) => {}
            }
            match self.read() {
                Ok(piece) if piece.is_empty() => {
                    if let Err(error) = self.reply.end() {
                        return Some(Err(error.into()));
                    }
                }
                Ok(piece) => self.reply.feed(&piece),
                Err(_) => return Some(Err(self.reply.cut_off().into())),
            }
        }
    }
}

impl<D> Items<D> {
    /// Returns the next bytes of the body, or an empty vector at its end.
    fn read(&mut self) -> io::Result<Vec<u8>> {
        if let Left::ChunkEnd = self.left {
            line(&mut self.body)?;
            self.left = Left::Chunks;
        }
        if let Left::Chunks = self.left {
            let size = line(&mut self.body)?;
            let size = u64::from_str_radix(size.split(';').next().unwrap_or_default(), 16)
                .map_err(io::Error::other)?;
            self.left = Left::Chunk(size);
            if size == 0 {
                while !line(&mut self.body)?.is_empty() {}
                self.left = Left::Bytes(0);
            }
        }
        let (Left::Bytes(left) | Left::Chunk(left)) = self.left else {
            return Ok(Vec::new());
        };
        let mut piece = Vec::new();
        if left > 0 {
            let available = self.body.fill_buf()?;
            piece.extend(
                &available[..available
                    .len()
                    .min(usize::try_from(left).unwrap_or(usize::MAX))],
            );
            self.body.consume(piece.len());
        }
        let rest = left - u64::try_from(piece.len()).unwrap_or_default();
        self.left = match self.left {
            Left::Chunk(_) if piece.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Left::Chunk(_) if rest == 0 => Left::ChunkEnd,
            Left::Chunk(_) => Left::Chunk(rest),
            // Core checks that the body is as long as announced.
            _ => Left::Bytes(rest),
        };
        Ok(piece)
    }
}
