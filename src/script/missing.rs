//! Files that a param names and that are not there: most often a slip of the pen, so the nearest name that is there is looked for.

use std::{fs, path::PathBuf};

use crate::{raw, values::nearest};

/// Names of a directory that are looked at.
const MOST_NAMES: usize = 10_000;

/// Returns the path nearest to this one at which there is a file. One name on the way may be wrong.
pub fn nearest_file(path: &str) -> Option<String> {
    let path = PathBuf::from(raw::os(path));
    // The deepest directory that is there, and what the path says behind it.
    let there = path.ancestors().skip(1).find(|directory| directory.is_dir())?;
    let behind = path.strip_prefix(there).ok()?;
    let mut parts = behind.components();
    let wrong = raw::from_os(parts.next()?.as_os_str());
    let whole = |name: &str| {
        // With nothing behind it, it must not become a directory's: `name/`.
        let mut whole = there.join(raw::os(name));
        whole.extend(parts.clone());
        whole
    };
    let names: Vec<String> = fs::read_dir(there)
        .ok()?
        .take(MOST_NAMES)
        .filter_map(|entry| Some(raw::from_os(entry.ok()?.file_name())))
        // What leads on to what the path says behind it.
        .filter(|name| whole(name).exists())
        .collect();
    let near = nearest(&wrong, names.iter().map(String::as_str))?;
    Some(raw::from_os(whole(near)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir_all(at("etc/ssh")).unwrap();
        for name in ["etc/shadow", "etc/shadow-", "etc/ssh/sshd_config"] {
            fs::write(at(name), "").unwrap();
        }
        assert_eq!(nearest_file(&at("etc/shadw")), Some(at("etc/shadow")));
        assert_eq!(nearest_file(&at("ect/shadow")), Some(at("etc/shadow")));
        assert_eq!(nearest_file(&at("etc/sshh/sshd_config")), Some(at("etc/ssh/sshd_config")));
        // A name on the way is right, but what is behind it is not there.
        assert_eq!(nearest_file(&at("ect/passwd")), None);
        assert_eq!(nearest_file(&at("etc/something-else")), None);
        assert_eq!(nearest_file("/"), None);
    }
}
