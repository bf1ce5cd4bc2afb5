//! What the claims about names in directories have in common: templates `unlink`, `rename`, `create`, `link` and others.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, chown},
    path::Path,
};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount, umount},
};
use serde_json::{Value, json};

use super::{
    Outcome,
    exec::device,
    shell::Shell,
    task::{self, Identity, Task, exit_code},
};

/// Where all this happens.
pub const PLACE: &str = "/tmp/entries";

pub fn place() -> Outcome {
    fs::create_dir_all(PLACE).map_err(|e| e.to_string())
}

/// The path of this name there; nothing has it.
pub fn free(name: &str) -> Result<String, String> {
    let path = format!("{PLACE}/{name}");
    let gone = match fs::symlink_metadata(&path) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(&path),
        Ok(_) => fs::remove_file(&path),
        Err(_) => Ok(()),
    };
    gone.and_then(|()| fs::create_dir_all(PLACE)).map_err(|e| format!("{path}: {e}"))?;
    Ok(path)
}

/// A file with an owner and a size that nothing else has.
pub fn file(name: &str) -> Result<String, String> {
    let path = free(name)?;
    fs::write(&path, "seventeen letters")
        .and_then(|()| chown(&path, Some(5151), Some(6161)))
        .map_err(|e| format!("{path}: {e}"))?;
    Ok(path)
}

pub fn code(result: io::Result<()>) -> i32 {
    exit_code(result.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0))))
}

/// A task of this identity does it.
pub fn perform(identity: &Identity, deed: impl FnOnce() -> io::Result<()>) -> Result<Task, String> {
    task::perform(identity, || code(deed()))
}

/// The template's probe `t`, for this suite and its children.
pub fn probe(template: &str, params: &str, mode: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "probe(\"{template}\", #{{{params}}}).scope(#{{pid: {}}}){mode}.name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

/// The type of a file as the templates name it.
pub fn type_of(file: &fs::Metadata) -> &'static str {
    let kind = file.file_type();
    match () {
        () if kind.is_dir() => "directory",
        () if kind.is_symlink() => "symlink",
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () if kind.is_char_device() => "char",
        () if kind.is_block_device() => "block",
        () => "regular",
    }
}

/// What stat says of the file that has this name.
pub fn stat(path: &str) -> Result<fs::Metadata, String> {
    fs::symlink_metadata(path).map_err(|e| format!("{path}: {e}"))
}

/// The fields `path` and `path_length`, and the device it is on.
pub fn named(path: &str) -> Result<Value, String> {
    let directory = Path::new(path).parent().ok_or("no directory")?;
    let on = fs::metadata(directory).map_err(|e| e.to_string())?;
    Ok(json!({"path": path, "path_length": path.len(), "device": device(on.dev())}))
}

/// Both objects' members.
pub fn with(mut one: Value, other: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (one.as_object_mut(), other) {
        members.extend(more);
    }
    one
}

/// Does it while a file system of its own is mounted there.
pub fn on_tmpfs(at: &str, work: impl FnOnce() -> Outcome) -> Outcome {
    fs::create_dir_all(at).map_err(|e| e.to_string())?;
    mount(Some("entries"), at, Some("tmpfs"), MsFlags::empty(), None::<&str>).map_err(|e| e.to_string())?;
    let outcome = work();
    umount(at).map_err(|e| e.to_string())?;
    outcome
}

/// Does it while one directory is mounted on another, too.
pub fn bound(directory: &str, at: &str, work: impl FnOnce() -> Outcome) -> Outcome {
    fs::create_dir_all(at).map_err(|e| e.to_string())?;
    mount(Some(directory), at, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(|e| e.to_string())?;
    let outcome = work();
    umount(at).map_err(|e| e.to_string())?;
    outcome
}

/// Whether the running kernel is this version or a later one.
pub fn is_since(major: u32, minor: u32) -> Result<bool, String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|e| e.to_string())?;
    let mut numbers = release.split(['.', '-']).map(|part| part.trim().parse::<u32>());
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(second))) => Ok((first, second) >= (major, minor)),
        _ => Err(format!("no version: {release}")),
    }
}
