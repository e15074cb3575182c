//! Sequence folders become packages.

mod archive;
pub mod build;
pub(crate) mod deploy_if_changed;
pub(crate) mod digest;
pub(crate) mod entry;
pub(crate) mod error;
mod glob;
mod ignore;
mod links;
mod manifest;
pub(crate) mod options;
mod walk;
pub(crate) mod write;

pub use deploy_if_changed::error::DeployError;
pub use deploy_if_changed::{DeployChange, DeployKey, Deployed};
pub use digest::Digest;
pub use entry::{EntryKind, PackEntry};
pub use error::PackError;
pub use options::PackOptions;

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use archive::{Contents, Hashing, Tar, compressed};
use entry::Source;
use manifest::Manifest;
use write::write_atomically;

use crate::body::upload::Upload;

/// A sequence folder, ready to be packed: it was listed and checked, and nothing of its content is held.
///
/// Made from the folder in which `package.json` is. What is packed is a gzip-compressed tar, made while it is sent or written, and always the
/// same for the same content: sorted, without times, owners, or permissions but whether a file is executable. (The same bytes, that is,
/// from the same version of this library and the compression that comes with it. [`digest`](Self::digest) is the same with any.)
///
/// ```no_run
/// use scramjet_client_blocking::{HostClient, Package};
///
/// let package = Package::from_dir("sequence")?;
/// for entry in package.entries() {
///     println!("{:>9} {}", entry.size(), entry.path);
///     assert!(!entry.may_be_secret, "{} should not be packed", entry.path);
/// }
/// let host = HostClient::new("http://localhost:8000/api/v1")?;
/// let sequence = host.send_sequence(&package)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is left out
///
/// - `.git` and `.siignore`, always.
/// - The files that a `.siignore` names. Its lines mean the same as in a `.gitignore`: `*.log`
///   anywhere, `/secret.env` at this place only, `logs/` a folder, `docs/**/*.md`, `!keep.log` is
///   packed nevertheless, `# a comment`. There may be one in every folder. If a folder is left out,
///   nothing in it can be kept. A rule that git would ignore, such as `[a-`, is an error here.
/// - By default, the files that `npm pack` ignores: `.npmrc` (it may hold a token), `.hg`, `.svn`,
///   `CVS`, `.DS_Store`, `._*`, `.*.swp`, `*.orig`, `npm-debug.log`, `config.gypi`,
///   `.lock-wscript`, `.wafpickle-*`, and the lock files of package managers next to
///   `package.json`. A rule such as `!.npmrc`, in a `.siignore` or by [`PackOptions::ignore`],
///   keeps them.
///
/// `node_modules` is packed unless a rule leaves it out, because a hub installs nothing. Files that
/// look like secrets (`.env`, `id_rsa`, `*.pem`, `*.key`) are packed, too; see
/// [`PackEntry::may_be_secret`].
///
/// # Links and special files
///
/// A symbolic link stays one, so that what a package manager has linked together works on the hub
/// as it does here. A link that is absolute, leads out of the folder or to nothing that is packed
/// is an error; [`PackOptions::follow_outside_links`] packs what such a link leads to. Sockets,
/// pipes and devices are errors. A folder has an entry of its own only if it is empty.
///
/// # Files that change
///
/// One that is not what it was when the folder was listed is an error, also in the midst of an upload: the archive then has no end, and the hub
/// does not take it.
#[derive(Clone)]
pub struct Package {
    contents: Arc<Contents>,
}

impl Package {
    /// Lists the folder and checks what is in it: that `package.json` is there and what a hub needs, that its `main` is packed, that links
    /// lead to something, that it is of a reasonable size (see [`PackOptions`]).
    ///
    /// # Errors
    /// See [`PackError`].
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, PackError> {
        Self::from_dir_with(dir, &PackOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    /// See [`PackError`].
    pub fn from_dir_with(dir: impl AsRef<Path>, options: &PackOptions) -> Result<Self, PackError> {
        let root = dir.as_ref().to_path_buf();
        if root.is_dir() {
            // First: of a wrong folder, nothing else is of interest.
            manifest::expect(&root)?;
        }
        let found = walk::walk(&root, options)?;
        let manifest = Manifest::read(&root, &found)?;
        let sources = found.into_values().collect();
        Ok(Self {
            contents: Arc::new(Contents {
                root,
                manifest,
                sources,
            }),
        })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.contents.root
    }

    /// The name in `package.json`, empty where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.contents.manifest.name
    }

    /// The version in `package.json`, empty where it has none.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.contents.manifest.version
    }

