//! The proxies that environment variables name.

use std::net::IpAddr;

use ::ureq::http::Uri;
use ::ureq::http::uri::Scheme;

use super::address::ProxyAddress;
use super::error::ProxyError;
use super::no_proxy::{NoProxy, host_and_port};

/// The proxies that environment variables name. An invalid variable is an error only for the hubs
/// that it applies to.
#[derive(Debug)]
pub(in super::super) struct EnvironmentProxies {
    http: Setting,
    https: Setting,
    no_proxy: NoProxy,
}

/// The proxy for a scheme, or the name of an invalid variable and the problem with it.
type Setting = Result<Option<ProxyAddress>, (&'static str, String)>;

impl EnvironmentProxies {
    /// Reads the variables with `get`.
    pub(super) fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name| {
            get(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let first = |names: &[&'static str]| -> Setting {
            let found = names.iter().find_map(|&name| Some((name, get(name)?)));
            found
                .map(|(name, url)| ProxyAddress::parse(&url).map_err(|problem| (name, problem)))
                .transpose()
        };
        // In a CGI program, HTTP_PROXY holds the header `Proxy` of the incoming request, so it is
        // untrusted.
        let http: &[_] = match get("REQUEST_METHOD") {
            Some(_) => &["http_proxy", "all_proxy", "ALL_PROXY"],
            None => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        };
        Self {
            http: first(http),
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            no_proxy: NoProxy::parse(
                &get("no_proxy")
                    .or_else(|| get("NO_PROXY"))
                    .unwrap_or_default(),
            ),
        }
    }

    /// Returns the proxy for this hub. `None` means a direct connection, which loopback hosts and
    /// the hosts in `NO_PROXY` always get.
    pub(super) fn select(&self, hub: &Uri) -> Result<Option<&ProxyAddress>, ProxyError> {
        let (host, port) = host_and_port(hub);
        if is_loopback(&host) || self.no_proxy.contains(&host, port) {
            return Ok(None);
        }
        let setting = if hub.scheme() == Some(&Scheme::HTTPS) {
            &self.https
        } else {
            &self.http
        };
        setting
            .as_ref()
            .map(Option::as_ref)
            .map_err(|(variable, problem)| ProxyError::invalid_variable(variable, problem))
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
    use super::EnvironmentProxies;

    /// Returns the proxy for this hub with these variables, `none`, or the error.
    fn proxy(variables: &[(&str, &str)], hub: &str) -> String {
        let environment = EnvironmentProxies::read(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        });
        match environment.select(&hub.parse().unwrap_or_default()) {
            Ok(None) => "none".into(),
            Ok(Some(address)) => address.to_string().trim_start_matches("http://").into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn select_uses_the_variable_of_the_scheme() {
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
        // Lower case takes precedence, and an empty variable counts as not set.
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
    fn read_ignores_upper_case_http_proxy_in_cgi_programs() {
        let cgi = ("REQUEST_METHOD", "GET");
        assert_eq!(proxy(&[("HTTP_PROXY", "a"), cgi], "http://hub"), "none");
        assert_eq!(proxy(&[("http_proxy", "a"), cgi], "http://hub"), "a:80");
        assert_eq!(proxy(&[("HTTPS_PROXY", "a"), cgi], "https://hub"), "a:80");
    }

    #[test]
    fn select_returns_no_proxy_for_loopback_hosts() {
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
    fn select_returns_no_proxy_for_hosts_in_no_proxy() {
        let with = |no_proxy| [("ALL_PROXY", "a"), ("NO_PROXY", no_proxy)];
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
    fn select_names_the_invalid_variable_only_for_hubs_that_it_applies_to() {
        let bad = [
            ("ALL_PROXY", "socks5://user:secret@a:1"),
            ("http_proxy", "http://b:2"),
            ("NO_PROXY", "hub.example"),
        ];
        assert_eq!(proxy(&bad, "http://hub"), "b:2");
        assert_eq!(proxy(&bad, "https://hub.example"), "none");
        assert_eq!(proxy(&bad, "https://localhost"), "none");
        let error = proxy(&bad, "https://hub");
        assert!(
            error.contains("ALL_PROXY") && error.contains("socks5://") && !error.contains("secret"),
            "{error}"
        );
    }
}
