//! The proxies that the environment names.

use std::net::IpAddr;

use ::ureq::http::Uri;
use ::ureq::http::uri::Scheme;

use super::exceptions::{Exceptions, host_of};
use super::{Address, ProxyError};

/// What the environment says. A variable that cannot be used does no harm to who does not go by it.
#[derive(Debug)]
pub(in super::super) struct Environment {
    http: Said,
    https: Said,
    except: Exceptions,
}

/// A proxy or none, or which variable cannot be used and why.
type Said = Result<Option<Address>, (&'static str, String)>;

impl Environment {
    pub(super) fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name| {
            get(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let first = |names: &[&'static str]| -> Said {
            let said = names.iter().find_map(|&name| Some((name, get(name)?)));
            said.map(|(name, url)| Address::parse(&url).map_err(|problem| (name, problem)))
                .transpose()
        };
        // In a CGI program, the header `Proxy` of whoever calls it is there as well.
        let http: &[_] = match get("REQUEST_METHOD") {
            Some(_) => &["http_proxy", "all_proxy", "ALL_PROXY"],
            None => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        };
        Self {
            http: first(http),
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            except: Exceptions::parse(
                &get("no_proxy")
                    .or_else(|| get("NO_PROXY"))
                    .unwrap_or_default(),
            ),
        }
    }

    /// The proxy that leads to this hub, where one does. None leads to this machine.
    pub(super) fn to(&self, hub: &Uri) -> Result<Option<&Address>, ProxyError> {
        let (host, port) = host_of(hub);
        if is_loopback(&host) || self.except.has(&host, port) {
            return Ok(None);
        }
        let said = if hub.scheme() == Some(&Scheme::HTTPS) {
            &self.https
        } else {
            &self.http
        };
        said.as_ref()
            .map(Option::as_ref)
            .map_err(|(variable, problem)| ProxyError::unusable(variable, problem))
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::Environment;

    /// Through which proxy this hub is reached with these variables.
    fn proxy(variables: &[(&str, &str)], hub: &str) -> String {
        let environment = Environment::read(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        });
        match environment.to(&hub.parse().unwrap_or_default()) {
            Ok(None) => "none".into(),
            Ok(Some(address)) => address.to_string().trim_start_matches("http://").into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_scheme_has_its_variable() {
        let all = [
            ("HTTP_PROXY", "http://a:1"),
            ("HTTPS_PROXY", "http://b:2"),
            ("ALL_PROXY", "http://c:3"),
        ];
        assert_eq!(proxy(&all, "http://hub/api/v1"), "a:1");
        assert_eq!(proxy(&all, "https://hub/api/v1"), "b:2");
        assert_eq!(proxy(&all[1..], "http://hub"), "c:3");
        assert_eq!(proxy(&all[..1], "https://hub"), "none");
        assert_eq!(proxy(&all[1..2], "http://hub"), "none");
        assert_eq!(proxy(&[], "http://hub"), "none");
        // Those in small letters come first, and an empty one is none.
        assert_eq!(
            proxy(
                &[("HTTP_PROXY", "a"), ("http_proxy", "b"), ("all_proxy", "c")],
                "http://hub"
            ),
            "b:80"
        );
        assert_eq!(
            proxy(
                &[
                    ("HTTPS_PROXY", "a"),
                    ("https_proxy", "b"),
                    ("all_proxy", "c")
                ],
                "https://hub"
            ),
            "b:80"
        );
        assert_eq!(
            proxy(&[("ALL_PROXY", "a"), ("all_proxy", "c")], "https://hub"),
            "c:80"
        );
        assert_eq!(
            proxy(&[("HTTP_PROXY", " a "), ("http_proxy", " ")], "http://hub"),
            "a:80"
        );
    }

    #[test]
    fn a_caller_of_a_cgi_program_chooses_no_proxy() {
        let cgi = ("REQUEST_METHOD", "GET");
        assert_eq!(proxy(&[("HTTP_PROXY", "a"), cgi], "http://hub"), "none");
        assert_eq!(proxy(&[("http_proxy", "a"), cgi], "http://hub"), "a:80");
        assert_eq!(proxy(&[("HTTPS_PROXY", "a"), cgi], "https://hub"), "a:80");
    }

    #[test]
    fn this_machine_is_reached_through_none() {
        for hub in [
            "localhost",
            "LOCALHOST:8000",
            "a.localhost",
            "localhost.",
            "127.0.0.1:8000",
            "127.9.9.9",
            "[::1]:8000",
        ] {
            assert_eq!(
                proxy(&[("ALL_PROXY", "a")], &format!("http://{hub}/api/v1")),
                "none",
                "{hub}"
            );
        }
        for hub in [
            "localhost.example",
            "mylocalhost",
            "128.0.0.1",
            "[::2]:8000",
        ] {
            assert_eq!(
                proxy(&[("ALL_PROXY", "a")], &format!("http://{hub}/api/v1")),
                "a:80",
                "{hub}"
            );
        }
    }

    #[test]
    fn exceptions_are_reached_through_none() {
        let with = |except| [("ALL_PROXY", "a"), ("NO_PROXY", except)];
        assert_eq!(
            proxy(
                &with("other, hub.example ,another"),
                "https://hub.example/api/v1"
            ),
            "none"
        );
        assert_eq!(proxy(&with("other"), "https://hub.example/api/v1"), "a:80");
        assert_eq!(
            proxy(
                &[
                    ("ALL_PROXY", "a"),
                    ("NO_PROXY", "hub"),
                    ("no_proxy", "other")
                ],
                "http://hub"
            ),
            "a:80"
        );
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_named_to_who_goes_by_it() {
        let bad = [
            ("ALL_PROXY", "socks5://user:secret@a:1"),
            ("http_proxy", "http://b:2"),
            ("NO_PROXY", "hub.example"),
        ];
        assert_eq!(proxy(&bad, "http://hub"), "b:2");
        assert_eq!(proxy(&bad, "https://hub.example"), "none");
        assert_eq!(proxy(&bad, "https://localhost"), "none");
        let told = proxy(&bad, "https://hub");
        assert!(
            told.contains("ALL_PROXY") && told.contains("socks5://") && !told.contains("secret"),
            "{told}"
        );
    }
}
