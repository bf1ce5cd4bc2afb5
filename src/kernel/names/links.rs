//! What the kernel will call a path: with the symbolic links on the way followed.

use std::path::{Path, PathBuf};

use crate::raw;

/// Follows the links on the way to a path whose last part need not exist; `None` if its directory does not.
pub fn with_links_followed(path: &str) -> Option<PathBuf> {
    let path = raw::os(path);
    let path = Path::new(&path);
    let parent = path.parent()?.canonicalize().ok()?;
    Some(parent.join(path.file_name()?))
}

/// Follows the links of a prefix up to its last `/`; `None` if there is no such directory.
pub fn prefix_with_links_followed(prefix: &str) -> Option<String> {
    let (directory, rest) = prefix.rsplit_once('/')?;
    let directory = raw::os(if directory.is_empty() { "/" } else { directory });
    let directory = raw::from_os(Path::new(&directory).canonicalize().ok()?);
    Some(format!("{}/{rest}", if directory == "/" { "" } else { &directory }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_link_on_the_way_is_followed_and_the_last_part_need_not_exist() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().canonicalize().unwrap();
        fs::create_dir(real.join("real")).unwrap();
        std::os::unix::fs::symlink("real", real.join("link")).unwrap();
        let through = format!("{}/link/file", real.display());
        assert_eq!(with_links_followed(&through), Some(real.join("real/file")));
        assert_eq!(prefix_with_links_followed(&through), Some(format!("{}/real/file", real.display())));
        let whole = format!("{}/link/", real.display());
        assert_eq!(prefix_with_links_followed(&whole), Some(format!("{}/real/", real.display())));
        assert_eq!(with_links_followed("/no/such/directory/x"), None);
        assert_eq!(prefix_with_links_followed("/x"), Some("/x".into()));
    }
}
