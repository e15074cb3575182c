use alloc::format;
use alloc::string::String;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use url::Url;

use crate::error::redacted;
use crate::{Dialect, Operation, Path, Reply, RequestError, RequestPayload, Version, headers};

/// The address of a hub, the headers of every request to it, and its [`Dialect`].
///
/// Turns an [`Operation`] into a request, and a response into a [`Reply`].
#[derive(Clone, Debug)]
pub struct Endpoint {
    base: String,
    headers: HeaderMap,
    dialect: Option<Dialect>,
}

impl Endpoint {
    /// Creates an endpoint for the API at `base_url`, for example `http://localhost:8000/api/v1`.
    ///
    /// Keeps the path of the URL and appends nothing to it. Slashes at the end are ignored.
    ///
    /// # Errors
    /// [`RequestError::BaseUrl`] if it is not an `http` or `https` URL, or contains a query, a
    /// fragment, a user name or password, or an IPv6 address with a zone.
    pub fn new(base_url: &str) -> Result<Self, RequestError> {
        let base = parse_base(base_url)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        Ok(Self {
            base,
            headers,
            dialect: None,
        })
    }

    /// Returns the base URL, without slashes at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// Sets a header of every request. Replaces an earlier value of the same header.
    ///
    /// The value counts as a secret: `Debug` output does not show it.
    ///
    /// # Errors
    /// [`RequestError::Header`] in these cases:
    ///
    /// * The header describes the connection or the body. The transport and the operations set
    ///   those.
    /// * The value begins or ends with white space, or contains a character outside ASCII. It would
    ///   not arrive unchanged.
    /// * All headers together would be longer than 16 KiB.
    pub fn set_header(
        &mut self,
        name: HeaderName,
        mut value: HeaderValue,
    ) -> Result<(), RequestError> {
        if FRAMING.contains(&name) {
            return Err(RequestError::header(
                name.as_str(),
                "it describes the connection or the body; the client sets it",
            ));
        }
        headers::check_value(&name, &value)?;
        let others = self.headers.iter().filter(|(other, _)| *other != name);
        let length: usize = others
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if length + name.as_str().len() + value.len() > HEADERS_LIMIT {
            return Err(RequestError::header(
                name.as_str(),
                "with it, the headers are longer than the 16 kB that hubs accept",
            ));
        }
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }

