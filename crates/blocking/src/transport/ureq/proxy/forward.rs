//! Requests to `http` hubs through a proxy, in absolute form (RFC 9112, section 3.2.2).

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::address::ProxyAddress;
use super::error::ProxyError;
use crate::transport::Phase;

/// A proxy that forwards requests to an `http` hub.
#[derive(Clone, Debug)]
pub(in super::super) struct ForwardProxy {
    proxy: ProxyAddress,
    /// The hub's host, and its port if that is not 80.
    hub: String,
}

impl ForwardProxy {
    pub(in super::super) fn new(proxy: &ProxyAddress, hub: &str) -> Self {
        Self {
            proxy: proxy.clone(),
            hub: hub.to_owned(),
        }
    }

    /// Rewrites the head of a request in place: makes the URL absolute and adds
    /// `Proxy-Authorization`. The head is the first `length` bytes of `buffer`. Returns its new
    /// length, or `None` if the buffer is too small.
    pub(in super::super) fn rewrite_head(&self, buffer: &mut [u8], length: usize) -> Option<usize> {
        let head = buffer.get(..length)?;
        let target = memchr::memchr(b' ', head)? + 1;
        let headers = memchr::memchr(b'\n', head)? + 1;
        let authorization = self.proxy.authorization_header();
        let rewritten = [
            head.get(..target)?,
            b"http://",
            self.hub.as_bytes(),
            head.get(target..headers)?,
            authorization.as_bytes(),
            head.get(headers..)?,
        ]
        .concat();
        buffer
            .get_mut(..rewritten.len())?
            .copy_from_slice(&rewritten);
        Some(rewritten.len())
    }

    /// Converts a response that the proxy itself generated to an error, and returns it with the
    /// phase that the request reached. `None` if the response comes from the hub.
    pub(in super::super) fn own_response(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<(Phase, ProxyError)> {
        if !is_own(status, headers) {
            return None;
        }
        let squid = headers
            .get(SQUID_ERROR)
            .map_or(&b""[..], HeaderValue::as_bytes);
        let not_sent = NOT_SENT.iter().any(|error| squid.starts_with(error));
        if status.is_server_error() && !not_sent && status != NETWORK_LOGIN {
            let error = ProxyError::no_response(&self.proxy, &self.hub, status);
            return Some((Phase::Wait, error));
        }
        let error = ProxyError::refused(&self.proxy, &self.hub, status.as_u16());
        Some((Phase::Connect, error))
    }
}

/// The header in which Squid names an error.
const SQUID_ERROR: &str = "x-squid-error";

/// The errors of Squid that occur before it has connected to the hub.
const NOT_SENT: [&[u8]; 4] = [
    b"ERR_CONNECT_FAIL",
    b"ERR_DNS_FAIL",
    b"ERR_CANNOT_FORWARD",
    b"ERR_ACCESS_DENIED",
];

/// The status of a network that requires a login before it forwards requests.
const NETWORK_LOGIN: StatusCode = StatusCode::NETWORK_AUTHENTICATION_REQUIRED;

/// Returns `true` if the proxy itself generated a response, and not the hub or a gateway. Three
/// facts tell them apart: all responses of hubs have `Access-Control-Allow-Origin`, proxies add
/// `Via` to responses that they forward, and the pages that proxies generate are not JSON.
fn is_own(status: StatusCode, headers: &HeaderMap) -> bool {
    let value = |name| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let of_proxies = match status.as_u16() {
        407 => return true,
        // Only Tinyproxy rejects a wrong password with 401.
        401 => value(header::SERVER).starts_with(b"tinyproxy/"),
        status => matches!(status, 403 | 500 | 502..=504 | 511),
    };
    if !of_proxies || headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        return false;
    }
    let mut content_type = value(header::CONTENT_TYPE).split(|byte| *byte == b';');
    let is_json = content_type
        .next()
        .is_some_and(|media| media.trim_ascii_end().ends_with(b"json"));
    headers.contains_key(SQUID_ERROR) || (!headers.contains_key(header::VIA) && !is_json)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn forward(proxy: &str) -> ForwardProxy {
        let proxy = ProxyAddress::parse(proxy).unwrap_or_else(|problem| unreachable!("{problem}"));
        ForwardProxy::new(&proxy, "hub.example:8000")
    }

