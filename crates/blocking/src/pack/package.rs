use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::archive::{Contents, TarReader, gzip};
use super::digest::{Digest, HashingReader};
use super::entry::PackEntry;
use super::error::PackError;
use super::manifest::{self, Manifest};
use super::options::PackOptions;
use super::source::SourceFile;
use super::walk;
use super::write::{folder_of, write_atomically};
use crate::body::upload::Upload;

/// A sequence folder that is checked and ready to be packed.
///
/// A package contains a list of the files in the folder, but not their content. The archive is a
/// gzip-compressed tar, which hubs of all versions accept. It is generated while it is sent or
/// written. A `&Package` converts into an [`Upload`], for example for
/// [`HostClient::send_sequence`](crate::HostClient::send_sequence).
///
/// Archives are reproducible. Entries are sorted, and have no times or owners. Of the permissions,
/// only the executable flag is kept (on Windows, it is never set). The bytes depend on the version
/// of this library and of its compression library; the [`digest`](Self::digest) does not.
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
/// # Checks
///
/// If `package.json` is invalid, hubs notice it late, or never respond to the start of the
/// sequence. Therefore, these are errors:
///
/// - `package.json` is missing, excluded, larger than 1 MiB, not a JSON object, or begins with a
///   byte order mark.
/// - `main` is missing or does not name a packed file. The file name must end in `.js`, unless the
///   engine is Python. `main` may omit the `.js`.
/// - `engines` has more than one entry.
///
/// # Excluded files
///
/// - `.git` and `.siignore`, always.
/// - The files that match a `.siignore`. Its lines mean the same as in a `.gitignore`: `*.log` in
///   any folder, `/secret.env` only in the folder of the `.siignore`, `logs/` for a folder,
///   `docs/**/*.md`, `!keep.log` to include a file after all, `# a comment`. Every folder may
///   contain a `.siignore`. If a folder is excluded, no rule can include a file in it. An invalid
///   rule, such as `[a-`, is an error. (Git ignores it.)
/// - By default, the files that `npm pack` ignores: `.npmrc` (it may contain a token), `.hg`,
///   `.svn`, `CVS`, `.DS_Store`, `._*`, `.*.swp`, `*.orig`, `npm-debug.log`, `config.gypi`,
///   `.lock-wscript`, `.wafpickle-*`, and the lock files of package managers next to
///   `package.json`. A rule such as `!.npmrc`, in a `.siignore` or in [`PackOptions::ignore`],
///   includes them.
///
/// `node_modules` is packed unless a rule excludes it, because a hub installs nothing. Files that
/// look like secrets (`.env`, `id_rsa`, `*.pem`, `*.key`) are packed, too; see
/// [`PackEntry::may_be_secret`].
///
/// # Links and special files
///
/// A symbolic link is packed as a link, so packages that a package manager has linked work on the
/// hub, too. A link is an error if it is absolute, leads out of the folder, or leads to something
/// that is not packed. [`PackOptions::follow_outside_links`] packs the targets of links that are
/// absolute or lead out of the folder. Sockets, pipes and devices are errors. A folder has an entry
/// of its own only if it is empty.
///
/// # Files that change
///
/// If a file has changed since the folder was listed, reading the archive fails
/// ([`PackError::Changed`]). An upload is then incomplete, and the hub rejects it.
#[derive(Clone)]
pub struct Package {
    contents: Arc<Contents>,
}

impl Package {
    /// Lists a folder that contains a `package.json`, and checks its content.
    ///
    /// # Errors
    /// The folder is not readable, fails one of the [checks](Self#checks), contains something that
    /// cannot be packed, or exceeds a limit of [`PackOptions`]. See [`PackError`].
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, PackError> {
        Self::from_dir_with(dir, &PackOptions::default())
    }

