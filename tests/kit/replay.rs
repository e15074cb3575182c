//! A server that replays recorded exchanges over real HTTP/1.1, a byte at a time.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::{
    fixture::{Check, Exchange, Request},
    scripted::{Connection, ScriptedServer, response},
};

/// Replays the exchanges of a script in their order, whatever connections the requests come on.
pub struct ReplayServer {
    server: ScriptedServer,
    script: Arc<Script>,
}

impl ReplayServer {
    pub fn start(script: Vec<Exchange>) -> Self {
        let script = Arc::new(Script {
            exchanges: script,
            progress: Mutex::default(),
        });
        let server = ScriptedServer::start({
            let script = Arc::clone(&script);
            move |connection| while script.replay(connection).is_some() {}
        });
        Self { server, script }
    }

    /// The base address, in the form in which clients take it.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// The requests so far, in the order of their heads.
    pub fn requests(&self) -> Vec<Request> {
        self.script.progress().requests.clone()
    }

    /// Panics if a request was missing, one too many, or not as recorded.
    pub fn finish(self) {
        self.server.join();
        let progress = self.script.progress();
        let missing = self.script.exchanges.iter().skip(progress.requests.len());
        let missing = missing.map(|exchange| format!("{}: the request never came", exchange.name));
        let complaints: Vec<String> = progress.complaints.iter().cloned().chain(missing).collect();
        // A guard alive in a panic would poison the lock.
        drop(progress);
        assert!(
            complaints.is_empty(),
            "the replay went wrong\n{}",
            complaints.join("\n")
        );
    }
}

struct Script {
    exchanges: Vec<Exchange>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Also the position in the script: every request takes the next exchange, fitting or not.
    requests: Vec<Request>,
    complaints: Vec<String>,
}

impl Script {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress
            .lock()
            .expect("no thread panicked with the lock")
    }

    /// One exchange; `None` if the connection is over after it.
    fn replay(&self, connection: &mut Connection) -> Option<()> {
        let mut request = connection.read_head()?;
        let position = {
            let mut progress = self.progress();
            progress.requests.push(request.clone());
            progress.requests.len() - 1
        };
        let exchange = self.exchanges.get(position);

        let mut rest = exchange.map_or(&[][..], |exchange| &exchange.response.raw);
        if let Some(exchange) = exchange.filter(|_| request.header("expect").is_some()) {
            // The client waits for these before it sends the body.
            let interim;
            (interim, rest) = rest.split_at(exchange.response.head_at);
            send_bytewise(connection, interim)?;
        }

        let whole = connection.read_body(&mut request);
        let complaint = match exchange {
            _ if !whole => Some(format!(
                "{} {}: the request broke off",
                request.method, request.target
            )),
            Some(exchange) => complaint(exchange, &request),
            None => Some(format!(
                "{} {}: the script is over",
                request.method, request.target
            )),
        };
        {
            let mut progress = self.progress();
            progress.requests[position].body = request.body;
            progress.complaints.extend(complaint.clone());
        }

        if let Some(complaint) = complaint {
            let headers = [("Content-Type", "text/plain"), ("Connection", "close")];
            connection.send(&response(
                "599 Unexpected Request",
                &headers,
                complaint.as_bytes(),
            ));
            return None;
        }
        send_bytewise(connection, rest)?;
        exchange
            .filter(|exchange| exchange.response.reusable)
            .map(|_| ())
    }
}

/// A client must not depend on how the bytes were divided, and this is the division that it meets least.
fn send_bytewise(connection: &mut Connection, bytes: &[u8]) -> Option<()> {
    bytes
        .iter()
        .all(|byte| connection.send(&[*byte]))
        .then_some(())
}

/// How the request differs from the recorded one, if it does.
fn complaint(exchange: &Exchange, received: &Request) -> Option<String> {
    let recorded = &exchange.request;
    let mut differences = String::new();
    let mut compare = |what: &str, equal: bool, recorded: &str, received: &str| {
        if !equal {
            differences += &format!("\n  {what}\n    recorded {recorded}\n    received {received}");
        }
    };

    compare(
        "method",
        recorded.method == received.method,
        &recorded.method,
        &received.method,
    );
    compare(
        "target",
        same_shape(&recorded.target, &received.target),
        &recorded.target,
        &received.target,
    );
    let content_type = recorded.header("content-type");
    if let Some(recorded) = content_type.filter(|_| exchange.check >= Check::ContentType) {
        let received = received.header("content-type");
        compare(
            "content-type",
            received == Some(recorded),
            recorded,
            received.unwrap_or("nothing"),
        );
    }
    if exchange.check >= Check::Body
        && content_type == Some("application/json")
        && !recorded.body.is_empty()
    {
        let text = |body| String::from_utf8_lossy(body).into_owned();
        compare(
            "body",
            recorded.body == received.body,
            &text(&recorded.body),
            &text(&received.body),
        );
    }

    (!differences.is_empty())
        .then(|| format!("{}: the request differs{differences}", exchange.name))
}

