//! Packages of sequences.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use super::javascript;

/// The content of an uploaded package.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Package {
    /// The `name` in `package.json`; empty if it is missing.
    pub name: String,
    /// The members of `package.json`.
    pub manifest: Map<String, Value>,
    /// The files by their paths.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The size of the upload in bytes.
    pub size: u64,
}

impl Package {
    /// Unpacks a gzip-compressed tar archive. The error is the `error` member of the hub's
    /// response.
    pub(super) fn unpack(archive: &[u8], dir: &str) -> Result<Self, Value> {
        let invalid = json!({ "code": "PRERUNNER_ERROR", "data": "Invalid pkg tar.gz archive" });
        let files = read_files(archive).ok_or(invalid)?;
        let Some(manifest) = files.get("package.json") else {
            let path = format!("{dir}/package.json");
            let missing = json!({ "errno": -2, "code": "ENOENT", "syscall": "open", "path": path });
            return Err(missing);
        };
        let manifest = decode_manifest(manifest)?;
        let name = manifest
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let size = u64::try_from(archive.len()).unwrap_or(u64::MAX);
        Ok(Self {
            name,
            manifest,
            files,
            size,
        })
    }

    /// Returns a package with this name, a `package.json` and an empty `index.js`. Every hub can
    /// start it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let manifest = json!({ "name": name, "version": "1.0.0", "main": "index.js" });
        let files = [
            ("package.json".to_owned(), manifest.to_string().into_bytes()),
            ("index.js".to_owned(), Vec::new()),
        ];
        let manifest = manifest.as_object().cloned().unwrap_or_default();
        Self {
            name: name.to_owned(),
            manifest,
            files: files.into(),
            size: 0,
        }
    }

    /// Returns the package as a gzip-compressed tar archive, for an upload.
    #[must_use]
    pub fn to_archive(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, content) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(u64::try_from(content.len()).unwrap_or(u64::MAX));
            // Writes to a vector do not fail.
            let _ = tar.append_data(&mut header, path, content.as_slice());
        }
        tar.into_inner()
            .and_then(GzEncoder::finish)
            .unwrap_or_default()
    }

    fn text(&self, member: &str) -> &str {
        self.manifest
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Returns the member `main`: the path of the program.
    pub(super) fn main(&self) -> &str {
        self.text("main")
    }

    // Rule 4.5
    /// Returns `true` if the runner finds the file of `main`. For JavaScript, the runner adds `.js`
    /// to `main` unless it already ends so.
    pub(super) fn can_start(&self) -> bool {
        let main = self.main().trim_start_matches("./");
        let file = match main.ends_with(".py") {
            true => main.to_owned(),
            false => format!("{}.js", main.strip_suffix(".js").unwrap_or(main)),
        };
        self.files.contains_key(&file)
    }

    pub(super) fn engines(&self) -> usize {
        self.manifest
            .get("engines")
            .and_then(Value::as_object)
            .map_or(0, Map::len)
    }

    fn language(&self) -> &str {
        match self
            .manifest
            .get("engines")
            .and_then(|engines| engines.get("python3"))
        {
            Some(_) => "py",
            None => self
                .main()
                .rsplit_once('.')
                .map_or("unknown", |(_, end)| end),
        }
    }

    // Rule 4.1
    /// Returns the `config` of a sequence in its info.
    pub(super) fn config(&self, id: &str, is_v1: bool) -> Value {
        let mut config = json!({
            "type": "process",
            "engines": self.manifest.get("engines").cloned().unwrap_or_else(|| json!({})),
            "entrypointPath": self.main(),
            "version": self.text("version"),
            "name": self.name,
            "id": id,
            "sequenceDir": format!("/srv/sequences/{id}"),
        });
        if is_v1 {
            javascript::set(&mut config, "language", self.language());
            javascript::set(&mut config, "packageSize", self.size);
            for member in ["description", "author", "keywords", "args", "repository"] {
                if let Some(value) = self.manifest.get(member) {
                    javascript::set(&mut config, member, value.clone());
                }
            }
        }
        config
    }
}

// Rule 4.2
/// Decodes `package.json`. The error is the `error` member of the hub's response.
fn decode_manifest(text: &[u8]) -> Result<Map<String, Value>, Value> {
    let manifest = match serde_json::from_slice(text).map_err(|_| json!({}))? {
        Value::Object(members) => members,
        // In JavaScript, an array is an object without these members.
        Value::Array(_) => Map::new(),
        other => return Err(format!("{other} is not a valid SequencePackageJSON").into()),
    };
    for key in ["name", "version", "main"] {
        let found = match manifest.get(key) {
            None if key == "main" => "undefined".to_owned(),
            None | Some(Value::String(_)) => continue,
            Some(value) => value.to_string(),
        };
        let at = format!("<SequencePackageJSON> decoder failed at key \"{key}\"");
        return Err(format!("{at} with error: {found} is not a valid string").into());
    }
    Ok(manifest)
}

/// Reads the files of a gzip-compressed tar archive; `None` if it is damaged or something else.
fn read_files(archive: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut tar = Vec::new();
    GzDecoder::new(archive).read_to_end(&mut tar).ok()?;
    let (mut files, mut links) = (BTreeMap::new(), Vec::new());
    for entry in tar::Archive::new(tar.as_slice()).entries().ok()? {
        let mut entry = entry.ok()?;
        let path = entry
            .path()
            .ok()?
            .to_string_lossy()
            .trim_start_matches("./")
            .to_owned();
        if let Some(target) = entry.link_name().ok()? {
            links.push((resolve(&path, &target), path));
            continue;
        }
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        files.insert(path, content);
    }
    for (target, path) in links {
        if let Some(content) = files.get(&target).cloned() {
            files.insert(path, content);
        }
    }
    Some(files)
}

/// Returns the path of the target of a link.
fn resolve(link: &str, target: &Path) -> String {
    let mut path: PathBuf = Path::new(link).parent().into_iter().collect();
    for part in target.components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    path.to_string_lossy().into_owned()
}