    /// Lists and checks a folder like [`from_dir`](Self::from_dir), with options.
    ///
    /// # Errors
    /// See [`from_dir`](Self::from_dir).
    pub fn from_dir_with(dir: impl AsRef<Path>, options: &PackOptions) -> Result<Self, PackError> {
        let root = dir.as_ref().to_path_buf();
        if root.is_dir() {
            // Checked first: without a package.json, this is probably the wrong folder, and other
            // errors would be misleading.
            manifest::check_exists(&root)?;
        }
        let sources = walk::walk(&root, options)?;
        let contents = Contents {
            manifest: Manifest::read(&root, &sources)?,
            root,
            sources: sources.into_values().collect(),
        };
        Ok(Self {
            contents: Arc::new(contents),
        })
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.contents.root
    }

    /// Returns the `name` in `package.json`, empty if there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.contents.manifest.name
    }

    /// Returns the `version` in `package.json`, empty if there is none.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.contents.manifest.version
    }

    /// Returns the `main` in `package.json`: the file that a hub runs.
    #[must_use]
    pub fn main(&self) -> &str {
        &self.contents.manifest.main
    }

    /// Returns the files, links and empty folders in the package, sorted by path.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &PackEntry> {
        self.contents.sources.iter().map(|source| &source.entry)
    }

    /// Returns the total size of the files in bytes, before compression.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.entries().map(PackEntry::size).sum()
    }

    /// Computes the SHA-256 of the uncompressed archive, which identifies the content. Reads all
    /// files each time.
    ///
    /// # Errors
    /// A file is not readable ([`PackError::Read`]), or has changed ([`PackError::Changed`]).
    pub fn digest(&self) -> Result<Digest, PackError> {
        let mut hashing = HashingReader::new(self.tar());
        io::copy(&mut hashing, &mut io::sink())
            .map_err(|error| error.downcast().unwrap_or_else(PackError::read(self.dir())))?;
        Ok(hashing.digest())
    }

    /// Returns a reader that generates the compressed archive.
    ///
    /// Its errors contain a [`PackError`].
    pub fn reader(&self) -> impl Read + Send + 'static + use<> {
        gzip(self.tar())
    }

    /// Writes the compressed archive to a file, and returns its size in bytes.
    ///
    /// The file is written atomically: it appears when it is complete, and if writing fails, an
    /// existing file stays unchanged. If the path is in the sequence folder, exclude it with a
    /// rule. Otherwise the next package contains this file.
    ///
    /// # Errors
    /// The file cannot be written ([`PackError::Write`]), or a packed file is not readable or has
    /// changed.
    pub fn write_to(&self, path: impl AsRef<Path>) -> Result<u64, PackError> {
        write_atomically(path.as_ref(), |file| io::copy(&mut self.reader(), file))
            .map_err(PackError::write(path.as_ref()))
    }

    /// Returns an upload of the archive that fails if the content does not have this digest.
    pub(crate) fn verified_upload(&self, digest: Digest) -> Upload {
        let tar = HashingReader::new(self.tar());
        Upload::reader(gzip(tar.expect_digest(digest, self.dir())))
    }

    /// Returns the package without a state file, its lock file, and its temporary files.
    pub(crate) fn without(&self, file: &Path) -> io::Result<Self> {
        let mut package = self.clone();
        let root = fs::canonicalize(self.dir())?;
        let folder = fs::canonicalize(folder_of(file))?;
        let name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        if let Ok(folder) = folder.strip_prefix(root) {
            let names = folder.iter().chain([name]);
            let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
            let path = names.join("/");
            let is_kept = |source: &SourceFile| match source.entry.path.strip_prefix(&path) {
                Some("" | ".lock") => false,
                Some(end) => !end.starts_with('.') || !end.ends_with(".tmp") || end.contains('/'),
                None => true,
            };
            let contents = Arc::make_mut(&mut package.contents);
            contents.sources.retain(is_kept);
        }
        Ok(package)
    }

    fn tar(&self) -> TarReader {
        TarReader::new(Arc::clone(&self.contents))
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