    #[test]
    fn rewrite_head_makes_the_url_absolute_and_adds_credentials() {
        let request = b"GET /api/v1/version HTTP/1.1\r\nhost: hub.example:8000\r\n\r\n";
        let rewritten = |proxy: &str, capacity: usize| {
            let mut buffer = request.to_vec();
            buffer.resize(capacity, 0);
            let length = forward(proxy).rewrite_head(&mut buffer, request.len())?;
            buffer.truncate(length);
            String::from_utf8(buffer).ok()
        };
        let expected = "GET http://hub.example:8000/api/v1/version HTTP/1.1\r\n\
                        host: hub.example:8000\r\n\r\n";
        assert_eq!(rewritten("proxy:3128", 200).as_deref(), Some(expected));
        let expected = "GET http://hub.example:8000/api/v1/version HTTP/1.1\r\n\
                        Proxy-Authorization: Basic dXNlcjo=\r\n\
                        host: hub.example:8000\r\n\r\n";
        let with_user = rewritten("user@proxy:3128", expected.len());
        assert_eq!(with_user.as_deref(), Some(expected));
        assert_eq!(rewritten("user@proxy:3128", expected.len() - 1), None);
    }

    #[test]
    fn own_response_recognizes_responses_that_the_proxy_generated() {
        use Phase::{Connect, Wait};

        let hubs = ("access-control-allow-origin", "*");
        let via = ("via", "1.1 tinyproxy (tinyproxy/1.11.1)");
        let (html, json) = (
            ("content-type", "text/html"),
            ("content-type", "application/json; charset=utf-8"),
        );
        let tinyproxy = ("server", "tinyproxy/1.11.1");
        let squid = |error| ("x-squid-error", error);
        for (status, headers, expected) in [
            (407, &[][..], Some(Connect)),
            (407, &[hubs, via, json], Some(Connect)),
            (403, &[], Some(Connect)),
            (403, &[html], Some(Connect)),
            (511, &[html], Some(Connect)),
            (500, &[html], Some(Wait)),
            (502, &[html], Some(Wait)),
            (503, &[], Some(Wait)),
            (504, &[html], Some(Wait)),
            (403, &[via, squid("ERR_ACCESS_DENIED 0")], Some(Connect)),
            (503, &[via, squid("ERR_CONNECT_FAIL 111")], Some(Connect)),
            (503, &[via, squid("ERR_DNS_FAIL 0")], Some(Connect)),
            (502, &[via, squid("ERR_ZERO_SIZE_OBJECT 0")], Some(Wait)),
            // Responses of a hub, a gateway or a Manager, and a similar one of Tinyproxy.
            (403, &[hubs], None),
            (500, &[hubs, via], None),
            (502, &[html, via], None),
            (403, &[json], None),
            (503, &[json], None),
            (401, &[tinyproxy, html], Some(Connect)),
            (401, &[tinyproxy, html, via], None),
            (401, &[html], None),
            (502, &[("content-type", "application/problem+json")], None),
            (502, &[("content-type", "application/json ; x=y")], None),
            (404, &[tinyproxy, html], None),
            (302, &[html], None),
            (401, &[], None),
            (200, &[], None),
        ] {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    let name = HeaderName::from_static(name);
                    (name, HeaderValue::from_static(value))
                })
                .collect();
            let status = StatusCode::from_u16(status).unwrap_or_default();
            let own = forward("proxy:3128").own_response(status, &headers);
            let phase = own.map(|(phase, _)| phase);
            assert_eq!(phase, expected, "{status} {headers:?}");
        }
    }
}