/// Whether two targets are equal but for the ids of sequences and instances, which every hub makes anew.
fn same_shape(recorded: &str, received: &str) -> bool {
    let shape = |target: &str| {
        let mut id_follows = false;
        let segments = target.split('/').map(|segment| {
            let is_id = id_follows && !segment.is_empty();
            id_follows = matches!(segment, "sequence" | "instance");
            if is_id {
                "*".to_owned()
            } else {
                segment.to_owned()
            }
        });
        segments.collect::<Vec<_>>()
    };
    shape(recorded) == shape(received)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use super::*;
    use crate::fixture::load;

    const KILL: &str = "POST /api/v1/instance/other/_kill HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n";

    fn connect(server: &ReplayServer) -> TcpStream {
        let url = server.url();
        let authority = url
            .trim_start_matches("http://")
            .trim_end_matches("/api/v1");
        TcpStream::connect(authority).expect("a connection")
    }

    /// Sends the request and reads as many bytes as the reply is expected to have.
    fn exchange(client: &mut TcpStream, request: &str, length: usize) -> Vec<u8> {
        client
            .write_all(request.as_bytes())
            .expect("a sent request");
        let mut reply = vec![0; length];
        client.read_exact(&mut reply).expect("a reply");
        reply
    }

    fn failure(server: ReplayServer) -> String {
        let panic =
            catch_unwind(AssertUnwindSafe(|| server.finish())).expect_err("the replay is not fine");
        *panic.downcast::<String>().expect("a message")
    }

    #[test]
    fn replies_are_the_recorded_bytes_on_one_connection() {
        let script = ["kill-again", "version"].map(|name| load("0.18.7", name));
        let server = ReplayServer::start(script.to_vec());
        let mut client = connect(&server);

        let requests = [
            format!("{KILL}{{}}"),
            "GET /api/v1/version HTTP/1.1\r\n\r\n".to_owned(),
        ];
        for (request, recorded) in requests.iter().zip(script) {
            let raw = recorded.response.raw;
            assert_eq!(exchange(&mut client, request, raw.len()), raw);
        }
        assert_eq!(server.connections(), 1);
        assert_eq!(server.requests()[0].body, b"{}");
        server.finish();
    }

    #[test]
    fn interim_replies_come_before_the_body_is_sent() {
        let recorded = load("0.18.7", "sequence-upload-expect-continue");
        let server = ReplayServer::start(vec![recorded.clone()]);
        let mut client = connect(&server);
        let (interim, rest) = recorded.response.raw.split_at(recorded.response.head_at);

        let head = "POST /api/v1/sequence HTTP/1.1\r\nContent-Type: application/octet-stream\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(exchange(&mut client, head, interim.len()), interim);
        assert_eq!(exchange(&mut client, "abc", rest.len()), rest);
        server.finish();
    }

    #[test]
    fn a_different_request_is_refused_and_reported() {
        let server = ReplayServer::start(vec![load("0.18.7", "kill-again")]);
        let mut client = connect(&server);
        client
            .write_all(format!("{KILL}[]").replace("_kill", "_stop").as_bytes())
            .expect("a sent request");
        let mut reply = String::new();
        client
            .read_to_string(&mut reply)
            .expect("a reply and the end");
        assert!(reply.starts_with("HTTP/1.1 599 "), "{reply}");

        let message = failure(server);
        assert!(
            message.contains("kill-again: the request differs\n  target\n"),
            "{message}"
        );
        assert!(
            message.contains("  body\n    recorded {}\n    received []"),
            "{message}"
        );
    }

    #[test]
    fn what_need_not_be_checked_is_not() {
        let script = [
            load("0.18.7", "kill-again").any_body(),
            load("0.18.7", "kill-again").check_nothing_but_route(),
        ];
        let server = ReplayServer::start(script.to_vec());
        let mut client = connect(&server);
        exchange(
            &mut client,
            &format!("{KILL}[]"),
            script[0].response.raw.len(),
        );
        exchange(
            &mut client,
            &format!("{KILL}[]").replace("json", "xml"),
            script[1].response.raw.len(),
        );
        server.finish();
    }

    #[test]
    fn requests_that_never_came_or_came_too_much_are_reported() {
        let server = ReplayServer::start(vec![load("0.18.7", "version")]);
        assert!(failure(server).contains("version: the request never came"));

        let server = ReplayServer::start(Vec::new());
        let mut client = connect(&server);
        client
            .write_all(b"GET /y HTTP/1.1\r\n\r\n")
            .expect("a sent request");
        client
            .read_to_string(&mut String::new())
            .expect("a reply and the end");
        assert!(failure(server).contains("GET /y: the script is over"));
    }
}
