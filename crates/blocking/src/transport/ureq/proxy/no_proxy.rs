//! The list of hosts in `NO_PROXY`.

use std::net::{IpAddr, SocketAddr};

use ::ureq::http::Uri;
use ::ureq::http::uri::Scheme;
use url::Host;

/// The hosts to connect to without a proxy. An entry with a port applies only to this port.
#[derive(Debug, Default)]
pub(super) struct NoProxy(Vec<(HostPattern, Option<u16>)>);

#[derive(Debug)]
enum HostPattern {
    All,
    /// A name with its subdomains, or only its subdomains.
    Name {
        name: String,
        only_subdomains: bool,
    },
    /// A network: an address and the length of its prefix in bits.
    Network(IpAddr, u8),
}

impl NoProxy {
    /// Parses a list whose entries are separated by commas or blanks:
    ///
    /// - `*`: all hosts,
    /// - `example.com`: this host and its subdomains,
    /// - `.example.com` or `*.example.com`: only the subdomains,
    /// - `10.0.0.1` or `::1`: an address,
    /// - `10.0.0.0/8`: a network.
    ///
    /// Names and addresses may have a port. Invalid entries are ignored.
    pub(super) fn parse(list: &str) -> Self {
        Self(
            list.split(|c: char| c == ',' || c.is_whitespace())
                .filter_map(|entry| HostPattern::parse(&entry.to_ascii_lowercase()))
                .collect(),
        )
    }

    pub(super) fn contains(&self, host: &str, port: u16) -> bool {
        self.0
            .iter()
            .any(|(pattern, only)| only.is_none_or(|only| only == port) && pattern.matches(host))
    }
}

impl HostPattern {
    fn parse(entry: &str) -> Option<(Self, Option<u16>)> {
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some((Self::All, None));
        }
        if let Some((network, bits)) = entry.split_once('/') {
            let address = without_brackets(network).parse().ok()?;
            return Some((Self::Network(address, bits.parse().ok()?), None));
        }
        if let Ok(address) = without_brackets(entry).parse() {
            return Some((Self::Network(address, u8::MAX), None));
        }
        if let Ok(address) = entry.parse::<SocketAddr>() {
            return Some((Self::Network(address.ip(), u8::MAX), Some(address.port())));
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        let domain = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
        let only_subdomains = domain.is_some();
        let name = domain.unwrap_or(name).trim_end_matches('.');
        // The host names of hubs are in ASCII (Punycode).
        let name = match Host::parse(name) {
            Ok(Host::Domain(ascii)) if !name.is_ascii() => ascii,
            _ => name.to_owned(),
        };
        if name.is_empty() {
            return None;
        }
        let pattern = Self::Name {
            name,
            only_subdomains,
        };
        Some((pattern, port))
    }

    fn matches(&self, host: &str) -> bool {
        match (self, host.parse::<IpAddr>()) {
            (Self::All, _) => true,
            (
                Self::Name {
                    name,
                    only_subdomains,
                },
                Err(_),
            ) => match host.strip_suffix(name.as_str()) {
                Some("") => !only_subdomains,
                Some(rest) => rest.ends_with('.'),
                None => false,
            },
            (Self::Network(network, bits), Ok(address)) => {
                let (common, all) = match (network, address) {
                    (IpAddr::V4(network), IpAddr::V4(address)) => {
                        ((network.to_bits() ^ address.to_bits()).leading_zeros(), 32)
                    }
                    (IpAddr::V6(network), IpAddr::V6(address)) => {
                        ((network.to_bits() ^ address.to_bits()).leading_zeros(), 128)
                    }
                    _ => return false,
                };
                common >= all.min(u32::from(*bits))
            }
            _ => false,
        }
    }
}

fn without_brackets(address: &str) -> &str {
    address
        .strip_prefix('[')
        .and_then(|address| address.strip_suffix(']'))
        .unwrap_or(address)
}

/// Returns the host of a URL, in lower case and without the brackets of IPv6, and its port.
pub(super) fn host_and_port(hub: &Uri) -> (String, u16) {
    let host = without_brackets(hub.host().unwrap_or_default())
        .trim_end_matches('.')
        .to_ascii_lowercase();
    let default = if hub.scheme() == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    (host, hub.port_u16().unwrap_or(default))
}

#[cfg(test)]
mod tests {
    use super::{NoProxy, host_and_port};

    #[test]
    fn contains_matches_names_addresses_and_networks() {
        for (list, those, others) in [
            ("*", &["a", "a.b", "1.2.3.4", "[::2]"][..], &[][..]),
            (
                " a.b , c.d,,",
                &["a.b", "A.B", "x.a.b", "a.b.", "c.d", "a.b:8000"],
                &["xa.b", "b", "a.b.c", "1.2.3.4"],
            ),
            (".a.b", &["x.a.b", "y.x.a.b"], &["a.b", "xa.b"]),
            ("*.a.b", &["x.a.b"], &["a.b", "xa.b"]),
            ("a.b c.d\t e.f ,g:80", &["a.b", "c.d", "e.f", "g"], &["b"]),
            (
                "bücher.test .Größe.test",
                &[
                    "xn--bcher-kva.test",
                    "a.xn--bcher-kva.test",
                    "a.xn--gre-6ka8i.test",
                ],
                &["bcher.test", "xn--gre-6ka8i.test"],
            ),
            (
                "xn--bcher-kva.test",
                &["xn--bcher-kva.test"],
                &["bcher.test"],
            ),
            ("A.B.", &["a.b", "x.a.b"], &["c"]),
            ("a:8000", &["a:8000", "x.a:8000"], &["a", "a:8001"]),
            ("a:443", &["https://a"], &["a", "https://a:8000"]),
            ("a:80", &["a"], &["https://a"]),
            (
                "1.2.3.4",
                &["1.2.3.4", "1.2.3.4:8000"],
                &["1.2.3.5", "x.1.2.3.4.example"],
            ),
            ("1.2.3.4:8000", &["1.2.3.4:8000"], &["1.2.3.4"]),
            ("::2", &["[::2]", "[0:0::2]:8000"], &["[::3]", "0.0.0.2"]),
            ("[::2]", &["[::2]:8000"], &["[::3]"]),
            ("[::2]:8000", &["[::2]:8000"], &["[::2]"]),
            (
                "10.0.0.0/8",
                &["10.0.0.0", "10.255.1.2"],
                &["11.0.0.0", "a.10", "[a00::]"],
            ),
            (
                "10.128.0.0/9",
                &["10.128.0.1", "10.255.0.0"],
                &["10.127.0.0", "10.0.128.0"],
            ),
            ("10.0.0.1/32", &["10.0.0.1"], &["10.0.0.0", "10.0.0.3"]),
            ("0.0.0.0/0", &["10.0.0.1"], &["[::2]", "a"]),
            ("fd00::/8", &["[fd12::1]"], &["[fe00::1]"]),
            ("", &[], &["a", "1.2.3.4"]),
            // Invalid entries.
            (
                "10.0.0.0/x,/8,.,:80,a:b,*x",
                &[],
                &["10.0.0.0", "a", "xx", "b"],
            ),
        ] {
            let no_proxy = NoProxy::parse(list);
            for (hubs, expected) in [(those, true), (others, false)] {
                for hub in hubs {
                    let url = if hub.contains("://") {
                        (*hub).to_owned()
                    } else {
                        format!("http://{hub}")
                    };
                    let (host, port) = host_and_port(&url.parse().unwrap_or_default());
                    assert_eq!(no_proxy.contains(&host, port), expected, "{list:?}: {hub}");
                }
            }
        }
    }
}
