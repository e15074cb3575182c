//! Headers of entries in a tar archive.

use std::io;

use tar::{Builder, EntryType, Header};

use crate::pack::entry::{EntryKind, PackEntry};

/// Returns the header of an entry, without time and owner, and with permissions that do not depend
/// on the umask of this machine.
pub(super) fn header(entry: &PackEntry) -> io::Result<Vec<u8>> {
    let (entry_type, mode) = match entry.kind {
        EntryKind::File { executable, .. } => {
            let mode = if executable { 0o755 } else { 0o644 };
            (EntryType::Regular, mode)
        }
        EntryKind::Link { .. } => (EntryType::Symlink, 0o777),
        EntryKind::EmptyFolder => (EntryType::Directory, 0o755),
    };
    let mut header = Header::new_gnu();
    header.set_entry_type(entry_type);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(entry.size());
    // A path that is too long for the header becomes another entry in front of it.
    let mut tar = Builder::new(Vec::new());
    let path = &entry.path;
    match &entry.kind {
        EntryKind::Link { target } => tar.append_link(&mut header, path, target)?,
        EntryKind::EmptyFolder => tar.append_data(&mut header, format!("{path}/"), io::empty())?,
        EntryKind::File { .. } => tar.append_data(&mut header, path, io::empty())?,
    }
    Ok(std::mem::take(tar.get_mut()))
}
