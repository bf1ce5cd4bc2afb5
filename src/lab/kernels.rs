//! Kernels the lab can boot: a cache of named images, filled by `scripts/kernels`.
//!
//! In: a name, a path or nothing. Out: an image QEMU can start, or a user-mode Linux, which is a
//! program of the host's. This program itself never fetches anything.

use std::{
    cmp::Ordering,
    env, fs,
    path::{Path, PathBuf},
};

use super::LabError;

/// The five every template is tested on, oldest first.
pub const MATRIX: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", "7.3"];

/// What the tests load into a guest (`modules` of `scripts/kernels`).
pub const MODULES: [&str; 3] = ["overlay", "af_alg", "vsock"];

/// An image and what to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// A cached kernel's name, or the path given.
    pub name: String,
    pub image: PathBuf,
}

/// What a user-mode Linux's file is called, as Debian packages it.
const USER_MODE: &str = "linux.uml";

impl Kernel {
    /// Whether it runs as a program of the host's, without QEMU. Such a kernel has neither BTF nor BPF LSM:
    /// what is to be said there can be rehearsed on it, and nothing else.
    #[must_use]
    pub fn is_user_mode(&self) -> bool {
        is_user_mode(&self.image)
    }
}

fn is_user_mode(image: &Path) -> bool {
    image.file_name().is_some_and(|name| name == USER_MODE)
}

/// The cache's directory, as `scripts/kernels` knows it too.
#[must_use]
pub fn cache() -> PathBuf {
    match env::var_os("KRSI_KERNELS") {
        Some(directory) if !directory.is_empty() => directory.into(),
        _ => crate::lab::cache_home().join("kernels"),
    }
}

/// Names of the cached kernels, oldest first.
#[must_use]
pub fn cached(cache: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(cache) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| image_in(&entry.path()).is_some())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort_by(|a, b| by_version(a, b));
    names
}

/// Finds the kernel asked for: a path if it has a slash, else a cached one by its
/// directory's name or its exact version; the newest cached that QEMU starts if none was asked for.
///
/// # Errors
/// If there is none such.
pub fn find(cache: &Path, asked: Option<&str>) -> Result<Kernel, LabError> {
    let missing = || LabError::NoKernel {
        asked: asked.map(str::to_owned),
        cached: cached(cache),
        cache: cache.to_owned(),
    };
    let Some(asked) = asked else {
        let mut kernels = cached(cache).into_iter().rev().filter_map(|name| {
            let image = image_in(&cache.join(&name))?;
            Some(Kernel { name, image })
        });
        return kernels.find(|kernel| !kernel.is_user_mode()).ok_or_else(missing);
    };
    if asked.contains('/') {
        let path = Path::new(asked);
        let image = if path.is_dir() { image_in(path) } else { Some(path.to_owned()) };
        return match image {
            Some(image) if image.is_file() => Ok(Kernel { name: asked.to_owned(), image }),
            _ => Err(missing()),
        };
    }
    let version_is = |name: &&String| {
        fs::read_to_string(cache.join(name).join("version")).is_ok_and(|version| version.trim() == asked)
    };
    let names = cached(cache);
    let name = names.iter().find(|name| *name == asked).or_else(|| names.iter().find(version_is));
    let name = name.ok_or_else(missing)?;
    let image = image_in(&cache.join(name)).ok_or_else(missing)?;
    Ok(Kernel { name: name.clone(), image })
}

/// The image in a kernel's directory; the decompressed one is started faster.
fn image_in(directory: &Path) -> Option<PathBuf> {
    ["vmlinux", "vmlinuz", USER_MODE].iter().map(|name| directory.join(name)).find(|image| image.is_file())
}

/// Orders `6.2` before `6.12`: digits as numbers, all else as text.
fn by_version(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<Result<u64, String>> {
        text.split(['.', '-', '+']).map(|part| part.parse().map_err(|_| part.to_owned())).collect()
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache_of(kernels: &[(&str, &[&str], &str)]) -> tempfile::TempDir {
        let cache = tempfile::tempdir().unwrap();
        for (name, images, version) in kernels {
            let directory = cache.path().join(name);
            fs::create_dir(&directory).unwrap();
            for image in *images {
                fs::write(directory.join(image), "image").unwrap();
            }
            fs::write(directory.join("version"), format!("{version}\n")).unwrap();
        }
        cache
    }

    #[test]
    fn nothing_asked_gives_the_newest_by_number_not_by_spelling() {
        let cache = cache_of(&[
            ("6.2", &["vmlinuz"], "6.2.0"),
            ("6.12", &["vmlinuz"], "6.12.1"),
            ("5.10", &["vmlinuz"], "5.10.0"),
        ]);
        assert_eq!(cached(cache.path()), ["5.10", "6.2", "6.12"]);
        assert_eq!(find(cache.path(), None).unwrap().name, "6.12");
    }

    #[test]
    fn a_user_mode_linux_is_booted_only_if_asked_for() {
        let cache = cache_of(&[("6.12", &["vmlinuz"], "6.12.1"), ("uml", &["linux.uml"], "6.1.2")]);
        assert_eq!(find(cache.path(), None).unwrap().name, "6.12");
        assert!(find(cache.path(), Some("uml")).unwrap().is_user_mode());
        let cache = cache_of(&[("uml", &["linux.uml"], "6.1.2")]);
        assert!(matches!(find(cache.path(), None), Err(LabError::NoKernel { .. })));
    }

    #[test]
    fn a_name_or_an_exact_version_finds_the_decompressed_image_first() {
        let cache = cache_of(&[("6.12", &["vmlinuz", "vmlinux"], "6.12.1+deb12-cloud-amd64")]);
        for asked in ["6.12", "6.12.1+deb12-cloud-amd64"] {
            let kernel = find(cache.path(), Some(asked)).unwrap();
            assert_eq!(kernel.image, cache.path().join("6.12/vmlinux"));
        }
    }

    #[test]
    fn a_path_may_be_an_image_or_a_directory_with_one() {
        let cache = cache_of(&[("6.1", &["vmlinuz"], "6.1.0")]);
        let image = cache.path().join("6.1/vmlinuz");
        for path in [image.clone(), cache.path().join("6.1")] {
            assert_eq!(find(Path::new("/nonexistent"), path.to_str()).unwrap().image, image);
        }
        assert!(matches!(
            find(cache.path(), Some("/no/such/image")),
            Err(LabError::NoKernel { asked: Some(_), .. })
        ));
    }

    #[test]
    fn half_a_download_is_no_kernel() {
        let cache = cache_of(&[("6.1", &[], "6.1.0"), (".fetch-6.1.abc", &["vmlinuz"], "6.1.0")]);
        assert!(cached(cache.path()).is_empty());
        assert!(matches!(find(cache.path(), None), Err(LabError::NoKernel { asked: None, .. })));
    }
}
