//! Files that are there as a whole or not at all, whatever interrupts the writing.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Of a file that is made anew: what it says is for its owner.
const MODE: u32 = 0o600;

/// Writes a file beside the one of this name and then puts it in its place, so that a reader has the old text or the new one.
/// A file that was there keeps its mode; a new one has 0600. A name that is a symbolic link keeps being one. What is no
/// regular file (a FIFO, `/dev/stdout`) is written to as it is.
///
/// # Errors
/// If it cannot be written to the end: then the old file, or none, is there.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let before = match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            return OpenOptions::new().write(true).open(path)?.write_all(bytes);
        }
        Ok(found) => Some(found.permissions().mode() & 0o7777),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let target = followed(path)?;
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".krsi-sh-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    // Whatever the umask is.
    file.as_file().set_permissions(Permissions::from_mode(before.unwrap_or(MODE)))?;
    file.as_file().sync_all()?;
    file.persist(&target).map(drop).map_err(|error| error.error)
}

/// The file that a name leads to, which need not exist.
fn followed(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => Ok(path.to_owned()),
        other => other,
    }
}

/// Makes a directory, and those above it, for its owner alone. One that is there has to be this user's or root's, and no one
/// else may write to it: in /tmp another user could have made it first.
///
/// # Errors
/// If it is not there and cannot be made, or is someone else's.
pub fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)?;
    let found = fs::symlink_metadata(path)?;
    let is_ours = found.uid() == nix::unistd::geteuid().as_raw() || found.uid() == 0;
    if found.is_dir() && is_ours && found.mode() & 0o022 == 0 {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "{} belongs to someone else, or others can write to it",
            path.display()
        )))
    }
}

/// Opens a file of this program's own for reading and writing, made if it is not there, and never one that a link leads to.
///
/// # Errors
/// If it cannot be opened or made.
pub fn open_own(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(MODE)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_its_owners_and_an_old_one_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report");
        write(&path, b"one").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        write(&path, b"two").unwrap();
        assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o644, b"two".to_vec()));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_not_private() {
        let directory = tempfile::tempdir().unwrap();
        let (fresh, open) = (directory.path().join("a/b"), directory.path().join("open"));
        private_directory(&fresh).unwrap();
        assert_eq!(fs::metadata(&fresh).unwrap().mode() & 0o777, 0o700);
        private_directory(&fresh).unwrap();
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        assert!(private_directory(&open).is_err());
        std::os::unix::fs::symlink(&fresh, directory.path().join("link")).unwrap();
        assert!(private_directory(&directory.path().join("link")).is_err());
    }

    #[test]
    fn a_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        write(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
    }
}
