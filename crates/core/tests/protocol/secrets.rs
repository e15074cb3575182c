//! Secrets in operations, options and redirects do not appear in any output.

use scramjet_client_core::{
    DisconnectHubs, Ended, InstanceId, RevokeAccessKey, SendEvent, SpaceId, StartManager,
    StartOptions,
};
use serde_json::json;

use crate::helpers::{Head, refusal};

#[test]
fn debug_output_of_operations_and_options_contains_no_secrets() {
    let space = &SpaceId::new("s").expect("an id");
    let id = &InstanceId::new("i").expect("an id");
    let info = json!({
        "id": "i", "appConfig": { "dsn": "secret" }, "args": ["secret"], "terminated": {},
    });
    let ended = Ended::of(serde_json::from_value(info).expect("an info")).expect("an end");
    for shown in [
        format!(
            "{:?}",
            RevokeAccessKey {
                space,
                key: "secret"
            }
        ),
        format!("{:?}", DisconnectHubs::access_key("secret").limit(7)),
        format!(
            "{:?}",
            StartOptions::new().app_config(json!({ "a": "secret" }))
        ),
        format!(
            "{:?}",
            StartOptions::new()
                .arg("--password=secret")
                .member("x", "secret")
        ),
        format!("{:?}", StartOptions::new().app_config("secret")),
        format!(
            "{:?}",
            SendEvent {
                id,
                name: "e",
                data: &json!("secret")
            }
        ),
        format!(
            "{:?}",
            StartManager {
                config: &json!({ "a": "secret" })
            }
        ),
        format!("{ended:#?}"),
    ] {
        assert!(!shown.contains("secret"), "{shown}");
    }
    let shown = format!("{:?}", DisconnectHubs::id("h").limit(7));
    assert!(shown.contains("\"h\"") && shown.contains('7'), "{shown}");
}

#[test]
fn redirect_error_hides_credentials_and_query() {
    for (target, shown) in [
        ("https://hub.example/api/v1", "https://hub.example/api/v1"),
        ("/login", "/login"),
        ("https://h/a?token=secret", "https://h/a"),
        ("https://h/a#secret", "https://h/a"),
        ("https://user:secret@h/a?secret", "…@h/a"),
        ("//user:secret@h/a", "…@h/a"),
        ("user:secret@h/a", "…@h/a"),
        ("https://secret@h", "…@h"),
        ("https://user:#secret@h/a", "…"),
        ("?secret", ""),
    ] {
        let error = refusal(&Head::new(302, "Found").header("location", target), b"");
        let text = error.to_string();
        assert!(!text.contains("secret"), "{text}");
        let message = format!("redirect to {shown}, which");
        assert!(text.contains(&message) || shown.is_empty(), "{text}");
    }
}