    /// Sets the dialect of the hub.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = Some(dialect);
    }

    /// Sets the dialect of the hub, and returns the endpoint.
    #[must_use]
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.set_dialect(dialect);
        self
    }

    /// Returns the dialect of the hub, if it was set.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// Returns the dialect for an operation that depends on it.
    pub(crate) fn known_dialect(&self, operation: &'static str) -> Result<Dialect, RequestError> {
        self.dialect
            .ok_or(RequestError::DialectUnknown { operation })
    }

    /// Returns the decoder for the response to an operation.
    ///
    /// If the dialect is unknown, the operation does not depend on it: [`request`](Self::request)
    /// fails for one that does.
    pub(crate) fn decoder<O: Operation>(&self, operation: &O) -> O::Decoder {
        operation.decoder(self.dialect.unwrap_or(Dialect::LATEST))
    }

    /// Creates the endpoint of another hub or Manager that this one forwards to, below `path`.
    ///
    /// It has the same headers. Its dialect is unset, because its version may differ.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if a value in the path cannot be addressed.
    pub fn nested(&self, path: Path) -> Result<Self, RequestError> {
        let base = format!("{}/{}", self.base, path.into_text()?);
        Ok(Self {
            base,
            headers: self.headers.clone(),
            dialect: None,
        })
    }

    /// Builds the request of an operation.
    ///
    /// # Errors
    /// * [`RequestError::DialectUnknown`] if the operation
    ///   [depends on the version](Operation::needs_dialect) of the hub, and
    ///   [`set_dialect`](Self::set_dialect) was not called.
    /// * [`RequestError::Unsupported`] if the hub is known to be too old for the operation or for
    ///   one of its options.
    /// * Another [`RequestError`] if a value of the operation cannot be sent.
    ///
    /// ```
    /// use scramjet_client_core::{
    ///     Dialect, Endpoint, InstanceId, RequestError, StopInstance, StopOptions, Version,
    /// };
    ///
    /// let mut hub = Endpoint::new("http://localhost:8000/api/v1")?;
    /// let (id, options) = (InstanceId::new("x")?, StopOptions::default());
    /// let stop = StopInstance { id: &id, options: &options };
    /// assert!(matches!(hub.request(&stop), Err(RequestError::DialectUnknown { .. })));
    /// hub.set_dialect(Dialect::of(Version::new(0, 18, 7)));
    /// assert!(hub.request(&stop)?.body().starts_with(b"[4001,"));
    /// # Ok::<(), RequestError>(())
    /// ```
    pub fn request<O: Operation>(
        &self,
        operation: &O,
    ) -> Result<Request<O::Payload>, RequestError> {
        let dialect = self.dialect_for(O::NAME, O::SINCE, operation.needs_dialect())?;
        let payload = operation.payload(dialect)?;
        let add_headers = |headers: &mut HeaderMap| operation.headers(headers);
        let path = operation.path();
        let head = self.head(O::METHOD, path, O::Payload::IS_JSON, &add_headers)?;
        Ok(Request::from_parts(head, payload))
    }

    /// Returns the dialect for the request of an operation.
    fn dialect_for(
        &self,
        operation: &'static str,
        since: Version,
        needs_dialect: bool,
    ) -> Result<Dialect, RequestError> {
        match self.dialect {
            Some(dialect) => dialect.require(operation, since).map(|()| dialect),
            None if needs_dialect => Err(RequestError::DialectUnknown { operation }),
            None => Ok(Dialect::LATEST),
        }
    }

    /// Returns the URL of an operation. It does not depend on the dialect.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if a value in the path cannot be addressed.
    pub fn uri<O: Operation>(&self, operation: &O) -> Result<Uri, RequestError> {
        self.uri_of(operation.path())
    }

    /// Builds the head of a request. `add_headers` adds the headers of the operation. Not generic,
    /// so that it is compiled only once.
    fn head(
        &self,
        method: Method,
        path: Path,
        has_json_body: bool,
        add_headers: &dyn Fn(&mut HeaderMap) -> Result<(), RequestError>,
    ) -> Result<Parts, RequestError> {
        let uri = self.uri_of(path)?;
        let (mut head, ()) = Request::new(()).into_parts();
        (head.uri, head.headers) = (uri, self.headers.clone());
        if has_json_body && !matches!(method, Method::GET | Method::HEAD) {
            headers::json(&mut head.headers);
        }
        head.method = method;
        add_headers(&mut head.headers)?;
        Ok(head)
    }

    fn uri_of(&self, path: Path) -> Result<Uri, RequestError> {
        let path = path.into_text()?;
        // With the exact capacity, `Uri` takes over the allocation instead of copying the text.
        let mut uri = String::with_capacity(self.base.len() + 1 + path.len());
        uri.push_str(&self.base);
        uri.push('/');
        uri.push_str(&path);
        Ok(uri.try_into().map_err(http::Error::from)?)
    }

    /// Starts reading the response to an operation, after its head was received. Skip the heads of
    /// interim responses (1xx).
    ///
    /// `reason` is the reason phrase of the status line. Some errors of hubs have their only text
    /// there. A transport that does not know the phrase passes an empty string.
    pub fn reply<O: Operation>(
        &self,
        operation: &O,
        status: StatusCode,
        reason: &str,
        headers: &HeaderMap,
    ) -> Reply<O::Decoder> {
        Reply::new(
            status,
            reason,
            headers,
            self.decoder(operation),
            O::map_api_error,
        )
    }
}

/// The size limit of a request head in Node.js. A hub responds to a longer one with 431 and closes
/// the connection.
const HEADERS_LIMIT: usize = 16 << 10;

/// The headers that describe the connection or the body.
const FRAMING: [HeaderName; 10] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
];

fn parse_base(given: &str) -> Result<String, RequestError> {
    let url = Url::parse(given).map_err(|source| refusal(given, &unparsable(given, source)))?;
    let mistake = if !url.username().is_empty() || url.password().is_some() {
        "it contains a user name or password, which would appear in messages and logs; \
         send credentials as a header"
    } else if !matches!(url.scheme(), "http" | "https") {
        // The parser reads the host of `localhost:8000` as a scheme.
        let rest = given.split_once(':').map_or("", |(_, rest)| rest);
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            NO_SCHEME
        } else {
            "its scheme is neither http nor https; \
             a hub's address looks like http://localhost:8000/api/v1"
        }
    } else if url.query().is_some() {
        "it contains a query (?…); hubs ignore queries, and paths are appended to this address"
    } else if url.fragment().is_some() {
        "it contains a fragment (#…), which is never sent"
    } else if given.contains(":///") {
        // The parser reads the first segment of the path as the host.
        "its host is missing"
    } else if matches!(url.host_str(), Some("http" | "https")) && url.path().starts_with("//") {
        "it contains http:// (or https://) twice"
    } else if url
        .as_str()
        .parse()
        .is_ok_and(|uri: Uri| uri.host() == url.host_str())
    {
        return Ok(url.as_str().trim_end_matches('/').into());
    } else {
        // `http::Uri` allows fewer characters than `url::Url`.
        "its host or path contains a character that HTTP does not allow there, or it is too long"
    };
    Err(refusal(given, mistake))
}

