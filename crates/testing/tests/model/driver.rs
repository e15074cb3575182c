//! Drives a model: sends requests, reads responses, and advances the time.

use std::time::Duration;

use http::Request;
use scramjet_client_testing::model::{
    ExchangeId, Generation, Model, Package, Piece, ProgramSpec, ResponseHead, Settings, Step, Steps,
};
use serde_json::{Value, json};

/// The part of a response that has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestResponse {
    pub(crate) head: Option<ResponseHead>,
    pub(crate) chunks: Vec<Vec<u8>>,
    pub(crate) continues: usize,
    pub(crate) ended: bool,
    pub(crate) cut: bool,
}

impl TestResponse {
    pub(crate) fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, |head| head.status.as_u16())
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body()).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap_or_default()
    }

    /// Returns a header, or `""` if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.head.as_ref().and_then(|head| head.headers.get(name));
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Returns `true` if the response is complete.
    pub(crate) fn is_whole(&self) -> bool {
        self.ended && self.head.is_some()
    }
}

/// A request, and the part of its response that has come.
#[derive(Debug)]
pub(crate) struct PendingRequest {
    id: ExchangeId,
    pub(crate) response: TestResponse,
}

pub(crate) struct Driver {
    pub(crate) hub: Model,
}

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const TEXT: (&str, &str) = ("content-type", "text/plain");

/// The id of the sequence that [`Driver::add`] adds.
pub(crate) const SEQUENCE: &str = "the-sequence";

impl Driver {
    /// Returns the ids of all instances whose processes were started, in the order of their starts.
    pub(crate) fn started_ids(&self) -> Vec<String> {
        let records = self.hub.records();
        records.map(|(_, record)| record.id.clone()).collect()
    }

    pub(crate) fn new(generation: Generation) -> Self {
        Self::with_settings(Settings::of(generation))
    }

    pub(crate) fn with_settings(settings: Settings) -> Self {
        Self {
            hub: Model::new(settings),
        }
    }

    /// Returns a hub with a sequence whose program has these steps.
    pub(crate) fn with_steps(generation: Generation, steps: Vec<Step>) -> Self {
        let mut driver = Self::new(generation);
        driver.add(steps);
        driver
    }

    pub(crate) fn add(&mut self, steps: Vec<Step>) {
        let spec = ProgramSpec::new(move || Box::new(Steps::new(steps.clone())));
        self.hub.program("steps", spec);
        self.hub.add_sequence(SEQUENCE, Package::named("steps"));
    }

    /// Sends a request with its whole body.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> PendingRequest {
        let mut open = self.begin(method, path, headers);
        assert_eq!(
            self.hub.upload(open.id, body),
            body.len(),
            "{method} {path}"
        );
        self.hub.end_upload(open.id);
        self.read(&mut open);
        open
    }

    /// Sends the head of a request.
    pub(crate) fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> PendingRequest {
        self.begin_at(method, &format!("/api/v1/{path}"), headers)
    }

    /// Sends the head of a request with any target.
    pub(crate) fn begin_at(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> PendingRequest {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let id = self.hub.request(&request.body(()).unwrap());
        let mut open = PendingRequest {
            id,
            response: TestResponse::default(),
        };
        self.read(&mut open);
        open
    }

    /// Reads the available part of a response.
    pub(crate) fn read(&mut self, open: &mut PendingRequest) {
        let answer = &mut open.response;
        while !answer.ended && !answer.cut {
            match self.hub.poll(open.id) {
                Piece::Pending => return,
                Piece::Continue => answer.continues += 1,
                Piece::Head(head) => answer.head = Some(head),
                Piece::Body(bytes) => answer.chunks.push(bytes),
                Piece::End => answer.ended = true,
                Piece::Cut => answer.cut = true,
            }
        }
    }

    pub(crate) fn disconnect(&mut self, open: &PendingRequest) {
        self.hub.disconnect(open.id);
    }

    /// Sends bytes of a request body. Returns the number of bytes that were accepted.
    pub(crate) fn upload(&mut self, open: &PendingRequest, bytes: &[u8]) -> usize {
        self.hub.upload(open.id, bytes)
    }

    pub(crate) fn end_upload(&mut self, open: &PendingRequest) {
        self.hub.end_upload(open.id);
    }

    /// Sends a request whose response comes at once.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> TestResponse {
        let open = self.send(method, path, headers, body);
        assert!(
            open.response.is_whole(),
            "{method} {path} has no complete response: {:?}",
            open.response
        );
        open.response
    }

    pub(crate) fn get(&mut self, path: &str) -> TestResponse {
        self.call("GET", path, &[], b"")
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.hub.now() + time;
        self.hub.advance(until);
    }

    pub(crate) fn wait_millis(&mut self, millis: u64) {
        self.wait(Duration::from_millis(millis));
    }

    /// Advances the time until the response is complete, and returns how long that took; `None` if
    /// it takes longer than the limit.
    pub(crate) fn until_ended(
        &mut self,
        open: &mut PendingRequest,
        limit: Duration,
    ) -> Option<Duration> {
        let begin = self.hub.now();
        loop {
            self.read(open);
            if open.response.ended || open.response.cut {
                return Some(self.hub.now() - begin);
            }
            let next = self.hub.next_due().filter(|next| *next <= begin + limit)?;
            self.hub.advance(next);
        }
    }

    /// Starts an instance of the sequence, and waits until it runs.
    pub(crate) fn start(&mut self) -> String {
        let path = format!("sequence/{SEQUENCE}/start");
        let mut open = self.send("POST", &path, &[JSON], b"{}");
        self.until_ended(&mut open, Duration::from_secs(10))
            .unwrap();
        assert_eq!(open.response.status(), 200, "{:?}", open.response);
        self.wait_millis(200);
        open.response.json()["id"].as_str().unwrap().to_owned()
    }

    /// Returns the info of an instance, or its HTTP status if that is an error.
    pub(crate) fn info(&mut self, id: &str) -> Value {
        let answer = self.get(&format!("instance/{id}"));
        match answer.status() {
            200 => answer.json(),
            status => json!({ "httpStatus": status }),
        }
    }
}
