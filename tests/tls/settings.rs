//! Invalid settings are refused when the client is built. Error messages do not contain their
//! values.

use std::error::Error as _;
use std::sync::Arc;

use scramjet_client_blocking::error::RequestError;
use scramjet_client_blocking::transport::{
    ClientCertificate, Proxy, TlsBackend, UreqConfig, UreqTransport,
};
use scramjet_client_blocking::{ErrorKind, HostClient, HostClientBuilder, Transport};
use scramjet_client_tests::authority::{Authority, Identity};

use crate::hubs::{BACKENDS, Hub};

/// Removes the line breaks of a PEM text.
fn on_one_line(pem: &str) -> String {
    pem.replace(['\r', '\n'], "")
}

fn without_end(pem: &str) -> String {
    pem.split("-----END").next().unwrap().to_owned()
}

fn damaged(pem: &str) -> String {
    pem.replacen("MI", "!!", 1)
}

/// Valid Base64, but no certificate or key.
const NONSENSE: &str = "bm90aGluZyB0aGF0IGlzIG9mIGFueSB1c2U=";

fn labelled(label: &str, base64: &str) -> String {
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}

/// An invalid setting, its name in the error, and the message.
fn rows(
    ours: &Authority,
    client: &Identity,
) -> Vec<(&'static str, HostClientBuilder, &'static str, &'static str)> {
    let hub = || HostClient::builder("https://localhost/api/v1");
    let ca = |pem: String| hub().ca_certificate_pem(pem);
    let pair = |certificates: String, key: String| hub().client_certificate_pem(certificates, key);
    let (certificate, key) = (|| client.pem(), || client.key_pem());
    let other = ours.identity(&["other"]);
    let lines = "the PEM is malformed: each item needs a line";
    vec![
        (
            "no authority",
            ca(String::new()),
            "ca_certificates",
            "it contains no certificate; a certificate begins with -----BEGIN CERTIFICATE-----",
        ),
        (
            "some words",
            ca("a certificate".into()),
            "ca_certificates",
            "it contains no certificate",
        ),
        (
            "DER",
            hub().ca_certificate_pem([0x30, 0x82, 1, 2, 0xff, 0]),
            "ca_certificates",
            "it is binary, not PEM",
        ),
        (
            "a key alone",
            ca(key()),
            "ca_certificates",
            "it contains a private key but no certificate",
        ),
        (
            "an authority on one line",
            ca(on_one_line(&ours.pem())),
            "ca_certificates",
            lines,
        ),
        (
            "an authority without end",
            ca(without_end(&ours.pem())),
            "ca_certificates",
            lines,
        ),
        (
            "a damaged authority",
            ca(damaged(&ours.pem())),
            "ca_certificates",
            lines,
        ),
        (
            "an authority of nonsense",
            ca(ours.pem() + &labelled("CERTIFICATE", NONSENSE)),
            "ca_certificates",
            "certificate 2 of 2 is malformed",
        ),
        (
            "no certificate",
            pair(String::new(), key()),
            "client_certificate",
            "it contains no certificate",
        ),
        (
            "a key without its certificate",
            pair(key(), key()),
            "client_certificate",
            "it contains a private key but no certificate",
        ),
        (
            "a certificate of nonsense",
            pair(labelled("CERTIFICATE", NONSENSE), key()),
            "client_certificate",
            "certificate 1 of 1 is malformed",
        ),
        (
            "no key",
            pair(certificate(), String::new()),
            "client_certificate",
            "it contains no private key; a private key begins with -----BEGIN PRIVATE KEY-----",
        ),
        (
            "a certificate without its key",
            pair(certificate(), certificate()),
            "client_certificate",
            "it contains a certificate but no private key",
        ),
        (
            "a key on one line",
            pair(certificate(), on_one_line(&key())),
            "client_certificate",
            lines,
        ),
        (
            "a key without end",
            pair(certificate(), without_end(&key())),
            "client_certificate",
            lines,
        ),
        (
            "a damaged key",
            pair(certificate(), damaged(&key())),
            "client_certificate",
            lines,
        ),
        (
            "a key of nonsense",
            pair(certificate(), labelled("PRIVATE KEY", NONSENSE)),
            "client_certificate",
            "the private key is malformed",
        ),
        (
            "an old key of nonsense",
            pair(certificate(), labelled("RSA PRIVATE KEY", NONSENSE)),
            "client_certificate",
            "the private key is malformed",
        ),
        (
            "two keys",
            pair(certificate(), key() + &other.key_pem()),
            "client_certificate",
            "it contains several private keys",
        ),
        (
            "the key of another",
            pair(certificate(), other.key_pem()),
            "client_certificate",
            "the private key does not match the first certificate",
        ),
        (
            "the chain in the wrong order",
            pair(ours.pem() + &certificate(), key()),
            "client_certificate",
            "the private key does not match the first",
        ),
        (
            "an encrypted key",
            pair(certificate(), labelled("ENCRYPTED PRIVATE KEY", NONSENSE)),
            "client_certificate",
            "its private key is encrypted with a password; decrypt it with `openssl pkey",
        ),
        (
            "a key encrypted in the old way",
            pair(
                certificate(),
                labelled(
                    "EC PRIVATE KEY",
                    &format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{NONSENSE}"),
                ),
            ),
            "client_certificate",
            "its private key is encrypted with a password",
        ),
        (
            "a proxy that is none",
            hub().proxy("user:secret@proxy://"),
            "proxy",
            "it is not a proxy URL such as http://",
        ),
        (
            "a proxy of another kind",
            hub().proxy("socks5://user:secret@proxy:1080"),
            "proxy",
            "socks5:// proxies are not supported",
        ),
    ]
}