const NO_SCHEME: &str =
    "missing http:// (or https://); a hub's address looks like http://localhost:8000/api/v1";

/// Returns the reason why an address is not a URL.
fn unparsable(given: &str, source: url::ParseError) -> String {
    let given = given.trim();
    let after_scheme = given.split_once("://").map_or("", |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next();
    let place = authority.and_then(|authority| authority.rsplit('@').next());
    let place = place.unwrap_or_default();
    let is_v6 = |text: &str| {
        let of_v6 = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
        text.matches(':').count() > 1 && text.chars().all(of_v6)
    };
    if given.is_empty() {
        "it is empty; a hub's address looks like http://localhost:8000/api/v1".into()
    } else if let Some(first) = before_scheme(given) {
        format!("it begins with {first:?} instead of http:// or https://")
    } else if source == url::ParseError::RelativeUrlWithoutBase {
        NO_SCHEME.into()
    } else if place.contains('%') && place.matches(':').count() > 1 {
        "its IPv6 address has a zone (%…), which is not supported; \
         use an address without one, or a name for it"
            .into()
    } else if is_v6(place) {
        "an IPv6 address needs brackets: http://[::1]:8000/api/v1".into()
    } else {
        format!("{source}; a hub's address looks like http://localhost:8000/api/v1")
    }
}

/// Returns the first character of the text before the scheme, for example a quote.
fn before_scheme(given: &str) -> Option<char> {
    let (before, _) = given
        .split_once("http://")
        .or_else(|| given.split_once("https://"))?;
    before
        .chars()
        .next()
        .filter(|first| !first.is_alphanumeric())
}

fn refusal(given: &str, problem: &str) -> RequestError {
    RequestError::base_url(&redacted(given), problem)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::marker::PhantomData;

    use super::*;
    use crate::test_kit::{assert_request_to, hub, hub_with_token};
    use crate::{Discard, GetVersion, Streamed};

    #[test]
    fn new_keeps_the_base_url_except_for_slashes_at_the_end() {
        for (given, base) in [
            (
                "http://localhost:8000/api/v1",
                "http://localhost:8000/api/v1",
            ),
            (
                "http://localhost:8000/api/v1/",
                "http://localhost:8000/api/v1",
            ),
            (
                "http://www.example.com:8000/hubs/a/api/v1",
                "http://www.example.com:8000/hubs/a/api/v1",
            ),
            ("https://example.com", "https://example.com"),
            (
                "http://localhost:8000/api/v1///",
                "http://localhost:8000/api/v1",
            ),
            ("http://example.com//", "http://example.com"),
            ("http:localhost:8000", "http://localhost:8000"),
            (
                " http://localhost:8000/api/v1\n",
                "http://localhost:8000/api/v1",
            ),
            ("HTTP://[::1]:8000/", "http://[::1]:8000"),
            (
                "http://example.com/a%20b/api/v1",
                "http://example.com/a%20b/api/v1",
            ),
        ] {
            assert_eq!(parse_base(given).ok().as_deref(), Some(base));
        }
    }

    #[test]
    fn new_refuses_unusable_base_urls_with_the_reason() {
        for (given, reason) in [
            ("localhost:8000", "missing http://"),
            ("localhost:8000/api/v1", "missing http://"),
            ("127.0.0.1:8000", "missing http://"),
            ("[::1]:8000", "missing http://"),
            ("hub.example", "missing http://"),
            ("hub.example/api/v1", "missing http://"),
            ("//hub.example/api/v1", "missing http://"),
            ("http//hub.example/api/v1", "missing http://"),
            ("user:1secret@example.com/api", "missing http://"),
            ("/api/v1", "missing http://"),
            ("", "it is empty"),
            (" ", "it is empty"),
            (
                "\"http://localhost:8000/api/v1\"",
                "begins with '\"' instead of http://",
            ),
            ("'http://localhost/api/v1'", r"begins with '\'' instead"),
            ("“https://localhost/api/v1”", "begins with '“' instead"),
            ("<http://localhost/api/v1>", "begins with '<' instead"),
            (
                "\u{feff}http://localhost/api/v1",
                r"begins with '\u{feff}' instead of http://",
            ),
            ("http://http://localhost:8000/api/v1", "twice"),
            ("https://http://localhost:8000/api/v1", "twice"),
            ("http://https://localhost", "twice"),
            ("ftp://example.com/", "its scheme is neither"),
            ("unix:/run/hub", "its scheme is neither"),
            ("http://", "empty host"),
            ("http:///api/v1", "its host is missing"),
            ("http://[fe80::1%25eth0]:8000", "a zone (%…), which is not"),
            ("http://[fe80::1%eth0]:8000/api/v1", "a zone (%…)"),
            ("http://user:secret@[fe80::1%25eth0]", "a zone (%…)"),
            ("http://fe80::1%eth0:8000/api/v1", "a zone (%…)"),
            ("http://::1:8000/api/v1", "needs brackets"),
            ("http://fe80::1/api/v1", "needs brackets"),
            ("http://localhost:8000:8000/", "invalid port number"),
            ("http://example.com/api?token=secret", "query"),
            ("http://exa mple.com/api?token=secret", "domain"),
            ("http://example.com/api?", "query"),
            ("http://example.com/api#x", "fragment"),
            (
                "http://user:secret@example.com/api",
                "user name or password",
            ),
            (
                "http://user@example.com/api?secret#secret",
                "user name or password",
            ),
            (
                "http://example.com/api?token=secret",
                "\"http://example.com/api\": it contains a query",
            ),
            (
                "http://example.com/a@b#secret",
                "\"…@b\": it contains a fragment",
            ),
            (
                "user:secret@example.com/api",
                "\"…@example.com/api\": its scheme",
            ),
            (
                "http://example.com:port/api?secret",
                "\"http://example.com:port/api\": invalid port",
            ),
            ("http://user:x#secret@example.com", "\"…\": invalid port"),
            (
                "http://user:1#secret@example.com",
                "\"…\": it contains a fragment",
            ),
            ("http://user:secret@exa mple.com/api", "domain"),
            ("user:secret@example.com/api", "scheme"),
            ("htp:/user:secret@example.com/api", "scheme"),
            ("http://example.com:99999/", "port"),
            ("http://exam}ple.com/", "HTTP does not allow"),
        ] {
            let error = parse_base(given)
                .err()
                .map(|error| alloc::string::ToString::to_string(&error))
                .unwrap_or_default();
            assert!(error.contains(reason), "{given}: {error:?}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn set_header_refuses_headers_of_the_connection_and_too_long_ones() {
        let mut hub = Endpoint::new("http://localhost:8000/api/v1")
            .unwrap_or_else(|error| unreachable!("{error}"));
        assert!(
            hub.set_header(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked")
            )
            .is_err()
        );
        assert!(
            hub.set_header(
                header::AUTHORIZATION,
                HeaderValue::from_static("Bearer secret")
            )
            .is_ok()
        );
        assert!(!format!("{hub:?}").contains("secret"));
        let long = HeaderValue::try_from("x".repeat(HEADERS_LIMIT))
            .unwrap_or_else(|error| unreachable!("{error}"));
        assert!(
            hub.set_header(HeaderName::from_static("x-long"), long)
                .is_err()
        );
    }

    #[test]
    fn request_appends_the_path_to_the_base_url() {
        let url = |base| {
            let hub = Endpoint::new(base).unwrap_or_else(|error| unreachable!("{error}"));
            hub.request(&GetVersion)
                .map(|request| request.uri().clone())
        };
        assert_eq!(
            url("https://example.com/hubs/a%20b/api/v1/").ok(),
            Some(Uri::from_static(
                "https://example.com/hubs/a%20b/api/v1/version"
            ))
        );
    }

    #[test]
    fn request_sends_the_token_as_a_sensitive_header() {
        let expected = "
            GET /version
            authorization: Sensitive
            ";
        assert_request_to(&hub_with_token(), &GetVersion, expected);
        let request = hub_with_token().request(&GetVersion);
        let request = request.unwrap_or_else(|error| unreachable!("{error}"));
        let token = request.headers().get(header::AUTHORIZATION);
        assert_eq!(
            token.map(HeaderValue::as_bytes),
            Some(&b"Bearer s3cret"[..])
        );
        assert!(!format!("{request:?}").contains("s3cret"));
    }

    #[test]
    fn request_sets_the_json_content_type_only_for_bodies_that_the_operation_builds() {
        struct Post<P>(PhantomData<P>);

        impl<P: RequestPayload> Operation for Post<P> {
            const NAME: &'static str = "post";
            const METHOD: Method = Method::POST;
            type Payload = P;
            type Decoder = Discard;

            fn path(&self) -> Path {
                Path::new("post")
            }
        }

        fn content_type<P: RequestPayload>() -> Option<HeaderValue> {
            let request = hub().request(&Post::<P>(PhantomData));
            let request = request.unwrap_or_else(|error| unreachable!("{error}"));
            request.headers().get(header::CONTENT_TYPE).cloned()
        }

        let json = HeaderValue::from_static("application/json");
        assert_eq!(content_type::<Vec<u8>>(), Some(json));
        assert_eq!(content_type::<Streamed>(), None);
    }
}
