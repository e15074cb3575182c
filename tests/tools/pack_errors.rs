//! Packing errors: before a connection is opened, or during the upload if files change.

use std::error::Error as _;
use std::fs::{self, File};
#[cfg(unix)]
use std::os::unix::{fs::symlink, net::UnixListener};
use std::path::Path;
use std::time::Duration;

use scramjet_client_blocking::pack::{PackError, PackOptions};
use scramjet_client_blocking::{ErrorKind, HostClient, Package};
use scramjet_client_tests::scripted::ScriptedServer;

use crate::helpers::{Folder, Mailbox, within};
#[cfg(unix)]
use crate::package_folder::make_pipe;
use crate::package_folder::{add, paths, sequence};

fn refused(folder: &Folder) -> PackError {
    within("packing", {
        let path = folder.0.clone();
        move || Package::from_dir(path).unwrap_err()
    })
}

/// Returns the error about this `package.json`.
fn problem(content: &str) -> String {
    let folder = sequence("manifest", &[("package.json", content), ("sub.js/x", ".")]);
    let error = refused(&folder);
    let expected = format!("cannot use {}: ", folder.0.join("package.json").display());
    assert!(matches!(error, PackError::Manifest { .. }));
    error
        .to_string()
        .strip_prefix(&expected)
        .unwrap_or_else(|| panic!("{error}"))
        .to_owned()
}

