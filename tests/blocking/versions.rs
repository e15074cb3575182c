//! `hub_version`, and parsing of versions.

use std::str::FromStr;

use scramjet_client_blocking::{HostClient, HostClientBuilder, Version};

use scramjet_client_tests::scripted::refused_url;

#[test]
fn hub_version_accepts_strings_and_versions() {
    let builders: [fn(HostClientBuilder) -> HostClientBuilder; 4] = [
        |builder| builder.hub_version("0.18.7"),
        |builder| builder.hub_version("v0.18.7-pre.1".to_owned()),
        |builder| builder.hub_version(Version::new(0, 18, 7)),
        |builder| builder.hub_version("0.18.7".parse::<Version>().unwrap()),
    ];
    for set_version in builders {
        // No hub listens at this URL, so the dialect can only come from the given version.
        let host = set_version(HostClient::builder(refused_url()))
            .build()
            .unwrap();
        assert!(!host.dialect().unwrap().supports_topic_management());
    }
}

#[test]
fn version_from_str_rejects_text_that_is_no_version() {
    for (text, says) in [
        (
            "latest",
            "\"latest\" is not a version; expected a version such as 1.0.1",
        ),
        ("", "\"\" is not a version"),
    ] {
        let error = Version::from_str(text).unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}
