//! Hubs that ask for a certificate of the client.

use std::io::Read;

use scramjet_client_blocking::transport::{Phase, TlsBackend, TlsProblem};
use scramjet_client_blocking::{Error, HostClientBuilder, Upload};
use scramjet_client_tests::authority::{Authority, Identity};

use crate::helpers::within;
use crate::scene::{BACKENDS, Hub, fails, succeeds};

/// The authorities of hubs and of their clients.
struct Scene {
    hubs: Authority,
    clients: Authority,
}

impl Scene {
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

/// A hub of each version, with each that encrypts.
fn each(scene: &Scene, mut test: impl FnMut(&str, &Hub, TlsBackend)) {
    for (version, only_1_2) in [("TLS 1.3", false), ("TLS 1.2", true)] {
        for &backend in BACKENDS {
            test(
                &format!("{version} with {backend:?}"),
                &scene.hub(only_1_2),
                backend,
            );
        }
    }
}

#[test]
fn a_certificate_of_the_client_is_shown() {
    within("calls", || {
        let scene = Scene::new();
        let direct = scene.clients.identity(&["somebody"]);
        let below = scene.clients.below("between").identity(&["somebody"]);
        let given = |identity: &Identity| {
            [
                (identity.pem(), identity.key_pem()),
                (
                    identity.pem() + &identity.key_pem(),
                    identity.key_pem() + &identity.pem(),
                ),
            ]
        };
        each(&scene, |what, hub, backend| {
            for (certificates, key) in given(&direct).into_iter().chain(given(&below)) {
                succeeds(
                    what,
                    scene
                        .client(hub, backend)
                        .client_certificate_pem(certificates, key),
                );
                hub.requests.take();
            }
            let sec1 = scene
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
fn a_hub_that_asks_for_another_certificate_says_so() {
    within("calls", || {
        let scene = Scene::new();
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
            assert!(hub.requests.is_empty(), "{what}: the request was taken");
            tls.problem()
        };
        let stranger = Authority::new("strangers").identity(&["somebody"]);
        let expired = scene.clients.identity_between(&["somebody"], 2020, 2021);
        each(&scene, |what, hub, backend| {
            let error = fails(what, scene.client(hub, backend));
            assert_eq!(error.phase(), Some(Phase::Tls), "{what}: {error:?}");
            let problem = check(what, hub, error, "asks for a certificate of the client");
            assert!(
                problem == TlsProblem::ClientCertificate || what.starts_with("TLS 1.2"),
                "{what}"
            );
            for other in [&stranger, &expired] {
                let builder = scene
                    .client(hub, backend)
                    .client_certificate_pem(other.pem(), other.key_pem());
                let error = fails(what, builder);
                assert_eq!(error.phase(), Some(Phase::Tls), "{what}: {error:?}");
                check(what, hub, error, "does not accept the client's certificate");
            }
        });
    });
}

/// Also where the client sees it in the midst of an upload, which the hub does not look at.
#[test]
fn a_hub_that_asks_for_a_certificate_says_so_to_uploads() {
    within("uploads", || {
        let scene = Scene::new();
        each(&scene, |what, hub, backend| {
            let host = scene.client(hub, backend).build().unwrap();
            let gzip = &b"\x1f\x8b"[..];
            let upload = Upload::reader(gzip.chain(std::io::repeat(b' ').take(4 << 20)));
            let error = host.send_sequence(upload).unwrap_err();
            let tls = error.tls().unwrap_or_else(|| panic!("{what}: {error:?}"));
            assert!(
                tls.to_string()
                    .contains("asks for a certificate of the client"),
                "{what}: {error:?}"
            );
            assert_eq!(error.phase(), Some(Phase::Tls), "{what}: {error:?}");
            assert!(hub.requests.is_empty(), "{what}");
        });
    });
}

/// It is shown to hubs that ask for it, and harms nobody else.
#[test]
fn a_hub_need_not_ask() {
    within("a call", || {
        let scene = Scene::new();
        let client = scene.clients.identity(&["somebody"]);
        for &backend in BACKENDS {
            let hub = Hub::tls(&scene.hubs.identity(&["localhost"]));
            succeeds(
                "not asked",
                scene
                    .client(&hub, backend)
                    .client_certificate_pem(client.pem(), client.key_pem()),
            );
        }
    });
}
