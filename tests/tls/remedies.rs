//! Common mistakes with certificates. Each error names the certificate and a remedy.

use scramjet_client_blocking::transport::{TlsBackend, TlsProblem};
use scramjet_client_blocking::{HostClient, HostClientBuilder};
use scramjet_client_tests::authority::{Authority, Identity};
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

use crate::helpers::within;
use crate::hubs::{BACKENDS, Hub, fails, succeeds};

/// A self-signed client certificate of version 1 and its key, made with
/// `openssl x509 -req -signkey` of OpenSSL 3.0 without extensions.
const VERSION_1: &str = include_str!("pem/version-1.pem");

/// A client certificate with a key on the curve P-521, and the key.
const P_521: &str = include_str!("pem/p-521.pem");

fn client(backend: TlsBackend) -> HostClientBuilder {
    HostClient::builder("https://localhost/api/v1").tls_backend(backend)
}

#[test]
fn self_signed_ca_certificate_error_names_the_extension() {
    within("calls", || {
        let identity = Identity::self_signed_authority(&["localhost"]);
        for &backend in BACKENDS {
            let hub = Hub::tls(&identity);
            let distrusting = hub.client("localhost", backend);
            let trusting = hub
                .client("localhost", backend)
                .ca_certificate_pem(identity.pem());
            if backend == TlsBackend::NativeTls {
                let error = fails("not trusted", distrusting);
                let problem = error.tls().unwrap().problem();
                assert_eq!(problem, TlsProblem::UnknownIssuer, "{error:?}");
                succeeds("trusted", trusting);
                continue;
            }
            for builder in [distrusting, trusting] {
                let error = fails("rustls", builder);
                let says = error.tls().unwrap().to_string();
                assert!(
                    says.starts_with("the hub's certificate is that of an authority (CA:TRUE)")
                        && says.contains("-addext basicConstraints=critical,CA:FALSE")
                        && says.contains("native-tls"),
                    "{says}"
                );
            }
        }
    });
}

#[test]
fn unsupported_client_certificate_error_has_a_remedy() {
    for (pem, says) in [
        (
            VERSION_1,
            [
                "the certificate is X.509 version 1",
                "basicConstraints=critical,CA:FALSE",
            ],
        ),
        (
            P_521,
            [
                "the private key is malformed or of a kind that rustls does not",
                "P-521",
            ],
        ),
    ] {
        for &backend in BACKENDS {
            let built = client(backend).client_certificate_pem(pem, pem).build();
            let error = match (backend, built) {
                // The remedy works: native-tls supports the certificate.
                (TlsBackend::NativeTls, built) => {
                    built.unwrap();
                    continue;
                }
                (_, built) => built.unwrap_err().to_string(),
            };
            for words in [says[0], says[1], "use native-tls (`tls_backend`)"] {
                assert!(error.contains(words), "{error}");
            }
        }
    }
}

#[test]
fn der_certificate_error_has_the_command_that_converts_it() {
    let client_pem = Authority::new("clients").identity(&["somebody"]);
    let der = pem::parse(client_pem.pem()).unwrap().into_contents();
    let key_der = pem::parse(client_pem.key_pem()).unwrap().into_contents();
    for &backend in BACKENDS {
        let certificate = "openssl x509 -inform der -in cert.der -out cert.pem";
        for (builder, says) in [
            (client(backend).ca_certificate_pem(der.clone()), certificate),
            (
                client(backend).client_certificate_pem(der.clone(), client_pem.key_pem()),
                certificate,
            ),
            (
                client(backend).client_certificate_pem(client_pem.pem(), key_der.clone()),
                "openssl pkey -inform der -in key.der -out key.pem",
            ),
        ] {
            let error = builder.build().unwrap_err().to_string();
            assert!(
                error.contains("binary, not PEM") && error.contains(says),
                "{error}"
            );
        }
    }
}

/// Responds like nginx with status 400 and this page.
fn nginx(title: &'static str) -> impl Fn(&mut Connection) + Send + Sync + 'static {
    move |connection| {
        let page = format!(
            "<html>\r\n<head><title>400 {title}</title></head>\r\n<body>\r\n\
             <center><h1>400 Bad Request</h1></center>\r\n<center>{title}</center>\r\n\
             <hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
        );
        let headers = [("Content-Type", "text/html"), ("Connection", "close")];
        while connection.read_request().is_ok() {
            let answer = response("400 Bad Request", &headers, page.as_bytes());
            let _ = connection.send(answer);
        }
    }
}

#[test]
fn nginx_responses_about_tls_are_tls_errors() {
    let authority = Authority::new("hubs");
    let identity = authority.identity(&["localhost"]);
    let somebody = Authority::new("clients").identity(&["somebody"]);
    within("calls", move || {
        for &backend in BACKENDS {
            for (title, problem, says) in [
                (
                    "No required SSL certificate was sent",
                    TlsProblem::ClientCertificate,
                    "none is set; see `client_certificate_pem`",
                ),
                (
                    "The SSL certificate error",
                    TlsProblem::ClientCertificate,
                    "rejected the client certificate: it must be valid now",
                ),
            ] {
                let server = ScriptedServer::start_tls_as(&identity, nginx(title));
                let error = HostClient::builder(server.url())
                    .tls_backend(backend)
                    .ca_certificate_pem(authority.pem())
                    .client_certificate_pem(somebody.pem(), somebody.key_pem())
                    .build()
                    .unwrap()
                    .version()
                    .unwrap_err();
                let tls = error.tls().unwrap_or_else(|| panic!("{error:?}"));
                assert_eq!(tls.problem(), problem);
                assert!(error.to_string().contains(says), "{error}");
                assert_eq!(error.api().unwrap().status.as_u16(), 400);
                assert!(!error.is_retryable());
            }
        }
        for title in [
            "The plain HTTP request was sent to HTTPS port",
            "Reason: You're speaking plain HTTP to an SSL-enabled server port.",
            "Client sent an HTTP request to an HTTPS server.",
        ] {
            let server = ScriptedServer::start(nginx(title));
            let error = HostClient::new(server.url())
                .unwrap()
                .version()
                .unwrap_err();
            assert_eq!(error.tls().unwrap().problem(), TlsProblem::OnlyTls);
            assert!(
                error.to_string().contains("should begin with https://"),
                "{error}"
            );
        }
        // Not every 400 is about TLS.
        let server = ScriptedServer::start(nginx("Request Header Or Cookie Too Large"));
        let error = HostClient::new(server.url())
            .unwrap()
            .version()
            .unwrap_err();
        assert!(error.tls().is_none(), "{error:?}");
    });
}