#[test]
fn from_dir_refuses_an_invalid_package_json() {
    for (content, expected) in [
        (
            "",
            "it is not JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            "{ \"name\": \"x\", }",
            "it is not JSON: trailing comma at line 1 column 16",
        ),
        ("[]", "it is not a JSON object"),
        (
            "{}",
            r#"it has no "main", the file that a hub runs; add one: "main": "index.js""#,
        ),
        (
            r#"{"main":""}"#,
            r#"it has no "main", the file that a hub runs; add one: "main": "index.js""#,
        ),
        (r#"{"main":1}"#, r#""main" is 1, which is not a string"#),
        (
            r#"{"main":"x.js"}"#,
            r#""main" is "x.js": its target is not in the package"#,
        ),
        (
            r#"{"main":"../x.js"}"#,
            r#""main" is "../x.js": it leads out of the folder"#,
        ),
        (
            r#"{"main":"/index.js"}"#,
            r#""main" is "/index.js": it is absolute, but the hub has other folders"#,
        ),
        (
            r#"{"main":"sub.js"}"#,
            r#""main" is "sub.js": it is not a file"#,
        ),
        (
            r#"{"main":"index.js","name":["x"]}"#,
            r#""name" is ["x"], which is not a string"#,
        ),
        (
            r#"{"main":"index.js","version":2}"#,
            r#""version" is 2, which is not a string"#,
        ),
        (
            r#"{"main":"index.js","engines":{"node":">=16","python3":"3"}}"#,
            r#""engines" has several entries (node, python3), but hubs accept only one"#,
        ),
        (
            r#"{"main":"index.js","engines":16}"#,
            r#""engines" is 16; it should look like { "node": ">=16" }"#,
        ),
    ] {
        assert_eq!(problem(content), expected);
    }
    assert_eq!(
        problem(&format!(
            r#"{{"main":"index.js","x":"{}"}}"#,
            "x".repeat(1 << 20)
        )),
        "it is larger than 1 MiB"
    );

    let folder = sequence("no-manifest", &[(".siignore", "package.json")]);
    let manifest_error = |error: PackError| {
        error
            .to_string()
            .split_once("package.json: ")
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(
        manifest_error(refused(&folder)),
        "it is excluded by .siignore or by the options, but hubs need it"
    );
    fs::remove_file(folder.0.join("package.json")).unwrap();
    assert_eq!(
        manifest_error(refused(&folder)),
        "it does not exist; a sequence needs one with a name and a \"main\""
    );

    add(
        &folder,
        &[
            (".siignore", ""),
            ("package.json", r#"{"main":"index.js"}"#),
        ],
    );
    add(&folder, &[(".siignore", "*.js")]);
    assert_eq!(
        manifest_error(refused(&folder)),
        r#""main" is "index.js": its target is not in the package"#
    );
}

/// Runners remove `.js` from the end of `main` and append it again.
#[test]
fn from_dir_refuses_a_main_that_hubs_cannot_start() {
    let folder = sequence("main", &[("sub/x", "."), ("both", "."), ("both.js", ".")]);
    let with = |engines: &str, main: &str| {
        let manifest = format!(r#"{{"engines":{engines},"main":{main:?}}}"#);
        add(&folder, &[("package.json", &manifest)]);
        Package::from_dir(&folder.0).map(drop)
    };
    for main in [
        "index.mjs",
        "index.cjs",
        "start",
        "INDEX.JS",
        "main.py",
        "sub",
        ".",
    ] {
        if main != "sub" && main != "." {
            add(&folder, &[(main, ".")]);
        }
        for engines in ["{}", r#"{"node":">=16"}"#] {
            let error = with(engines, main).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "cannot use {}: \"main\" is {main:?}, but hubs start only files that end \
                     in .js; \"{main}.js\" must exist, or \"main\" must name another file",
                    folder.0.join("package.json").display()
                )
            );
        }
    }
    for main in ["index.js", "./index.js", "index", "both"] {
        with("{}", main).unwrap();
    }
    // The Python runner uses the name unchanged.
    with(r#"{"python3":"3.8"}"#, "main.py").unwrap();
    assert!(with(r#"{"python3":"3.8"}"#, "main").is_err());
}

#[test]
fn from_dir_refuses_a_byte_order_mark_in_package_json() {
    assert_eq!(
        problem("\u{feff}{ \"main\": \"index.js\" }"),
        "it begins with a byte order mark, which hubs reject as invalid JSON; save it as UTF-8 \
         without one"
    );
}

#[test]
fn from_dir_refuses_files_and_missing_folders() {
    let folder = sequence("no-folder", &[]);
    let error = Package::from_dir(folder.0.join("index.js")).unwrap_err();
    let text = "index.js is not a folder; pack the folder that contains package.json";
    assert!(
        matches!(error, PackError::NotAFolder { .. }) && error.to_string().ends_with(text),
        "{error}"
    );
    let error = Package::from_dir(folder.0.join("missing")).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot read {}", folder.0.join("missing").display())
    );
    assert_eq!(
        error.source().unwrap().to_string(),
        "No such file or directory (os error 2)"
    );
}

#[test]
#[cfg(unix)]
fn from_dir_refuses_links_that_are_broken_on_a_hub() {
    let root = sequence(
        "leads-out",
        &[
            ("lib/deep/x.js", "."),
            ("left.js", "."),
            (".siignore", "left.js"),
        ],
    );
    let name = root.0.file_name().unwrap().to_str().unwrap().to_owned();
    // These exist on this machine, but not on the hub.
    let inside = root.0.join("index.js");
    let outside = "it leads out of the folder, and follow_outside_links is not set";
    for (at, target, problem) in [
        (
            "link",
            "/etc/passwd",
            "it is absolute, but the hub has other folders",
        ),
        (
            "link",
            inside.to_str().unwrap(),
            "it is absolute, but the hub has other folders",
        ),
        ("link", "../elsewhere", outside),
        ("lib/link", "../../elsewhere", outside),
        ("link", &format!("../{name}/index.js"), outside),
        ("link", "lib/deep/../../../x", outside),
        ("link", "missing", "its target is not in the package"),
        ("link", "left.js", "its target is not in the package"),
        (
            "link",
            "link",
            "it leads into a loop, or through more than 40 links",
        ),
    ] {
        symlink(target, root.0.join(at)).unwrap();
        let error = refused(&root);
        let remedy = "fix it, or exclude it in .siignore";
        let text = format!(
            "cannot pack the link {} -> {target}: {problem}; {remedy}",
            root.0.join(at).display()
        );
        assert_eq!(error.to_string(), text);
        // The remedy works.
        let package = Package::from_dir_with(&root.0, &PackOptions::new().ignore("link")).unwrap();
        assert_eq!(
            paths(&package),
            ["index.js", "lib/deep/x.js", "package.json"]
        );
        fs::remove_file(root.0.join(at)).unwrap();
    }
    // `..` is relative to the target of a link.
    symlink("lib/deep", root.0.join("down")).unwrap();
    symlink("down/../../../x", root.0.join("link")).unwrap();
    assert!(
        refused(&root)
            .to_string()
            .contains("it leads out of the folder")
    );
    fs::remove_file(root.0.join("link")).unwrap();
    symlink("down/../../index.js", root.0.join("link")).unwrap();
    assert!(Package::from_dir(&root.0).is_ok());
}

#[test]
#[cfg(unix)]
fn from_dir_refuses_sockets_and_pipes() {
    let folder = sequence("special", &[]);
    let _socket = UnixListener::bind(folder.0.join("a.sock")).unwrap();
    let special = |name: &str, what: &str| {
        let remedy = "remove it, or exclude it in .siignore";
        format!(
            "{} is a {what}, which cannot be packed; {remedy}",
            folder.0.join(name).display()
        )
    };
    assert_eq!(refused(&folder).to_string(), special("a.sock", "socket"));
    fs::remove_file(folder.0.join("a.sock")).unwrap();
    make_pipe(&folder.0.join("pipe"));
    assert_eq!(refused(&folder).to_string(), special("pipe", "named pipe"));
    assert!(Package::from_dir_with(&folder.0, &PackOptions::new().ignore("pipe")).is_ok());

    fs::remove_file(folder.0.join("pipe")).unwrap();
    make_pipe(&folder.0.join(".siignore"));
    let path = folder.0.clone();
    let error = within("rules in a pipe", move || {
        Package::from_dir(path).unwrap_err()
    });
    assert_eq!(error.to_string(), special(".siignore", "named pipe"));
    fs::remove_file(folder.0.join(".siignore")).unwrap();
    symlink("/dev/zero", folder.0.join(".siignore")).unwrap();
    assert_eq!(refused(&folder).to_string(), special(".siignore", "device"));
    fs::remove_file(folder.0.join(".siignore")).unwrap();
    fs::write(folder.0.join(".siignore"), vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(matches!(refused(&folder), PackError::Read { .. }));
}

/// Not on macOS, whose file systems refuse such names.
#[test]
#[cfg(target_os = "linux")]
fn from_dir_refuses_names_that_are_not_utf_8() {
    use std::os::unix::ffi::OsStrExt;

    let folder = sequence("names", &[]);
    let name = std::ffi::OsStr::from_bytes(b"bad\xff.bin");
    fs::write(folder.0.join(name), ".").unwrap();
    let error = refused(&folder);
    assert!(
        matches!(&error, PackError::Name { path, .. } if *path == folder.0.join(name)),
        "{error}"
    );
    assert!(Package::from_dir_with(&folder.0, &PackOptions::new().ignore("*.bin")).is_ok());
}

#[test]
fn from_dir_over_a_limit_names_the_largest_folder() {
    let folder = sequence(
        "large",
        &[
            ("small", "."),
            ("big/a", &"x".repeat(600)),
            ("big/b", &"x".repeat(600)),
            ("many/1", ""),
        ],
    );
    add(&folder, &[("many/2", ""), ("many/3", ""), ("many/4", "")]);
    let size = Package::from_dir(&folder.0).unwrap().size();
    let with = |options: PackOptions| Package::from_dir_with(&folder.0, &options);
    assert!(with(PackOptions::new().max_bytes(size).max_files(9)).is_ok());
    let over_limit = |unit, limit, most| {
        let remedy = "exclude something in .siignore, or raise the limit in PackOptions";
        format!(
            "{} contains more than {limit} {unit}, most of them in {most:?}; {remedy}",
            folder.0.display()
        )
    };
    assert_eq!(
        with(PackOptions::new().max_bytes(size - 1))
            .unwrap_err()
            .to_string(),
        over_limit("bytes", size - 1, "big")
    );
    assert_eq!(
        with(PackOptions::new().max_files(8))
            .unwrap_err()
            .to_string(),
        over_limit("files", 8, "many")
    );
    assert!(with(PackOptions::new().max_files(5).ignore("/many")).is_ok());
}

/// Changes a packed file, and checks that the upload fails with its path and that no complete
/// package arrives.
fn assert_abandoned(what: &'static str, change: impl FnOnce(&Path) + Send + 'static) {
    within(what, move || {
        let folder = sequence("changing", &[("data", &"x".repeat(5000))]);
        let package = Package::from_dir(&folder.0).unwrap();
        let path = folder.0.join("data");
        change(&path);

        let completeness = Mailbox::new();
        let server = ScriptedServer::start({
            let completeness = completeness.clone();
            move |connection| {
                let mut request = connection.read_head().unwrap();
                completeness.put(connection.read_body(&mut request).is_ok());
            }
        });
        let error = HostClient::new(server.url())
            .unwrap()
            .send_sequence(&package)
            .unwrap_err();
        let ErrorKind::Upload(cause) = error.kind() else {
            panic!("{error:?}")
        };
        let cause = cause
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<PackError>())
            .unwrap();
        assert!(
            cause.to_string().contains(path.to_str().unwrap()),
            "{what}: {cause}"
        );
        assert!(
            !completeness.take(),
            "{what}: the hub got a complete package"
        );
        assert_eq!(package.digest().unwrap_err().to_string(), cause.to_string());
        assert!(matches!(
            package.write_to(folder.0.join("out")).unwrap_err(),
            PackError::Changed { .. } | PackError::Read { .. }
        ));
        assert!(!folder.0.join("out").exists());
    });
}

#[test]
#[cfg(unix)]
fn upload_fails_if_a_packed_file_changes() {
    assert_abandoned("a file that grows", |path| {
        fs::write(path, "x".repeat(5001)).unwrap()
    });
    assert_abandoned("a file that shrinks", |path| fs::write(path, "x").unwrap());
    assert_abandoned("a file of other content", |path| {
        let before = fs::metadata(path).unwrap().modified().unwrap();
        fs::write(path, "y".repeat(5000)).unwrap();
        File::options()
            .append(true)
            .open(path)
            .unwrap()
            .set_modified(before + Duration::from_secs(1))
            .unwrap();
    });
    assert_abandoned("a file that is gone", |path| fs::remove_file(path).unwrap());
    assert_abandoned("a file that became a pipe", |path| {
        fs::remove_file(path).unwrap();
        make_pipe(path);
    });
    assert_abandoned("a file that became a link", |path| {
        fs::remove_file(path).unwrap();
        symlink("index.js", path).unwrap();
    });
}
