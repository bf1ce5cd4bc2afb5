//! What is mounted where, and how: /proc/self/mountinfo, proc_pid_mountinfo(5).

use super::{FactError, Reader, record::record};
use crate::raw;

record! {
    /// One mount.
    Mount {
        /// Where it is mounted.
        target: String,
        /// What is mounted: a device, or a name.
        source: String,
        /// The kind of file system: `ext4`, `tmpfs`.
        fstype: String,
        /// Options of the mount and of the file system, one by one: `options.contains("nosuid")`.
        options: Vec<String>,
        /// Which part of the file system is seen here; `/` for the whole.
        root: String,
        /// Device of the file system: `8:1`.
        device: String,
        /// Number of the mount.
        id: u32,
        /// Number of the mount it is on.
        parent: u32,
        /// How mounts are handed on: `shared:1`, `master:2`; empty for a private mount.
        propagation: Vec<String>,
    }
}

/// # Errors
/// If they cannot be read.
pub fn mounts(reader: Reader<'_>) -> Result<Vec<Mount>, FactError> {
    let path = source(reader);
    let bytes = reader.root().bytes(path).map_err(|error| FactError::read(path, &error))?;
    Ok(bytes.split(|b| *b == b'\n').filter_map(mount).collect())
}

/// What a service sees that has mounts of its own (`ProtectSystem=`) is not how the system is mounted: some options are added there.
/// In a made-up root there may be no link to a process.
fn source(reader: Reader<'_>) -> &'static str {
    let namespace = |process: &str| reader.root().link(format!("/proc/{process}/ns/mnt"));
    match (namespace("1"), namespace("self")) {
        (Ok(first), Ok(own)) if first != own => "/proc/1/mountinfo",
        _ => "/proc/self/mountinfo",
    }
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|b| *b == b' ');
    let mut next = || words.next().map(unescaped);
    let (id, parent, device, root, target, own) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let propagation: Vec<String> = std::iter::from_fn(&mut next).take_while(|word| word != "-").collect();
    let (fstype, source, of_system) = (next()?, next()?, next().unwrap_or_default());
    let mut options: Vec<String> = own.split(',').map(str::to_owned).collect();
    for option in of_system.split(',').filter(|option| !option.is_empty()) {
        // Whether this mount may be written says its own `ro` or `rw`.
        if !matches!(option, "ro" | "rw") && !options.iter().any(|known| known == option) {
            options.push(option.to_owned());
        }
    }
    Some(Mount {
        id: id.parse().ok()?,
        parent: parent.parse().ok()?,
        target,
        source,
        fstype,
        options,
        root,
        device,
        propagation,
    })
}

/// Space, tab, newline and `\` are written as `\` and three octal digits.
fn unescaped(word: &[u8]) -> String {
    let mut out = Vec::with_capacity(word.len());
    let mut left = word;
    while let Some((first, rest)) = left.split_first() {
        let code = (*first == b'\\').then(|| rest.get(..3)).flatten().and_then(|digits| {
            let number = digits
                .iter()
                .try_fold(0_u32, |sum, d| (b'0'..=b'7').contains(d).then(|| sum * 8 + u32::from(d - b'0')));
            u8::try_from(number?).ok()
        });
        match code {
            Some(byte) => {
                out.push(byte);
                left = &rest[3..];
            }
            None => {
                out.push(*first);
                left = rest;
            }
        }
    }
    raw::text(&out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader, told},
    };

    #[test]
    fn hostile_names_are_read_as_they_are() {
        let made = MadeUp::new(&[]);
        let line = b"36 35 98:0 / /mnt\\040a\\012b\xff rw,noexec shared:1 master:2 - ext4 /dev/a\\134b ro,errors=continue\nbroken line\n";
        made.file("/proc/self/mountinfo", line);
        let found = mounts(made.reader()).unwrap();
        assert_eq!(found.len(), 1);
        let mount = &found[0];
        assert_eq!(mount.target, "/mnt a\nb\u{efff}");
        assert_eq!(mount.source, "/dev/a\\b");
        assert_eq!(mount.options, ["rw", "noexec", "errors=continue"]);
        assert_eq!(mount.propagation, ["shared:1", "master:2"]);
    }

    #[test]
    fn a_process_with_mounts_of_its_own_tells_those_of_the_first() {
        let made = MadeUp::new(&[
            ("/proc/1/mountinfo", "22 1 8:1 / / rw - ext4 /dev/a rw\n"),
            ("/proc/self/mountinfo", "22 1 8:1 / / ro,nosuid - ext4 /dev/a rw\n"),
        ]);
        let options = || mounts(made.reader()).unwrap()[0].options.clone();
        assert_eq!(options(), ["ro", "nosuid"], "whose namespaces are not told");
        made.link("/proc/1/ns/mnt", "mnt:[1]");
        made.link("/proc/self/ns/mnt", "mnt:[2]");
        assert_eq!(options(), ["rw"]);
        std::fs::remove_file(made.at("/proc/self/ns/mnt")).unwrap();
        made.link("/proc/self/ns/mnt", "mnt:[1]");
        assert_eq!(options(), ["ro", "nosuid"]);
    }

    #[test]
    fn what_is_mounted_here_is_what_findmnt_lists() {
        let facts = Facts::default();
        let Some(text) = told("findmnt", &["--json", "--list", "--output", "TARGET,FSTYPE,ID"]) else {
            return;
        };
        let said: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut said: Vec<_> = said["filesystems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                (
                    one["id"].as_u64().unwrap(),
                    one["target"].as_str().unwrap().to_owned(),
                    one["fstype"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        let mut found: Vec<_> = mounts(reader(&facts))
            .unwrap()
            .into_iter()
            .map(|m| (u64::from(m.id), m.target, m.fstype))
            .collect();
        said.sort();
        found.sort();
        assert_eq!(found, said);
    }
}
