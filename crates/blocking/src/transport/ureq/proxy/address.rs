//! Parses the URL of a proxy.

use std::fmt;

use ::ureq::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

/// The address of a proxy, and its credentials. `Display` and `Debug` omit the credentials.
#[derive(Clone)]
pub(in super::super) struct ProxyAddress {
    host: String,
    port: u16,
    /// The value of the header `Proxy-Authorization`.
    pub(super) authorization: Option<String>,
}

impl ProxyAddress {
    /// Parses `http://user:password@proxy:3128`; `http://` and the port (80) are optional.
    ///
    /// The error quotes only the scheme, because the rest may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let not_a_url = || "it is not a proxy URL such as http://proxy.example.com:3128".to_owned();
        let url = url.trim();
        let rest = match url.split_once("://") {
            None => url,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                return Err(format!(
                    "{scheme}:// proxies are not supported, only http:// proxies"
                ));
            }
            Some(_) => return Err(not_a_url()),
        };
        let uri: Uri = format!("http://{rest}").parse().map_err(|_| not_a_url())?;
        let authority = uri.authority().ok_or_else(not_a_url)?;
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        let host = authority.host();
        let port = match place.strip_prefix(host) {
            Some("" | ":") => 80,
            Some(_) => authority.port_u16().ok_or_else(not_a_url)?,
            None => return Err(not_a_url()),
        };
        if host.is_empty() || uri.path() != "/" || uri.query().is_some() {
            return Err(not_a_url());
        }
        let authorization = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let mut both: Vec<u8> = percent_decode_str(name).collect();
            both.push(b':');
            both.extend(percent_decode_str(password));
            format!("Basic {}", STANDARD.encode(both))
        });
        Ok(Self {
            host: host.to_owned(),
            port,
            authorization,
        })
    }

    /// Returns the header line `Proxy-Authorization` with its line break. Empty if the URL has no
    /// user name.
    pub(super) fn authorization_header(&self) -> String {
        let value = self.authorization.as_ref();
        value.map_or_else(String::new, |value| {
            format!("Proxy-Authorization: {value}\r\n")
        })
    }

    /// Returns `host:port`, as name resolution expects it.
    pub(in super::super) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::ProxyAddress;

    #[test]
    fn parse_reads_the_address_and_the_credentials() {
        let rows = [
            ("http://proxy:3128", "http://proxy:3128", None),
            (" HTTP://proxy:3128/ ", "http://proxy:3128", None),
            ("proxy:3128", "http://proxy:3128", None),
            ("proxy", "http://proxy:80", None),
            ("http://proxy", "http://proxy:80", None),
            ("http://[::1]:3128", "http://[::1]:3128", None),
            ("http://[::1]", "http://[::1]:80", None),
            // The example of RFC 7617.
            (
                "http://Aladdin:open%20sesame@proxy:3128",
                "http://proxy:3128",
                Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ),
            (
                "Aladdin:open%20sesame@proxy:3128",
                "http://proxy:3128",
                Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ),
            (
                "http://user@proxy",
                "http://proxy:80",
                Some("Basic dXNlcjo="),
            ),
            (
                "http://a:%zz%+1@proxy",
                "http://proxy:80",
                Some("Basic YTolenolKzE="),
            ),
            (
                "http://a:b:c@proxy",
                "http://proxy:80",
                Some("Basic YTpiOmM="),
            ),
        ];
        for (url, shown, authorization) in rows {
            let read = ProxyAddress::parse(url).map(|address| {
                (
                    address.to_string(),
                    format!("{address:?}"),
                    address.authorization,
                )
            });
            assert_eq!(
                read,
                Ok((shown.into(), shown.into(), authorization.map(Into::into))),
                "{url}"
            );
        }
    }

    #[test]
    fn parse_rejects_other_urls_without_quoting_secrets() {
        for (url, says) in [
            (
                "socks5://user:secret@proxy:1080",
                "socks5:// proxies are not supported",
            ),
            (
                "https://user:secret@proxy:3128",
                "https:// proxies are not supported",
            ),
            ("user:secret@proxy://", "it is not a proxy URL"),
            ("http://user:secret@", "it is not a proxy URL"),
            ("http://user:secret@:3128", "it is not a proxy URL"),
            ("http://user:secret@proxy:99999", "it is not a proxy URL"),
            ("http://user:secret@proxy:port", "it is not a proxy URL"),
            ("http://user:secret@proxy/secret", "it is not a proxy URL"),
            ("http://user:secret@proxy/?secret", "it is not a proxy URL"),
            ("http://user:secret#@proxy", "it is not a proxy URL"),
            ("http://user:sec ret@proxy", "it is not a proxy URL"),
            (
                "http://user:secret\r\nX: secret@proxy",
                "it is not a proxy URL",
            ),
            ("", "it is not a proxy URL"),
        ] {
            let problem = ProxyAddress::parse(url).err().unwrap_or_default();
            assert!(
                problem.contains(says) && !problem.contains("secret"),
                "{url}: {problem}"
            );
        }
    }
}
