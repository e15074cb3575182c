//! The layers of this crate, and a test that each layer imports only from itself and lower ones.
//!
//! A layer is a module of the crate: the file of its name in `src`, and the folder beside it. A
//! file imports from its own layer and from lower ones, and names the module that defines the item,
//! not a re-export at the root of the crate. Files do not import from each other in a circle.
//!
//! The test leaves out `lib.rs`, which only declares the layers and re-exports public items, tests
//! in `src`, and imports for documentation.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use imports::Import;

/// The layers, lowest first, and what they contain.
const LAYERS: [(&str, &str); 13] = [
    ("support", "threads, panics, causes of errors, small files"),
    ("limits", "deadlines, idle timeouts, cancel tokens"),
    ("transport", "the trait for sending requests; ureq"),
    ("error", "the error of every call"),
    (
        "call",
        "options of a call, its name in errors, its observer",
    ),
    ("body", "bodies of requests and responses; the watchdog"),
    ("client", "requests and their retries; the driver of flows"),
    ("streams", "streams that reconnect, writers"),
    (
        "handles",
        "clients of hubs, sequences, instances, the platform",
    ),
    ("config", "settings from the environment and from `si`"),
    ("patterns", "children, pools, channels, deployments"),
    ("pack", "packages, deploying them, build scripts"),
    ("docs", "pages of documentation"),
];

#[test]
fn imports_are_from_the_same_or_a_lower_layer() {
    let sources = Sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let problems = sources.problems();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    let imports = sources.files.values().map(|file| file.imports.len());
    assert!(imports.sum::<usize>() > 500, "too few imports were found");
}

#[test]
fn imports_from_a_higher_layer_are_found() {
    let upward = "`limits` imports from the higher layer `error`";
    for (import, line, path) in [
        ("use crate::error::Error;", 1, "crate::error::Error"),
        (
            "use std::fmt;\nuse crate::{\n    error::{self, Error as E},\n};",
            3,
            "crate::error::Error",
        ),
        (
            "use super::super::error::Error;",
            1,
            "super::super::error::Error",
        ),
        (
            "fn f<'a>(c: char) -> bool { c == '\"' || crate::error::f(c) }",
            1,
            "crate::error::f",
        ),
        (
            "mod m {\n    use super::super::super::error::E;\n}",
            2,
            "super::super::super::error::E",
        ),
        (
            "macro_rules! m {\n    () => { $crate::error::f() }\n}",
            2,
            "crate::error::f",
        ),
    ] {
        let problems = problems([("error.rs", ""), ("limits/cancel.rs", import)]);
        let expected = format!("limits/cancel.rs:{line}: {path}: {upward}");
        assert!(problems.contains(&expected), "{import}: {problems:?}");
    }
    for other in [
        "// use crate::error::Error;",
        "/// [`Error`](crate::error::Error)\nfn f() {}",
        "const TEXT: &str = r#\"\"use crate::error::Error;\"#;",
        "#[cfg(test)]\nmod tests {\n    use crate::error::Error;\n}",
        "#[cfg(all(test, feature = \"ureq\"))]\nuse crate::error::{self, Error};",
        "#[cfg(doc)]\nuse crate::error::Error;",
        "mod error {}\nuse self::error::Error;",
        "pub(in super::super) struct Error;",
    ] {
        let problems = problems([("error.rs", ""), ("limits/cancel.rs", other)]);
        assert!(problems.is_empty(), "{other}: {problems:?}");
    }
}

#[test]
fn imports_of_reexports_at_the_root_are_found() {
    let files = [
        ("lib.rs", "pub use error::Error;"),
        ("error.rs", ""),
        ("body.rs", "use crate::Error;"),
    ];
    let expected = "body.rs:1: crate::Error: names no layer, but a re-export or another module";
    assert_eq!(problems(files), [expected]);
    assert_eq!(
        problems([("other.rs", "")]),
        ["other.rs: belongs to no layer"]
    );
}

#[test]
fn circles_of_files_are_found() {
    let found = problems([
        ("body.rs", "pub mod one;\nmod two;\npub use one::One;"),
        ("body/one.rs", "use super::two::Two;"),
        ("body/two.rs", "use crate::body::One;"),
        ("body/three.rs", "use super::one::One;"),
    ]);
    let expected = [
        "body/one.rs:1: super::two::Two: is part of a circle, through body/two.rs",
        "body/two.rs:1: crate::body::One: is part of a circle, through body/one.rs",
    ];
    assert_eq!(found, expected);
}

fn problems<const N: usize>(files: [(&str, &str); N]) -> Vec<String> {
    let mut sources = Sources::default();
    for (path, text) in files {
        sources.add(path.to_owned(), text);
    }
    sources.problems()
}

/// The path of a module from the root: `["transport", "ureq"]`.
type Module = Vec<String>;

