//! Files of which nobody ever sees a part.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use fs4::fs_std::FileExt;

use super::links::MAX_LINKS;

/// Follows symbolic links to the file that is to be written, which need not exist. Fails if there
/// is something else than a file.
pub(crate) fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    let mut links = 0;
    while let Ok(next) = fs::read_link(&path) {
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::other("its symbolic links form a loop"));
        }
        path.pop();
        path.push(next);
    }
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => {
            let text = "it is a pipe, a socket or a device, not a regular file";
            Err(io::Error::new(ErrorKind::InvalidInput, text))
        }
        _ => Ok(path),
    }
}

/// Writes a file under another name first, and deletes what killed processes have left of such
/// files. If the path is a link, writes the file that it leads to.
pub(crate) fn write_atomically<T>(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<T>,
) -> io::Result<T> {
    let path = target(path)?;
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    // If it fails, what is left stays.
    let _ = remove_left(&path, name);
    let (temporary, mut file) = create(&path, name)?;
    let written = (|| {
        let result = write(&mut file)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        Ok(result)
    })();
    if written.is_err() {
        // The error to tell is the first one.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Creates a file beside the path, and locks it as long as it is written. The lock ends with the
/// process.
fn create(path: &Path, name: &OsStr) -> io::Result<(PathBuf, File)> {
    loop {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut temporary = OsString::from(name);
        // Another process, or another thread of this one, may write the same file.
        temporary.push(format!(
            ".{}-{}.tmp",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ));
        let temporary = path.with_file_name(temporary);
        let file = match File::create_new(&temporary) {
            // A process of this number has left it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            file => file?,
        };
        // Not every file system can lock; there, nothing is ever taken for left over.
        let is_ours = file.try_lock_exclusive().unwrap_or(true);
        // Another process may have taken it for left over before it was locked.
        if is_ours && fs::symlink_metadata(&temporary).is_ok() {
            return Ok((temporary, file));
        }
    }
}

/// Deletes the files that [`create`] has made and that nobody writes any more.
fn remove_left(path: &Path, name: &OsStr) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !is_temporary(&entry.file_name(), name) || !entry.file_type()?.is_file() {
            continue;
        }
        let file = File::options().append(true).open(entry.path())?;
        if file.try_lock_exclusive()? {
            // With the lock: who creates a file of this name now sees that it is gone.
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// If this is `name.12-3.tmp`.
fn is_temporary(this: &OsStr, name: &OsStr) -> bool {
    let (this, name) = (this.to_string_lossy(), name.to_string_lossy());
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    this.strip_prefix(&*name)
        .and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".tmp"))
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(process, count)| number(process) && number(count))
}