    /// `main` in `package.json`: the file that a hub runs.
    #[must_use]
    pub fn main(&self) -> &str {
        &self.contents.manifest.main
    }

    /// What is in it, sorted by path.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &PackEntry> {
        self.contents.sources.iter().map(|source| &source.entry)
    }

    /// How many bytes its files have together, before compression.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.entries().map(PackEntry::size).sum()
    }

    /// What tells its content from any other: the SHA-256 of the archive before compression. Reads all files.
    ///
    /// # Errors
    /// A file cannot be read, or has changed.
    pub fn digest(&self) -> Result<Digest, PackError> {
        let mut hashing = Hashing::new(self.tar());
        io::copy(&mut hashing, &mut io::sink()).map_err(|error| self.unread(error))?;
        Ok(hashing.digest())
    }

    /// The package itself, made as it is read.
    pub fn reader(&self) -> impl Read + Send + 'static + use<> {
        compressed(self.tar())
    }

    /// Writes the package to a file, which is there when it is complete, and is what it was where that fails. Gives its size.
    ///
    /// A file within the folder is packed the next time, unless it is left out.
    ///
    /// # Errors
    /// See [`PackError`].
    pub fn write_to(&self, path: impl AsRef<Path>) -> Result<u64, PackError> {
        write_atomically(path.as_ref(), |file| io::copy(&mut self.reader(), file))
            .map_err(PackError::write(path.as_ref()))
    }

    /// Fails to upload where the content is not what this digest was taken of.
    pub(crate) fn upload_of(&self, digest: Digest) -> Upload {
        Upload::reader(compressed(Hashing::new(self.tar()).expecting(digest)))
    }

    /// Without this file, its lock, and what is beside it while it is written.
    pub(crate) fn without(&self, file: &Path) -> io::Result<Self> {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let (root, folder) = (fs::canonicalize(self.dir())?, fs::canonicalize(folder)?);
        let name = file
            .file_name()
            .ok_or(io::ErrorKind::InvalidInput)?
            .to_string_lossy();
        let Ok(folder) = folder.strip_prefix(root) else {
            return Ok(self.clone());
        };
        let parts: Vec<_> = folder
            .iter()
            .map(|part| part.to_string_lossy())
            .chain([name])
            .collect();
        let beginning = parts.join("/");
        let kept = |source: &&Source| match source.entry.path.strip_prefix(&beginning) {
            Some("" | ".lock") => false,
            Some(rest) => !(rest.starts_with('.') && rest.ends_with(".tmp") && !rest.contains('/')),
            None => true,
        };
        let Contents {
            root,
            manifest,
            sources,
        } = &*self.contents;
        let sources = sources.iter().filter(kept).cloned().collect();
        Ok(Self {
            contents: Arc::new(Contents {
                root: root.clone(),
                manifest: manifest.clone(),
                sources,
            }),
        })
    }

    fn tar(&self) -> Tar {
        Tar::new(Arc::clone(&self.contents))
    }

    fn unread(&self, error: io::Error) -> PackError {
        error.downcast().unwrap_or_else(PackError::read(self.dir()))
    }
}

impl From<&Package> for Upload {
    fn from(package: &Package) -> Self {
        Self::reader(package.reader())
    }
}

impl From<Package> for Upload {
    fn from(package: Package) -> Self {
        Self::from(&package)
    }
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Package")
            .field("dir", &self.dir())
            .field("entries", &self.entries().len())
            .field("size", &self.size())
            .finish()
    }
}
