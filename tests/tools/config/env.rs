//! The variables `SCRAMJET_…`.

use std::ffi::OsStr;

use scramjet_client_blocking::{HostClient, HostClientBuilder};
use scramjet_client_tests::scripted::{ScriptedServer, response};

use super::{case, error_text, run_in_child};
use crate::helpers::{Folder, recording};

#[test]
fn from_env_applies_all_variables() {
    const NAME: &str = "config::env::from_env_applies_all_variables";
    if case().is_some() {
        let host = HostClient::from_env().unwrap();
        assert_eq!(host.dialect().unwrap().version().to_string(), "0.28.1");
        return assert_eq!(host.list_sequences().unwrap().len(), 0);
    }
    let (server, requests) = recording(b"[]");
    let variables = [
        ("SCRAMJET_HUB_URL", server.url()),
        ("SCRAMJET_TOKEN", "secret".into()),
        ("SCRAMJET_HUB_VERSION", "0.28.1".into()),
    ];
    let variables = variables
        .each_ref()
        .map(|(name, value)| (*name, OsStr::new(value)));
    run_in_child(NAME, &variables, "all");
    let request = requests.take();
    // There was no version request.
    assert_eq!(
        (request.target.as_str(), request.header("authorization")),
        ("/api/v1/sequences", Some("Bearer secret"))
    );
    assert!(requests.is_empty());

    // Without a token, or with an empty one, there is no header.
    run_in_child(
        NAME,
        &[variables[0], variables[2], ("SCRAMJET_TOKEN", "".as_ref())],
        "no token",
    );
    assert_eq!(requests.take().header("authorization"), None);
}

#[test]
fn from_env_trusts_the_certificates_of_ca_file() {
    const NAME: &str = "config::env::from_env_trusts_the_certificates_of_ca_file";
    if let Some(case) = case() {
        let answer = HostClientBuilder::from_env()
            .unwrap()
            .build()
            .unwrap()
            .version();
        return assert_eq!(answer.is_ok(), case == "trusted", "{answer:?}");
    }
    let server = ScriptedServer::start_tls(|connection| {
        while connection.read_request().is_ok()
            && connection
                .send(response("200 OK", &[], br#"{"version":"1.0.1"}"#))
                .is_ok()
        {}
    });
    let folder = Folder::new("env-certificates");
    let file = folder.file("ca.pem", server.certificate().unwrap().as_bytes());
    let url = server.url();
    let url = ("SCRAMJET_HUB_URL", OsStr::new(&url));
    run_in_child(
        NAME,
        &[url, ("SCRAMJET_CA_FILE", file.as_os_str())],
        "trusted",
    );
    run_in_child(NAME, &[url], "not trusted");
}

#[test]
fn from_env_error_names_the_variable() {
    const NAME: &str = "config::env::from_env_error_names_the_variable";
    if let Some(case) = case() {
        let error = HostClient::from_env().unwrap_err();
        let (expected, unset) = case
            .strip_prefix("unset: ")
            .map_or((case.as_str(), false), |expected| (expected, true));
        let text = error_text(&error);
        assert!(text.contains(expected), "{text}\nshould be: {expected}");
        return assert_eq!(error.is_unset(), unset);
    }
    let folder = Folder::new("env-wrong");
    let empty = folder.file("empty.pem", b"secret");
    let missing = folder.0.join("missing.pem");
    let url = (
        "SCRAMJET_HUB_URL",
        OsStr::new("http://127.0.0.1:8000/api/v1"),
    );
    let unset = "unset: SCRAMJET_HUB_URL is not set; set it to the address of a hub's API, for \
         example http://localhost:8000/api/v1";
    run_in_child(NAME, &[], unset);
    run_in_child(
        NAME,
        &[
            ("SCRAMJET_HUB_URL", "".as_ref()),
            ("SCRAMJET_TOKEN", "x".as_ref()),
        ],
        unset,
    );
    for (value, expected) in [
        (
            "127.0.0.1:8000",
            "invalid SCRAMJET_HUB_URL: missing http:// (or https://); a hub's address looks \
                 like http://",
        ),
        (
            "http://127.0.0.1:8000/api/v1?token=secret",
            "invalid SCRAMJET_HUB_URL: it contains a query",
        ),
        (
            "http://user:secret@127.0.0.1:8000",
            "invalid SCRAMJET_HUB_URL: it contains a user name or password",
        ),
    ] {
        run_in_child(NAME, &[("SCRAMJET_HUB_URL", value.as_ref())], expected);
    }
    run_in_child(
        NAME,
        &[url, ("SCRAMJET_TOKEN", "secret\r\n".as_ref())],
        "invalid SCRAMJET_TOKEN: it contains a line break",
    );
    run_in_child(
        NAME,
        &[url, ("SCRAMJET_HUB_VERSION", "latest".as_ref())],
        r#"invalid SCRAMJET_HUB_VERSION: "latest" is not a version"#,
    );
    run_in_child(
        NAME,
        &[url, ("SCRAMJET_CA_FILE", empty.as_os_str())],
        "empty.pem: it contains no certificate",
    );
    run_in_child(
        NAME,
        &[url, ("SCRAMJET_CA_FILE", missing.as_os_str())],
        "missing.pem\n  caused by: ",
    );
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let value = OsStr::from_bytes(b"secret\xff");
        run_in_child(
            NAME,
            &[url, ("SCRAMJET_TOKEN", value)],
            "invalid SCRAMJET_TOKEN: it is not valid Unicode",
        );
    }
}
