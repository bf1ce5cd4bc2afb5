//! What the figures are compared with: Debian's builds, in the cache that
//! `scripts/peers` fills. They are never installed: each runs from its directory, by its own
//! loader and with its own libraries, in a guest as on the host.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use krsi_sh::lab::Extra;

/// Where a guest has them.
pub const IN_GUEST: &str = "/peers";
const LOADER: &str = "lib/ld-linux-x86-64.so.2";

/// The cache's directory, as `scripts/peers` knows it too.
pub fn cache() -> PathBuf {
    let of = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")));
    of("KRSI_PEERS").or_else(|| home().map(|home| home.join("krsi-sh/peers"))).unwrap_or_default()
}

/// The version of a cached one.
///
/// # Errors
/// If it is not cached; says how to get it.
pub fn version(name: &str) -> Result<String, String> {
    fs::read_to_string(cache().join(name).join("version"))
        .map(|text| text.trim().to_owned())
        .map_err(|_| format!("{name} is not cached; run: scripts/peers {name}"))
}

/// A peer's files, for a guest.
///
/// # Errors
/// If it is not cached.
pub fn files(name: &str) -> Result<Vec<Extra>, String> {
    version(name)?;
    let mut files = Vec::new();
    for directory in ["bin", "lib"] {
        let host = cache().join(name).join(directory);
        let entries = fs::read_dir(&host).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(|e| format!("reading {}: {e}", host.display()))? {
            let guest = Path::new(IN_GUEST).join(name).join(directory).join(entry.file_name());
            files.push(Extra { host: entry.path(), guest, mode: 0o755 });
        }
    }
    Ok(files)
}

/// A command line that begins with one of a peer's programs.
pub fn command(root: &Path, name: &str, program: &str) -> Command {
    let directory = root.join(name);
    let mut command = Command::new(directory.join(LOADER));
    command.arg("--library-path").arg(directory.join("lib")).arg(directory.join("bin").join(program));
    command
}
