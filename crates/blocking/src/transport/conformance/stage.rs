//! Where a case takes place: who plays the other side, and how the transport reaches it.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, Response, header};

use super::server::{Connection, Server, write_answer};
use super::{Checked, PATIENCE};
use crate::transport::http1::Head;
use crate::transport::replay::Replay;
use crate::transport::script::{Answer, Asked, Script, Sent};
use crate::{BoxError, CallLimits, Outgoing, Transport};

#[derive(Clone)]
pub(super) enum Stage {
    /// A transport with a network: the other side is a server.
    Loopback(Arc<dyn Transport>),
    Script,
    Replay,
}

/// The rule says nothing about this transport.
#[derive(Debug)]
pub(super) struct Unsupported(&'static str);

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unsupported {}

impl Stage {
    /// The other side is what it does with a connection, byte for byte.
    pub(super) fn wire(
        &self,
        handler: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> Checked<Scene> {
        let Self::Loopback(transport) = self else {
            return Err(Unsupported("it has no connections").into());
        };
        Scene::at(transport, Server::start(handler)?, channel().1)
    }

    /// The other side is what it answers.
    pub(super) fn play(
        &self,
        answer: impl Fn(&mut Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> Checked<Scene> {
        match self {
            Self::Loopback(transport) => {
                let (tell, told) = channel();
                let tell = Mutex::new(tell);
                let tell = move |sent| {
                    drop(
                        tell.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .send(sent),
                    )
                };
                Scene::at(
                    transport,
                    Server::start(move |connection| connection.play(&answer, &tell))?,
                    told,
                )
            }
            Self::Script => {
                let script = Script::new().whenever("*", "*", answer);
                let (transport, url) = (Arc::new(script.clone()), "http://hub.invalid".into());
                Ok(Scene {
                    transport,
                    url,
                    other: Other::Script(script, AtomicUsize::new(0)),
                })
            }
            Self::Replay => Err(Unsupported("it has no other side that could act").into()),
        }
    }

    /// The other side answers these, one after the other, with what is known beforehand. What is not a GET is sent with a body of `{}`.
    pub(super) fn exchanges(
        &self,
        exchanges: impl IntoIterator<Item = (Method, String, Answer)>,
    ) -> Checked<Scene> {
        match self {
            Self::Replay => {
                let folder = Folder::new()?;
                for (index, (method, path, answer)) in exchanges.into_iter().enumerate() {
                    folder.write(index, &method, &path, answer)?;
                }
                let transport = Arc::new(Replay::open(&folder.0)?);
                Ok(Scene {
                    transport,
                    url: "http://hub.invalid".into(),
                    other: Other::Replay(folder),
                })
            }
            _ => {
                let answers: Vec<_> = exchanges.into_iter().map(|(_, _, answer)| answer).collect();
                let answers = Mutex::new(answers.into_iter());
                self.play(move |asked| {
                    asked.read_all();
                    let next = answers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .next();
                    next.unwrap_or_else(|| Answer::error("there are no more answers"))
                })
            }
        }
    }
}

/// The transport, and the way to the other side.
pub(super) struct Scene {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) url: String,
    other: Other,
}

enum Other {
    Server(Server, Mutex<Receiver<Sent>>),
    Script(Script, AtomicUsize),
    Replay(#[expect(dead_code, reason = "it is there until it is dropped")] Folder),
}

pub(super) type Answered = Response<Box<dyn Read + Send>>;

impl Scene {
    fn at(transport: &Arc<dyn Transport>, server: Server, sent: Receiver<Sent>) -> Checked<Self> {
        Ok(Self {
            transport: Arc::clone(transport),
            url: server.url(),
            other: Other::Server(server, Mutex::new(sent)),
        })
    }

    pub(super) fn request<'a>(
        &self,
        method: Method,
        path: &str,
        body: Outgoing<'a>,
    ) -> Checked<Request<Outgoing<'a>>> {
        Ok(Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .body(body)?)
    }

    pub(super) fn send(&self, method: Method, path: &str, body: Outgoing<'_>) -> Checked<Answered> {
        self.transport.send(self.request(method, path, body)?)
    }

    pub(super) fn get(&self, path: &str) -> Checked<Answered> {
        self.send(Method::GET, path, Outgoing::Empty)
    }

    pub(super) fn upload(
        &self,
        reader: &mut (dyn Read + Send),
        length: Option<u64>,
    ) -> Checked<Answered> {
        self.send(Method::POST, "/upload", Outgoing::Reader { reader, length })
    }

    /// Like [`send`](Self::send), within limits.
    pub(super) fn limited(&self, limits: &CallLimits, body: Outgoing<'_>) -> Checked<Answered> {
        let method = if matches!(body, Outgoing::Empty) {
            Method::GET
        } else {
            Method::POST
        };
        let mut request = self.request(method, "/limited", body)?;
        request.extensions_mut().insert(limits.clone());
        self.transport.send(request)
    }

    /// The next request that has arrived, and is answered.
    pub(super) fn sent(&self) -> Checked<Sent> {
        match &self.other {
            Other::Server(_, sent) => heard(
                &sent.lock().unwrap_or_else(PoisonError::into_inner),
                "the request",
            ),
            Other::Script(script, seen) => {
                let sent = script
                    .requests()
                    .into_iter()
                    .nth(seen.fetch_add(1, Ordering::SeqCst));
                sent.ok_or_else(|| "the request did not arrive".into())
            }
            Other::Replay(_) => Err(Unsupported("it checks what is sent itself").into()),
        }
    }

    /// Whether requests are framed.
    pub(super) fn is_wire(&self) -> bool {
        matches!(self.other, Other::Server(..))
    }

    /// How many connections were made.
    pub(super) fn connections(&self) -> usize {
        match &self.other {
            Other::Server(server, _) => server.connections(),
            Other::Script(..) | Other::Replay(_) => 0,
        }
    }
}

pub(super) fn text(answered: Answered) -> Checked<String> {
    Ok(io::read_to_string(answered.into_body())?)
}

/// Word from the other side.
pub(super) fn heard<T>(words: &Receiver<T>, of: &str) -> Checked<T> {
    words
        .recv_timeout(PATIENCE)
        .map_err(|_| format!("there is no word of {of}").into())
}

/// Says it to whoever listens.
pub(super) struct Say<T>(Mutex<Sender<T>>);

impl<T> Say<T> {
    pub(super) fn new() -> (Self, Receiver<T>) {
        let (sender, receiver) = channel();
        (Self(Mutex::new(sender)), receiver)
    }

    pub(super) fn say(&self, word: T) {
        // Who does not listen any more has failed.
        let _ = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(word);
    }
}

/// Hears it from whoever says it.
pub(super) struct Hear<T>(Mutex<Receiver<T>>);

impl<T> Hear<T> {
    pub(super) fn new() -> (Sender<T>, Self) {
        let (sender, receiver) = channel();
        (sender, Self(Mutex::new(receiver)))
    }

    pub(super) fn hear(&self) -> io::Result<T> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(PATIENCE)
            .map_err(io::Error::other)
    }
}

/// Recorded exchanges, until it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "scramjet-client-conformance-{}-{}",
            process::id(),
            NEXT.fetch_add(1, Ordering::SeqCst)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn write(
        &self,
        index: usize,
        method: &Method,
        path: &str,
        answer: Answer,
    ) -> Result<(), BoxError> {
        let body: &[u8] = if method == Method::GET { b"" } else { b"{}" };
        let headers = [(header::CONTENT_LENGTH, body.len().into())]
            .into_iter()
            .collect();
        let head = Head {
            first_line: format!("{method} {path} HTTP/1.1"),
            headers,
        }
        .to_bytes();
        fs::write(
            self.0.join(format!("{index:04}.request")),
            [&head, body].concat(),
        )?;
        let mut reply = Vec::new();
        if let Some(answer) = answer.into_parts() {
            // An error is where it breaks off.
            let _ = write_answer(&mut reply, answer);
        }
        Ok(fs::write(self.0.join(format!("{index:04}.http")), reply)?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