/// The files of a crate.
#[derive(Default)]
struct Sources {
    files: BTreeMap<Module, File>,
}

struct File {
    /// The path in `src`.
    path: String,
    imports: Vec<Import>,
}

/// An import of one file from another.
struct Edge<'a> {
    from: &'a Module,
    to: Module,
    import: String,
}

impl Sources {
    fn read(root: &Path) -> Self {
        let mut sources = Self::default();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs")
                    && !path.ends_with("tests.rs")
                {
                    let parts = path.strip_prefix(root).unwrap().iter();
                    let parts: Vec<_> = parts.map(|part| part.to_str().unwrap()).collect();
                    sources.add(parts.join("/"), &fs::read_to_string(&path).unwrap());
                }
            }
        }
        sources
    }

    fn add(&mut self, path: String, text: &str) {
        let parts = path.trim_end_matches(".rs").split('/').map(str::to_owned);
        let module = parts.filter(|part| part != "lib").collect();
        let imports = imports::find(text);
        self.files.insert(module, File { path, imports });
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut edges = Vec::new();
        for (module, file) in self.files.iter().filter(|(module, _)| !module.is_empty()) {
            let Some(layer) = layer(module) else {
                problems.push(format!("{}: belongs to no layer", file.path));
                continue;
            };
            for import in &file.imports {
                let Some(target) = self.absolute(module, import) else {
                    continue;
                };
                let shown = format!("{}:{}: {}", file.path, import.line, import.path.join("::"));
                match self::layer(&target) {
                    None => problems.push(format!(
                        "{shown}: names no layer, but a re-export or another module"
                    )),
                    Some(other) if other > layer => problems.push(format!(
                        "{shown}: `{}` imports from the higher layer `{}`",
                        LAYERS[layer].0, LAYERS[other].0
                    )),
                    Some(_) => {
                        let to = self.defining_module(target);
                        // A module may re-export items of its submodules.
                        let is_reexport = import.is_public && to.starts_with(module);
                        if to != *module && !is_reexport {
                            edges.push(Edge {
                                from: module,
                                to,
                                import: shown,
                            });
                        }
                    }
                }
            }
        }
        problems.extend(self.circles(&edges));
        problems
    }

    /// Returns the path of an import from the root. `None` for items of other crates or of the file
    /// itself.
    fn absolute(&self, module: &Module, import: &Import) -> Option<Module> {
        let (first, rest) = import.path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module, rest].concat()),
            "super" => {
                let supers = import
                    .path
                    .iter()
                    .take_while(|part| *part == "super")
                    .count();
                let above = supers
                    .checked_sub(import.depth)
                    .filter(|above| *above > 0)?;
                let kept = module.len().checked_sub(above)?;
                Some([&module[..kept], &import.path[supers..]].concat())
            }
            // A module of this file, or another crate.
            child => {
                let is_module = self
                    .files
                    .contains_key(&[module, &[child.to_owned()][..]].concat());
                is_module.then(|| [&module[..], &import.path].concat())
            }
        }
    }

    /// Returns the module that defines an item. Follows re-exports in the path.
    fn defining_module(&self, mut path: Module) -> Module {
        loop {
            let is_module = |length: &usize| self.files.contains_key(&path[..*length]);
            let length = (1..=path.len()).rev().find(is_module).unwrap_or_default();
            let (module, rest) = (path[..length].to_vec(), &path[length..]);
            let reexport = self.files.get(&module).and_then(|file| {
                let name = rest.first()?;
                let mut imports = file.imports.iter().filter(|import| import.depth == 0);
                let import = imports.find(|import| import.is_public && import.name == *name)?;
                Some([&self.absolute(&module, import)?, &rest[1..]].concat())
            });
            match reexport {
                Some(other) => path = other,
                None => return module,
            }
        }
    }

    /// Returns a problem for each import that is part of a circle.
    fn circles(&self, edges: &[Edge<'_>]) -> Vec<String> {
        let mut imported = BTreeMap::<_, BTreeSet<_>>::new();
        for edge in edges {
            imported.entry(edge.from).or_default().insert(&edge.to);
        }
        let leads_back = |edge: &&Edge<'_>| {
            let (mut seen, mut ahead) = (BTreeSet::new(), vec![&edge.to]);
            while let Some(module) = ahead.pop() {
                if seen.insert(module) {
                    ahead.extend(imported.get(module).into_iter().flatten());
                }
            }
            seen.contains(edge.from)
        };
        let circles = edges.iter().filter(leads_back);
        circles
            .map(|Edge { to, import, .. }| {
                let path = self.files.get(to).map_or("?", |file| &file.path);
                format!("{import}: is part of a circle, through {path}")
            })
            .collect()
    }
}

/// Returns the index of a module's layer in [`LAYERS`].
fn layer(module: &[String]) -> Option<usize> {
    let layer = module.first()?;
    LAYERS.iter().position(|(name, _)| name == layer)
}
