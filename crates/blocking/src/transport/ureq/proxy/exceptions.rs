//! The hubs that no proxy leads to: `NO_PROXY`.

use std::net::{IpAddr, SocketAddr};

use ::ureq::http::Uri;
use ::ureq::http::uri::Scheme;
use url::Host;

#[derive(Debug, Default)]
pub(super) struct Exceptions(Vec<(Exception, Option<u16>)>);

#[derive(Debug)]
enum Exception {
    All,
    /// The name and all below it, or only those below it.
    Name {
        name: String,
        only_below: bool,
    },
    /// The addresses whose first so many bits are those of this one.
    Net(IpAddr, u8),
}

impl Exceptions {
    /// Reads a list with commas or blanks: `*`, names (`example.com` is also all below it, `.example.com` and `*.example.com` are only those), addresses,
    /// nets (`10.0.0.0/8`); each, but for nets, with a port or without. What is none of these is passed over.
    pub(super) fn parse(list: &str) -> Self {
        Self(
            list.split(|c: char| c == ',' || c.is_whitespace())
                .filter_map(|entry| Exception::parse(&entry.to_ascii_lowercase()))
                .collect(),
        )
    }

    pub(super) fn has(&self, host: &str, port: u16) -> bool {
        self.0
            .iter()
            .any(|(exception, only)| only.is_none_or(|only| only == port) && exception.has(host))
    }
}

impl Exception {
    fn parse(entry: &str) -> Option<(Self, Option<u16>)> {
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some((Self::All, None));
        }
        if let Some((net, bits)) = entry.split_once('/') {
            return Some((Self::Net(bare(net).parse().ok()?, bits.parse().ok()?), None));
        }
        if let Ok(address) = bare(entry).parse() {
            return Some((Self::Net(address, u8::MAX), None));
        }
        if let Ok(address) = entry.parse::<SocketAddr>() {
            return Some((Self::Net(address.ip(), u8::MAX), Some(address.port())));
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        let below = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
        let only_below = below.is_some();
        let name = below.unwrap_or(name).trim_end_matches('.');
        // The names of hubs are in ASCII.
        let name = match Host::parse(name) {
            Ok(Host::Domain(ascii)) if !name.is_ascii() => ascii,
            _ => name.to_owned(),
        };
        (!name.is_empty()).then_some((Self::Name { name, only_below }, port))
    }

    fn has(&self, host: &str) -> bool {
        match (self, host.parse::<IpAddr>()) {
            (Self::All, _) => true,
            (Self::Name { name, only_below }, Err(_)) => match host.strip_suffix(name.as_str()) {
                Some("") => !only_below,
                Some(rest) => rest.ends_with('.'),
                None => false,
            },
            (Self::Net(net, bits), Ok(address)) => {
                let (same, all) = match (net, address) {
                    (IpAddr::V4(net), IpAddr::V4(address)) => {
                        ((net.to_bits() ^ address.to_bits()).leading_zeros(), 32)
                    }
                    (IpAddr::V6(net), IpAddr::V6(address)) => {
                        ((net.to_bits() ^ address.to_bits()).leading_zeros(), 128)
                    }
                    _ => return false,
                };
                same >= all.min(u32::from(*bits))
            }
            _ => false,
        }
    }
}

fn bare(address: &str) -> &str {
    address
        .strip_prefix('[')
        .and_then(|address| address.strip_suffix(']'))
        .unwrap_or(address)
}

/// The host of a URL in small letters, an IPv6 address without brackets, and its port.
pub(super) fn host_of(hub: &Uri) -> (String, u16) {
    let host = bare(hub.host().unwrap_or_default())
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
    use super::{Exceptions, host_of};

    #[test]
    fn hubs_are_excepted_by_name_address_and_net() {
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
            // Nothing that is known.
            (
                "10.0.0.0/x,/8,.,:80,a:b,*x",
                &[],
                &["10.0.0.0", "a", "xx", "b"],
            ),
        ] {
            let exceptions = Exceptions::parse(list);
            for (hubs, expected) in [(those, true), (others, false)] {
                for hub in hubs {
                    let url = if hub.contains("://") {
                        (*hub).to_owned()
                    } else {
                        format!("http://{hub}")
                    };
                    let (host, port) = host_of(&url.parse().unwrap_or_default());
                    assert_eq!(exceptions.has(&host, port), expected, "{list:?}: {hub}");
                }
            }
        }
    }
}
