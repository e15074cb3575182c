//! Profiles written by `si`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use scramjet_client_blocking::config::SiProfile;
use scramjet_client_blocking::core::{GetVersion, ListSpaces};

use super::{case, error_text, run_in_child};
use crate::helpers::{Folder, recording};

const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJuYW1lIjoic2VjcmV0In0.c2VjcmV0";

fn recorded(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/si")
        .join(path)
}

/// Returns a home folder with files written by `si`.
fn home(test: &str) -> Folder {
    let home = Folder::new(test);
    fs::create_dir_all(home.0.join(".si/profiles")).unwrap();
    for file in [
        "si-config.json",
        "profiles/default.json",
        "profiles/staging.json",
        "profiles/cloud.json",
    ] {
        fs::copy(recorded(file), home.0.join(".si").join(file)).unwrap();
    }
    home
}

/// Reads all files of a folder.
fn content(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            content(&path, files);
            files.insert(path, Vec::new());
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

/// Returns the current profile or the error as text.
fn current() -> String {
    match SiProfile::current() {
        Ok(profile) => format!(
            "{} {}",
            profile.name().unwrap_or("-"),
            profile.path().file_name().unwrap().to_string_lossy()
        ),
        Err(error) => error_text(&error),
    }
}

#[test]
fn si_profile_current_selects_like_si() {
    const NAME: &str = "config::si::si_profile_current_selects_like_si";
    if let Some(expected) = case() {
        let current = current();
        return assert!(
            current.contains(&expected),
            "{current}\nshould be: {expected}"
        );
    }
    let folder = home("si-current");
    let si = folder.0.join(".si");
    let home = ("HOME", folder.0.as_os_str());
    let cloud = recorded("profiles/cloud.json");
    let path = ("SI_CONFIG_PATH", cloud.as_os_str());
    let mut before = BTreeMap::new();
    content(&folder.0, &mut before);

    // The order of precedence.
    run_in_child(
        NAME,
        &[home, path, ("SI_CONFIG", "default".as_ref())],
        "- cloud.json",
    );
    run_in_child(
        NAME,
        &[
            home,
            ("SI_CONFIG_PATH", "".as_ref()),
            ("SI_CONFIG", "default".as_ref()),
        ],
        "default default.json",
    );
    run_in_child(
        NAME,
        &[home, ("SI_CONFIG", "".as_ref())],
        "staging staging.json",
    );
    // A path needs no home folder.
    run_in_child(NAME, &[path], "- cloud.json");
    let there = "/.si/profiles; available: cloud, default, staging";
    run_in_child(
        NAME,
        &[home, ("SI_CONFIG", "nope".as_ref())],
        r#"SI_CONFIG selects the profile "nope", which does not exist in "#,
    );
    run_in_child(
        NAME,
        &[home, ("SI_CONFIG", "../profiles/cloud".as_ref())],
        there,
    );
    run_in_child(
        NAME,
        &[home, ("SI_CONFIG_PATH", "/nope.json".as_ref())],
        "invalid SI_CONFIG_PATH: cannot read /nope.json\n  caused by: ",
    );
    let mut after = BTreeMap::new();
    content(&folder.0, &mut after);
    assert!(before == after, "nothing is written");

    for (chosen, expected) in [
        (r#"{"profile":""}"#, "default default.json"),
        (
            r#"{"profile":"gone"}"#,
            r#"si-config.json selects the profile "gone", which does not exist in "#,
        ),
        (
            r#"{"profile":["secret"]}"#,
            r#"si-config.json: its "profile" is not a string"#,
        ),
        (r#"{"profile":"secret"#, "si-config.json: it is not JSON: "),
    ] {
        fs::write(si.join("si-config.json"), chosen).unwrap();
        run_in_child(NAME, &[home], expected);
    }
    fs::remove_file(si.join("si-config.json")).unwrap();
    run_in_child(NAME, &[home], "default default.json");
    fs::remove_file(si.join("profiles/default.json")).unwrap();
    run_in_child(NAME, &[home], r#"no profile "default" in "#);
}

#[test]
fn si_profile_current_creates_nothing() {
    const NAME: &str = "config::si::si_profile_current_creates_nothing";
    if let Some(expected) = case() {
        assert_eq!(SiProfile::names().unwrap(), [""; 0]);
        let current = current();
        return assert!(current.ends_with(&expected), "{current}");
    }
    let home = Folder::new("si-nothing");
    run_in_child(
        NAME,
        &[("HOME", home.0.as_os_str())],
        &format!(
            "{}; there are no profiles, `si config print` creates the first",
            Path::new(".si").join("profiles").display()
        ),
    );
    assert!(fs::read_dir(&home.0).unwrap().next().is_none());
}

#[test]
fn si_profile_named_returns_its_settings() {
    const NAME: &str = "config::si::si_profile_named_returns_its_settings";
    if case().is_none() {
        let home = home("si-named");
        fs::write(home.0.join(".si/profiles/README"), "").unwrap();
        return run_in_child(NAME, &[("HOME", home.0.as_os_str())], "in its home");
    }
    assert_eq!(SiProfile::names().unwrap(), ["cloud", "default", "staging"]);
    let named = |name| {
        let profile = SiProfile::named(name).unwrap();
        assert_eq!(profile.name(), Some(name));
        assert_eq!(
            profile.path().file_name().unwrap(),
            format!("{name}.json").as_str()
        );
        let debug = format!("{profile:?}");
        assert!(debug.contains(name) && !debug.contains(TOKEN), "{debug}");
        profile
    };
    let default = named("default");
    let rest = |profile: &SiProfile| {
        let [middleware, scope, token] = [
            profile.middleware_api_url(),
            profile.scope(),
            profile.token(),
        ]
        .map(|text| text.map(str::to_owned));
        (profile.is_production(), middleware, scope, token)
    };
    assert_eq!(default.api_url(), "http://127.0.0.1:8000/api/v1");
    assert_eq!(rest(&default), (false, None, None, None));
    let staging = named("staging");
    assert_eq!(staging.api_url(), "http://127.0.0.1:9000/api/v1");
    assert_eq!(rest(&staging), (false, None, None, Some(TOKEN.into())));
    let cloud = named("cloud");
    assert_eq!(
        rest(&cloud),
        (
            true,
            Some("http://127.0.0.1:9001/api/v1".into()),
            Some("team".into()),
            Some(TOKEN.into())
        )
    );

    // The token is only sent to the platform.
    let host = staging.host().unwrap();
    assert_eq!(
        host.dry_run(&GetVersion).unwrap().to_string(),
        "curl http://127.0.0.1:9000/api/v1/version"
    );
    let middleware = cloud.middleware().unwrap();
    let command = "curl http://127.0.0.1:9001/api/v1/spaces -H 'authorization: Bearer ***'";
    assert_eq!(
        middleware.dry_run(&ListSpaces).unwrap().to_string(),
        command
    );
    let error = error_text(&cloud.host().unwrap_err());
    assert!(
        error.contains(
            r#"cloud.json: its "env" is "production", so it is for the platform and names no hub"#
        ),
        "{error}"
    );
    let error = error_text(&staging.middleware().unwrap_err());
    assert!(
        error.contains(r#"staging.json: it has no "middlewareApiUrl""#),
        "{error}"
    );
}

#[test]
fn si_profile_middleware_sends_the_token() {
    let (server, requests) = recording(b"[]");
    let text = fs::read_to_string(recorded("profiles/cloud.json"))
        .unwrap()
        .replace("http://127.0.0.1:9001/api/v1", &server.url());
    let folder = Folder::new("si-token");
    let profile = SiProfile::from_path(folder.file("any name", text.as_bytes())).unwrap();
    assert_eq!(
        (profile.name(), profile.path()),
        (None, folder.0.join("any name").as_path())
    );
    assert_eq!(profile.middleware().unwrap().list_spaces().unwrap(), []);
    assert_eq!(
        requests.take().header("authorization"),
        Some(format!("Bearer {TOKEN}").as_str())
    );
}

#[test]
fn si_profile_error_names_the_file() {
    let folder = Folder::new("si-wrong");
    let profile = |text: &str| SiProfile::from_path(folder.file("p.json", text.as_bytes()));
    let api = r#""configVersion":1,"apiUrl":"http://127.0.0.1/","env":"#;
    for (text, expected) in [
        ("{", "it is not JSON: EOF while parsing"),
        ("[]", "it is not a JSON object"),
        (
            "{}",
            r#"it has no "configVersion", so it is not a profile of si"#,
        ),
        (
            r#"{"configVersion":"1"}"#,
            r#"it has no "configVersion", so it is not a profile of si"#,
        ),
        (
            r#"{"configVersion":2}"#,
            r#"its "configVersion" is 2, but this library supports only 1; update the library"#,
        ),
        (
            r#"{"configVersion":1,"env":"development"}"#,
            r#"it has no "apiUrl""#,
        ),
        (
            &format!("{{{api}\"secret\"}}"),
            r#"its "env" is neither "development" nor "production""#,
        ),
        (
            &format!("{{{api}\"production\",\"token\":[\"secret\"]}}"),
            r#"its "token" is not a string"#,
        ),
        (
            &format!("{{{api}\"production\",\"verser2\":{{}}}}"),
            r#"it connects to its hub with "verser2""#,
        ),
    ] {
        let error = profile(text).unwrap_err();
        let expected = format!("p.json: {expected}");
        assert!(
            error_text(&error).contains(&expected) && !error.is_unset(),
            "{error}\nshould be: {expected}"
        );
    }
    // Optional members may be missing, and unknown members are ignored.
    assert!(
        profile(&format!("{{{api}\"development\",\"new\":1}}"))
            .unwrap()
            .host()
            .is_ok()
    );

    let wrong =
        profile(r#"{"configVersion":1,"env":"development","apiUrl":"http://x/?secret","middlewareApiUrl":"ftp://x","token":"a\nb"}"#)
            .unwrap();
    assert!(
        error_text(&wrong.host().unwrap_err())
            .contains(r#"p.json: its "apiUrl": it contains a query"#)
    );
    assert!(
        error_text(&wrong.middleware().unwrap_err())
            .contains(r#"p.json: its "middlewareApiUrl": its scheme"#)
    );
    let text = r#"{"configVersion":1,"env":"development","apiUrl":"http://u:secret@x/a?secret","middlewareApiUrl":"u:secret@y"}"#;
    let shown = format!("{:?}", profile(text).unwrap());
    assert!(
        shown.contains("\"http://x/a\"") && shown.contains("\"y\"") && !shown.contains("secret"),
        "{shown}"
    );
    let text = r#"{"configVersion":1,"env":"development","apiUrl":"http://u:a/secret?secret#secret@x","middlewareApiUrl":"http:/u:secret@y"}"#;
    let shown = format!("{:?}", profile(text).unwrap());
    assert!(
        shown.contains("\"http://x\"") && shown.contains("\"y\"") && !shown.contains("secret"),
        "{shown}"
    );
    let text = r#"{"configVersion":1,"env":"production","apiUrl":"x","middlewareApiUrl":"http://x","token":"secret\n"}"#;
    let wrong = profile(text).unwrap().middleware().unwrap_err();
    assert!(error_text(&wrong).contains(r#"p.json: its "token": it contains a character"#));

    let missing = folder.0.join("missing.json");
    assert!(
        error_text(&SiProfile::from_path(&missing).unwrap_err())
            .starts_with(&format!("cannot read {}\n  caused by: ", missing.display()))
    );
}
