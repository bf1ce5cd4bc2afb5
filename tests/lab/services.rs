//! The services that the lab learns from: Debian's, in the guest where their packages have them.

use std::{collections::BTreeMap, ffi::OsStr, path::Path};

use krsi_sh::lab::Extra;

use crate::peers;

/// As `scripts/peers` names them.
const PACKAGES: [&str; 3] = ["nginx", "openssh-server", "cron"];
const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";
/// Programs, and what else is no library; by their directories.
const PLACES: [(&str, &str); 8] = [
    ("nginx", "/usr/sbin"),
    ("sshd", "/usr/sbin"),
    ("sshd-session", "/usr/lib/openssh"),
    ("sshd-auth", "/usr/lib/openssh"),
    ("ssh", "/usr/bin"),
    ("ssh-keygen", "/usr/bin"),
    ("cron", "/usr/sbin"),
    ("pam_permit.so", "/usr/lib/x86_64-linux-gnu/security"),
];
const LOADER: (&str, &str) = ("ld-linux-x86-64.so.2", "/lib64");

/// Their files, for a guest; those that several have, once.
///
/// # Errors
/// If one is not cached; says how to get it.
pub fn files() -> Result<Vec<Extra>, String> {
    let mut files = BTreeMap::new();
    for package in PACKAGES {
        for extra in peers::files(package)? {
            let name = extra.host.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let known = PLACES.iter().chain([&LOADER]).find(|(known, _)| *known == name);
            let guest = Path::new(known.map_or(LIBRARIES, |(_, directory)| directory)).join(name);
            files.insert(guest.clone(), Extra { guest, ..extra });
        }
    }
    Ok(files.into_values().collect())
}