#[test]
fn build_refuses_invalid_settings() {
    let (ours, client) = (
        Authority::new("ours"),
        Authority::new("clients").identity(&["somebody"]),
    );
    let secret_lines: Vec<String> = client
        .key_pem()
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .map(str::to_owned)
        .collect();
    for &backend in BACKENDS {
        for (what, builder, setting, says) in rows(&ours, &client) {
            let builder = builder.tls_backend(backend);
            let shown = format!("{builder:?}");
            let error = builder.build().expect_err(what);
            assert!(
                matches!(error.kind(), ErrorKind::Request(RequestError::Setting { setting: refused,
                    .. }) if refused == setting),
                "{what}: {error:?}"
            );
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("invalid setting {setting:?}: {says}")),
                "{what} with {backend:?}: {error}"
            );
            for text in [shown, format!("{error:?}"), format!("{:?}", error.kind())] {
                assert!(
                    !text.contains("secret") && !text.contains(NONSENSE),
                    "{what}: {text}"
                );
                assert!(
                    secret_lines
                        .iter()
                        .all(|line| !text.contains(line.as_str())),
                    "{what}: {text}"
                );
            }
            assert!(error.source().is_none());
        }
    }
}

#[test]
fn build_refuses_a_tls_backend_that_is_not_compiled_in() {
    for (backend, feature) in [
        (TlsBackend::Rustls, "rustls"),
        (TlsBackend::NativeTls, "native-tls"),
    ] {
        let built = HostClient::builder("https://localhost/api/v1")
            .tls_backend(backend)
            .build();
        match built {
            Ok(_) => assert!(BACKENDS.contains(&backend)),
            Err(error) => {
                assert!(!BACKENDS.contains(&backend));
                assert!(
                    error.to_string().ends_with(&format!(
                        "enable the feature `{feature}` of scramjet-client-blocking"
                    )),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn secrets_are_not_shown() {
    let client = Authority::new("clients").identity(&["somebody"]);
    let hub = Hub::plain();
    let mut config = UreqConfig::default();
    config.ca_certificates = Some(client.pem().into());
    config.client_certificate = Some(ClientCertificate::from_pem(client.pem(), client.key_pem()));
    config.proxy = Proxy::Url("http://user:secret@localhost:1".into());
    let transport = UreqTransport::new(&config).unwrap();
    let builder = HostClient::builder(hub.url("localhost"))
        .ca_certificate_pem(client.pem())
        .client_certificate_pem(client.pem(), client.key_pem())
        .proxy("http://user:secret@localhost:1");
    let shown = [
        format!("{config:?}"),
        format!("{config:#?}"),
        format!("{:?}", config.client_certificate),
        format!("{:?}", config.proxy),
        format!("{transport:?}"),
        format!("{transport:#?}"),
        format!("{builder:?}"),
        format!("{:?}", builder.build().unwrap()),
    ];
    let (bytes, base64) = (
        format!("{:?}", &client.key_pem().as_bytes()[..20]),
        "dXNlcjpzZWNyZXQ",
    );
    for text in shown {
        let bytes = bytes.trim_matches(['[', ']']);
        assert!(
            !text.contains("secret")
                && !text.contains(base64)
                && !text.contains("BEGIN")
                && !text.contains(bytes),
            "{text}"
        );
        assert!(
            client.key_pem().lines().all(|line| !text.contains(line)),
            "{text}"
        );
    }
}

/// Otherwise they would be ignored silently.
#[test]
fn build_refuses_transport_settings_with_a_custom_transport() {
    let pem = Authority::new("ours").pem();
    let identity = Authority::new("clients").identity(&["somebody"]);
    let builder = || {
        HostClient::builder("https://localhost/api/v1")
            .transport(Arc::new(UreqTransport::default()) as Arc<dyn Transport>)
    };
    assert!(builder().danger_accept_invalid_certs(false).build().is_ok());
    for (builder, setting) in [
        (builder().connect_timeout(None), "connect_timeout"),
        (builder().max_idle_connections(0), "max_idle_connections"),
        (builder().ca_certificate_pem(pem), "ca_certificates"),
        (
            builder().client_certificate_pem(identity.pem(), identity.key_pem()),
            "client_certificate",
        ),
        (
            builder().danger_accept_invalid_certs(true),
            "danger_accept_invalid_certs",
        ),
        (builder().tls_backend(BACKENDS[0]), "tls_backend"),
        (builder().proxy("http://localhost:1"), "proxy"),
        (builder().proxy_from_environment(), "proxy"),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("invalid setting {setting:?}: "))
                && error.contains("another transport is set"),
            "{error}"
        );
    }
}
