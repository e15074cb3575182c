use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::final_status;
use crate::request::path_matches;

/// A failure of a request, for [`FakeHub::fault`](crate::fake_hub::FakeHub::fault).
///
/// By default, a fault applies to one request, the next one. [`on`](Self::on) restricts it to some
/// requests. [`times`](Self::times) and [`always`](Self::always) apply it to several.
///
/// ```
/// use scramjet_client_testing::fake_hub::Fault;
///
/// let fault = Fault::refuse(503, "try again later").on("POST", "sequence/*/start").times(2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "`FakeHub::fault` adds it to a hub"]
pub struct Fault {
    pub(super) kind: FaultKind,
    method: String,
    path: String,
    /// The number of requests that it still applies to; `usize::MAX` for all.
    pub(super) left: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum FaultKind {
    Refuse {
        status: StatusCode,
        body: String,
        headers: HeaderMap,
    },
    Delay(Duration),
    CutAfter(u64),
    LoseRequest,
    LoseResponse,
    Silence,
}

impl Fault {
    /// Returns a fault that responds with this status and body. The request does not reach the hub.
    ///
    /// # Panics
    /// If the status is not between 200 and 999.
    #[track_caller]
    pub fn refuse(status: u16, body: impl Into<String>) -> Self {
        Self::of(FaultKind::Refuse {
            status: final_status(status),
            body: body.into(),
            headers: HeaderMap::new(),
        })
    }

    /// Returns a fault that delays the response by this long in the hub's time. The hub receives
    /// the request at once.
    pub fn delay(by: Duration) -> Self {
        Self::of(FaultKind::Delay(by))
    }

    /// Returns a fault that closes the connection after this many bytes of the response body. With
    /// 0, it closes the connection right after the headers. A response with a shorter body is
    /// complete.
    pub fn cut_after(bytes: u64) -> Self {
        Self::of(FaultKind::CutAfter(bytes))
    }

    /// Returns a fault that closes the connection before the request reaches the hub.
    pub fn lose_request() -> Self {
        Self::of(FaultKind::LoseRequest)
    }

    /// Returns a fault that closes the connection without a response, after the hub has handled the
    /// request.
    pub fn lose_response() -> Self {
        Self::of(FaultKind::LoseResponse)
    }

    /// Returns a fault that sends no response, although the hub handles the request, as if the
    /// network link were broken.
    ///
    /// The request ends at a timeout of the client, or when the client closes the connection.
    pub fn silence() -> Self {
        Self::of(FaultKind::Silence)
    }

    fn of(kind: FaultKind) -> Self {
        Self {
            kind,
            method: "*".into(),
            path: "*".into(),
            left: 1,
        }
    }

    /// Restricts the fault to requests with this method and path.
    ///
    /// A path that begins with `/` is compared with the whole path, without the query. Any other
    /// path is compared with the last segments: `version` matches `/api/v1/version`. The segment
    /// `*` matches any segment, the path `*` any path, and the method `*` any method.
    ///
    /// # Panics
    /// If no request can have this path: if it is empty, ends with `/`, or contains `?` or `://`.
    #[track_caller]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        assert!(
            !path.is_empty()
                && !path.ends_with('/')
                && !path.contains('?')
                && !path.contains("://"),
            "no request has the path {path:?}; give the end of a path without its query, such as \
             instance/*/log"
        );
        (self.method, self.path) = (method.to_ascii_uppercase(), path.to_owned());
        self
    }

    /// Applies the fault to this many requests.
    pub fn times(self, times: usize) -> Self {
        Self {
            left: times,
            ..self
        }
    }

    /// Applies the fault to all requests.
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Adds a header to the response of [`refuse`](Self::refuse).
    ///
    /// # Panics
    /// If the name or the value is invalid in HTTP, or the fault was not created by `refuse`.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let is_refusal = matches!(self.kind, FaultKind::Refuse { .. });
        assert!(
            is_refusal,
            "only the response of Fault::refuse can have headers"
        );
        let parsed = header::HeaderName::try_from(name).ok();
        let parsed = parsed.zip(HeaderValue::try_from(value).ok());
        assert!(
            parsed.is_some(),
            "{name:?}: {value:?} is not a valid header"
        );
        if let (FaultKind::Refuse { headers, .. }, Some((name, value))) = (&mut self.kind, parsed) {
            headers.append(name, value);
        }
        self
    }

    pub(super) fn matches(&self, method: &Method, path: &str) -> bool {
        self.left > 0
            && path_matches(path, &self.path)
            && (self.method == "*" || *method == *self.method)
    }
}
