//! Hubs that require a client certificate.

use std::io::Read;

use scramjet_client_blocking::transport::{Phase, TlsBackend, TlsProblem};
use scramjet_client_blocking::{Error, HostClientBuilder, Upload};
use scramjet_client_tests::authority::{Authority, Identity};

use crate::helpers::within;
use crate::hubs::{BACKENDS, Hub, fails, succeeds};

/// The authorities of hubs and of clients.
struct Authorities {
    hubs: Authority,
    clients: Authority,
}

impl Authorities {
    fn new() -> Self {
        Self {
            hubs: Authority::new("hubs"),
            clients: Authority::new("clients"),
        }
    }

    fn hub(&self, only_1_2: bool) -> Hub {
        Hub::tls_for(&self.clients, &self.hubs.identity(&["localhost"]), only_1_2)
    }

    fn client(&self, hub: &Hub, backend: TlsBackend) -> HostClientBuilder {
        hub.client("localhost", backend)
            .ca_certificate_pem(self.hubs.pem())
    }
}

/// Runs the test with a hub of each TLS version and each backend.
fn each(authorities: &Authorities, mut test: impl FnMut(&str, &Hub, TlsBackend)) {
    for (version, only_1_2) in [("TLS 1.3", false), ("TLS 1.2", true)] {
        for &backend in BACKENDS {
            test(
                &format!("{version} with {backend:?}"),
                &authorities.hub(only_1_2),
                backend,
            );
        }
    }
}

#[test]
fn client_certificate_pem_is_sent_to_the_hub() {
    within("calls", || {
        let authorities = Authorities::new();
        let direct = authorities.clients.identity(&["somebody"]);
        let issued_by_intermediate = authorities
            .clients
            .intermediate("between")
            .identity(&["somebody"]);
        let pairs = |identity: &Identity| {
            [
                (identity.pem(), identity.key_pem()),
                (
                    identity.pem() + &identity.key_pem(),
                    identity.key_pem() + &identity.pem(),
                ),
            ]
        };
        each(&authorities, |what, hub, backend| {
            for (certificates, key) in pairs(&direct)
                .into_iter()
                .chain(pairs(&issued_by_intermediate))
            {
                succeeds(
                    what,
                    authorities
                        .client(hub, backend)
                        .client_certificate_pem(certificates, key),
                );
                hub.requests.take();
            }
            let sec1 = authorities
                .client(hub, backend)
                .client_certificate_pem(direct.pem(), direct.sec1_key_pem());
            if backend == TlsBackend::Rustls {
                succeeds(what, sec1);
                hub.requests.take();
            } else {
                let error = sec1.build().unwrap_err().to_string();
                assert!(
                    error.starts_with("invalid setting \"client_certificate\": ")
                        && error.contains("PKCS#8"),
                    "{error}"
                );
            }
        });
    });
}

#[test]
fn missing_or_wrong_client_certificate_is_a_tls_error() {
    within("calls", || {
        let authorities = Authorities::new();
        let check = |what: &str, hub: &Hub, error: Error, words: &str| {
            let tls = error.tls().unwrap_or_else(|| panic!("{what}: {error:?}"));
            assert!(tls.to_string().contains(words), "{what}: {error:?}");
            assert!(
                matches!(
                    tls.problem(),
                    TlsProblem::ClientCertificate | TlsProblem::Other
                ),
                "{what}: {error:?}"
            );
            assert!(
                hub.requests.is_empty(),
                "{what}: the hub received the request"
            );
            tls.problem()
        };
        let untrusted = Authority::new("strangers").identity(&["somebody"]);
        let expired = authorities
            .clients
            .identity_between(&["somebody"], 2020, 2021);
        each(&authorities, |what, hub, backend| {
            let error = fails(what, authorities.client(hub, backend));
            assert_eq!(error.phase(), Some(Phase::Tls), "{what}: {error:?}");
            let problem = check(what, hub, error, "requires a client certificate");
            assert!(
                problem == TlsProblem::ClientCertificate || what.starts_with("TLS 1.2"),
                "{what}"
            );
            for other in [&untrusted, &expired] {
                let builder = authorities
                    .client(hub, backend)
                    .client_certificate_pem(other.pem(), other.key_pem());
                let error = fails(what, builder);
                assert_eq!(error.phase(), Some(Phase::Tls), "{what}: {error:?}");
                check(what, hub, error, "rejected the client certificate");
            }
        });
    });
}

/// The client may notice it during an upload, which the hub does not read.
#[test]
fn missing_client_certificate_is_a_tls_error_during_send_sequence() {
    within("uploads", || {
        let authorities = Authorities::new();
        each(&authorities, |what, hub, backend| {
            let host = authorities.client(hub, backend).build().unwrap();
            let gzip = &b"\x1f\x8b"[..];
            let upload = Upload::reader(gzip.chain(std::io::repeat(b' ').take(4 << 20)));
            let error = host.send_sequence(upload).unwrap_err();
            let tls = error.tls().unwrap_or_else(|| panic!("{what}: {error:?}"));
            assert!(
                tls.to_string().contains("requires a client certificate"),
                "{what}: {error:?}"
            );
            assert_eq!(error.phase(), Some(Phase::Tls), "{what}: {error:?}");
            assert!(hub.requests.is_empty(), "{what}");
        });
    });
}

/// Hubs that do not require a client certificate ignore it.
#[test]
fn client_certificate_is_optional_for_the_hub() {
    within("a call", || {
        let authorities = Authorities::new();
        let client = authorities.clients.identity(&["somebody"]);
        for &backend in BACKENDS {
            let hub = Hub::tls(&authorities.hubs.identity(&["localhost"]));
            succeeds(
                "a certificate that is not requested",
                authorities
                    .client(&hub, backend)
                    .client_certificate_pem(client.pem(), client.key_pem()),
            );
        }
    });
}
