//! Writes files atomically.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use fs4::fs_std::FileExt;

use super::links::MAX_LINKS;

/// Follows symbolic links to the file that they lead to. The file need not exist. Fails if it
/// exists and is not a regular file.
pub(crate) fn resolve_links(path: &Path) -> io::Result<PathBuf> {
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

/// Writes a temporary file, and renames it when it is complete, so that nobody reads an incomplete
/// file. If the path is a link, writes its target. Also deletes temporary files of killed
/// processes.
pub(crate) fn write_atomically<T>(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<T>,
) -> io::Result<T> {
    let path = resolve_links(path)?;
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    // Old temporary files do no harm, so errors are ignored.
    let _ = remove_stale(&path, name);
    let (temporary, mut file) = create(&path, name)?;
    let written = (|| {
        let result = write(&mut file)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        Ok(result)
    })();
    if written.is_err() {
        // The caller gets the first error, not one of the removal.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Creates a temporary file in the folder of `path`, and locks it. The lock ends when the file is
/// closed, or with the process.
fn create(path: &Path, name: &OsStr) -> io::Result<(PathBuf, File)> {
    loop {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut temporary = OsString::from(name);
        // The name is unique: other processes and threads may write the same file.
        temporary.push(format!(
            ".{}-{}.tmp",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ));
        let temporary = path.with_file_name(temporary);
        let file = match File::create_new(&temporary) {
            // A killed process with the same process id has created it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            file => file?,
        };
        // Some file systems do not support locks. Then `remove_stale` deletes nothing.
        let is_locked = file.try_lock_exclusive().unwrap_or(true);
        // `remove_stale` in another process may have deleted the file before it was locked.
        if is_locked && fs::symlink_metadata(&temporary).is_ok() {
            return Ok((temporary, file));
        }
    }
}

/// Deletes temporary files that are not locked, because the processes that wrote them have ended.
fn remove_stale(path: &Path, name: &OsStr) -> io::Result<()> {
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        if !is_temporary(&entry.file_name(), name) || !entry.file_type()?.is_file() {
            continue;
        }
        let file = File::options().append(true).open(entry.path())?;
        if file.try_lock_exclusive()? {
            // Deleted while it is locked, so `create` in another process notices the deletion.
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Returns the folder of a file.
pub(crate) fn folder_of(file: &Path) -> &Path {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Returns `true` for names like `name.12-3.tmp`.
fn is_temporary(this: &OsStr, name: &OsStr) -> bool {
    let (this, name) = (this.to_string_lossy(), name.to_string_lossy());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    this.strip_prefix(&*name)
        .and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".tmp"))
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(process, count)| is_number(process) && is_number(count))
}
