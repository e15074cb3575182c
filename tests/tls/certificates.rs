//! Accepted and refused hub certificates.

use scramjet_client_blocking::Input;
use scramjet_client_blocking::transport::{Phase, TlsBackend, TlsProblem};
use scramjet_client_tests::authority::{Authority, Identity};

use crate::helpers::within;
use crate::hubs::{BACKENDS, Hub, fails, succeeds};

/// A certificate, the host name of the call, the trusted authorities, and the outcome.
struct Row {
    name: &'static str,
    identity: Identity,
    host: &'static str,
    trusted: Option<String>,
    outcome: Option<(TlsProblem, &'static str)>,
}

fn rows() -> Vec<Row> {
    let (ours, other, third) = (
        Authority::new("ours"),
        Authority::new("other"),
        Authority::new("third"),
    );
    let pem = || Some(ours.pem());
    let row = |name, identity, host, trusted, outcome| Row {
        name,
        identity,
        host,
        trusted,
        outcome,
    };
    let this = || ours.identity(&["localhost", "127.0.0.1"]);
    let unknown = Some((
        TlsProblem::UnknownIssuer,
        "the hub's certificate is signed by an unknown authority; if the certificate is \
             genuine, trust",
    ));
    let own = Identity::self_signed(&["localhost"]);
    let trusted_own = own.pem();
    vec![
        row("valid", this(), "localhost", pem(), None),
        row("valid for an address", this(), "127.0.0.1", pem(), None),
        row(
            "one of several authorities",
            this(),
            "localhost",
            Some([other.pem(), ours.pem(), third.pem()].concat()),
            None,
        ),
        row(
            "with words between",
            this(),
            "localhost",
            Some(format!(
                "ours:\r\n{}\nother:\n{}",
                ours.pem().replace('\n', "\r\n"),
                other.pem()
            )),
            None,
        ),
        row(
            "with one between",
            ours.intermediate("between").identity(&["localhost"]),
            "localhost",
            pem(),
            None,
        ),
        row(
            "its own, trusted",
            own,
            "localhost",
            Some(trusted_own),
            None,
        ),
        row(
            "expired",
            ours.identity_between(&["localhost"], 2020, 2021),
            "localhost",
            pem(),
            Some((TlsProblem::Expired, "the hub's certificate expired ")),
        ),
        row(
            "not valid yet",
            ours.identity_between(&["localhost"], 2090, 2099),
            "localhost",
            pem(),
            Some((
                TlsProblem::NotYetValid,
                "the hub's certificate is not valid yet",
            )),
        ),
        row(
            "for other hosts",
            ours.identity(&["hub.invalid", "*.hub.invalid", "127.0.0.1"]),
            "localhost",
            pem(),
            Some((
                TlsProblem::WrongHost,
                "the hub's certificate is for hub.invalid, *.hub.invalid, 127.0.0.1, not for \
                     localhost",
            )),
        ),
        row(
            "for a name, not the address",
            ours.identity(&["localhost"]),
            "127.0.0.1",
            pem(),
            Some((
                TlsProblem::WrongHost,
                "the hub's certificate is for localhost, not for 127.0.0.1",
            )),
        ),
        row(
            "for no host",
            ours.identity(&[]),
            "localhost",
            pem(),
            Some((
                TlsProblem::WrongHost,
                "the hub's certificate is for no host at all, not for localhost",
            )),
        ),
        row(
            "of an unknown authority",
            other.identity(&["localhost"]),
            "localhost",
            Some([ours.pem(), third.pem()].concat()),
            unknown,
        ),
        row("of no public authority", this(), "localhost", None, unknown),
        row(
            "its own",
            Identity::self_signed(&["localhost"]),
            "localhost",
            None,
            unknown,
        ),
        row(
            "its own, another trusted",
            Identity::self_signed(&["localhost"]),
            "localhost",
            pem(),
            unknown,
        ),
    ]
}

#[test]
fn hub_certificates_are_accepted_or_refused() {
    within("certificates", || {
        for row in rows() {
            for &backend in BACKENDS {
                let what = format!("{} with {backend:?}", row.name);
                let hub = Hub::tls(&row.identity);
                let builder = || match &row.trusted {
                    Some(pem) => hub
                        .client(row.host, backend)
                        .ca_certificate_pem(pem.as_str()),
                    None => hub.client(row.host, backend),
                };
                match row.outcome {
                    None => succeeds(&what, builder()),
                    Some((problem, says)) => {
                        for builder in [builder(), builder().danger_accept_invalid_certs(false)] {
                            let error = fails(&what, builder);
                            let tls = error.tls().unwrap_or_else(|| panic!("{what}: {error:?}"));
                            assert_eq!(tls.problem(), problem, "{what}");
                            // native-tls does not report the certificate's names and dates.
                            assert!(
                                backend != TlsBackend::Rustls || tls.to_string().starts_with(says),
                                "{what}: {tls}"
                            );
                            assert_eq!(error.phase(), Some(Phase::Tls), "{what}: {error:?}");
                        }
                        assert!(hub.requests.is_empty(), "{what}: something was sent");
                        succeeds(&what, builder().danger_accept_invalid_certs(true));
                    }
                }
                hub.requests.take();
            }
        }
    });
}

#[test]
fn tls_connection_is_reused() {
    within("calls", || {
        for &backend in BACKENDS {
            let authority = Authority::new("ours");
            let hub = Hub::tls(&authority.identity(&["localhost"]));
            let host = hub
                .client("localhost", backend)
                .ca_certificate_pem(authority.pem())
                .build()
                .unwrap();
            for _ in 0..3 {
                host.version().unwrap();
                let input = Input::text("some text").end(false);
                host.instance("x").unwrap().send_input(input).unwrap();
                // After the input, the client asks for the state of the instance.
                let requests = [(); 3].map(|()| hub.requests.take());
                let methods = requests.each_ref().map(|request| request.method.as_str());
                assert_eq!(methods, ["GET", "POST", "GET"]);
                assert_eq!(requests[1].body, b"some text");
            }
            assert_eq!(hub.server.connections(), 1, "{backend:?}");
        }
    });
}
