//! Executables of the host's that are to run in the guest, where nothing else is.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use object::{
    Endianness,
    elf::{FileHeader64, PT_INTERP},
    read::elf::{FileHeader, ProgramHeader},
};

use super::LabError;

/// Where a program is, as a shell would look it up.
pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(name)).find(runs)
}

/// Whether a program runs without a loader, that is, names no interpreter. (A
/// static position-independent executable has a dynamic section all the same.)
pub(super) fn is_static(path: &Path) -> Result<bool, LabError> {
    let bytes = fs::read(path).map_err(|error| LabError::io(format!("reading {}", path.display()), error))?;
    let interpreted = || -> object::read::Result<bool> {
        let header = FileHeader64::<Endianness>::parse(bytes.as_slice())?;
        let endian = header.endian()?;
        let segments = header.program_headers(endian, bytes.as_slice())?;
        Ok(segments.iter().any(|segment| segment.p_type(endian) == PT_INTERP))
    };
    interpreted().map(|found| !found).map_err(|error| {
        LabError::io(format!("reading {} as an ELF executable", path.display()), std::io::Error::other(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_executable_is_an_error_and_not_static() {
        assert!(is_static(Path::new("/dev/null")).is_err());
        assert!(is_static(Path::new("/nonexistent")).is_err());
    }

    /// `.cargo/config.toml` promises it, and the lab depends on it.
    #[test]
    fn what_this_project_builds_is_static() {
        let exe = env::current_exe().unwrap();
        assert!(is_static(&exe).unwrap(), "{} has an interpreter", exe.display());
    }

    #[test]
    fn a_program_is_found_in_path_and_a_missing_one_is_not() {
        assert!(in_path("sh").is_some());
        assert_eq!(in_path("krsi-sh-no-such-program"), None);
    }
}
