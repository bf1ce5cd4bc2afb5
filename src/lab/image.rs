//! The guest's whole file system: an initramfs, made in memory.
//!
//! In: the shell, busybox, the request's files and command. Out: a memory file
//! with a cpio archive, which QEMU reads through its descriptor, so that no run
//! leaves a file behind however it ends. Uncompressed: the guest's processor is
//! emulated, and copying is cheaper there than decompressing.
//!
//! A trait of this userland that probes notice: busybox's shell runs busybox's
//! other applets itself, without an exec, unless they are named by their path.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use cpio::newc::{self, ModeFileType};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{Command, LabError, Request, quote, terminal};

const INIT: &str = include_str!("init.sh");

/// Mount points and homes; parents of other entries come by themselves.
/// The first is the root, which without an entry of its own is anybody's to write.
const DIRECTORIES: [&str; 12] =
    [".", "dev", "etc/lab", "lab", "mnt", "proc", "root", "run", "sys", "tmp", "var/log", "var/tmp"];

const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost lab\n::1 localhost\n"),
    ("etc/hostname", "lab\n"),
];

/// Builds the file system of one guest.
pub(super) fn initramfs(shell: &Path, busybox: &Path, request: &Request) -> Result<File, LabError> {
    let making = |error: std::io::Error| LabError::io("making the guest's initramfs", error);
    let applets = applets(busybox)?;
    let memory = memfd_create("krsi-sh initramfs", MFdFlags::MFD_CLOEXEC)
        .map_err(|error| LabError::io("making the guest's initramfs", error))?;
    let mut archive = Archive::new(BufWriter::with_capacity(1 << 20, File::from(memory)));

    for directory in DIRECTORIES {
        archive.directory(directory).map_err(making)?;
    }
    archive.file("init", 0o755, INIT.as_bytes()).map_err(making)?;
    for (path, text) in FILES {
        archive.file(path, 0o644, text.as_bytes()).map_err(making)?;
    }
    let stdin = match &request.command {
        Command::Run { stdin, .. } => stdin.as_slice(),
        Command::Interactive { .. } => &[],
    };
    archive.file("etc/lab/stdin", 0o600, stdin).map_err(making)?;
    archive.file("etc/lab/settings", 0o644, settings(&request.command).as_bytes()).map_err(making)?;
    archive.file("etc/lab/command", 0o644, command(&request.command).as_bytes()).map_err(making)?;

    archive.copy("bin/busybox", 0o755, busybox)?;
    archive.copy("bin/krsi-sh", 0o755, shell)?;
    for extra in &request.files {
        archive.copy(&archive_name(&extra.guest), extra.mode, &extra.host)?;
    }
    for applet in &applets {
        archive.link(applet, "/bin/busybox").map_err(making)?;
    }
    let file = archive.finish().map_err(making)?;
    file.into_inner().map_err(|error| making(error.into_error()))
}

/// Paths of busybox's applets, as it would install them.
fn applets(busybox: &Path) -> Result<Vec<String>, LabError> {
    let listing = std::process::Command::new(busybox).arg("--list-full").output();
    let listing =
        listing.map_err(|error| LabError::io(format!("running {} --list-full", busybox.display()), error))?;
    let text = String::from_utf8_lossy(&listing.stdout);
    let applets: Vec<String> = text.lines().map(str::to_owned).collect();
    if applets.iter().any(|applet| applet.ends_with("/sh")) {
        Ok(applets)
    } else {
        let reason = format!("{} --list-full names no shell", busybox.display());
        Err(LabError::NoBusybox { reason })
    }
}

fn settings(command: &Command) -> String {
    match command {
        Command::Run { .. } => "mode=run\n".to_owned(),
        Command::Interactive { .. } => {
            let size = terminal::size();
            let term = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
            format!(
                "mode=interactive\nrows={}\ncols={}\nexport TERM={}\n",
                size.rows,
                size.columns,
                quote(&term)
            )
        }
    }
}

fn command(command: &Command) -> String {
    let (Command::Run { argv, .. } | Command::Interactive { argv }) = command;
    let words: Vec<String> = argv.iter().map(|word| quote(word)).collect();
    format!("exec {}\n", words.join(" "))
}

/// cpio names have no slash in front.
fn archive_name(guest: &Path) -> String {
    guest.to_string_lossy().trim_start_matches('/').to_owned()
}

/// A cpio archive in the one form the kernel unpacks, with parents made on the way.
struct Archive<W: Write> {
    out: W,
    directories: BTreeSet<String>,
    taken: BTreeSet<String>,
    inode: u32,
}

impl<W: Write> Archive<W> {
    fn new(out: W) -> Self {
        Archive { out, directories: BTreeSet::new(), taken: BTreeSet::new(), inode: 0 }
    }

    fn entry(&mut self, name: &str, kind: ModeFileType, mode: u32, data: &[u8]) -> std::io::Result<()> {
        // Each its own inode: entries that share one are hard links to the kernel.
        self.inode += 1;
        let size = u32::try_from(data.len())
            .map_err(|_| std::io::Error::other(format!("{name} is over 4 GiB, more than cpio can hold")))?;
        let header = newc::Builder::new(name).ino(self.inode).nlink(1).mode(mode).set_mode_file_type(kind);
        let mut entry = header.write(&mut self.out, size);
        entry.write_all(data)?;
        entry.finish()?;
        Ok(())
    }

    fn directory(&mut self, name: &str) -> std::io::Result<()> {
        if name.is_empty() || !self.directories.insert(name.to_owned()) {
            return Ok(());
        }
        self.parents(name)?;
        self.entry(name, ModeFileType::Directory, 0o755, &[])
    }

    fn parents(&mut self, name: &str) -> std::io::Result<()> {
        match name.rsplit_once('/') {
            Some((parent, _)) => self.directory(parent),
            None => Ok(()),
        }
    }

    fn file(&mut self, name: &str, mode: u32, data: &[u8]) -> std::io::Result<()> {
        self.parents(name)?;
        self.taken.insert(name.to_owned());
        self.entry(name, ModeFileType::Regular, mode, data)
    }

    /// A link where nothing stands yet: a file of the request's goes before an applet.
    fn link(&mut self, name: &str, target: &str) -> std::io::Result<()> {
        if !self.taken.insert(name.to_owned()) {
            return Ok(());
        }
        self.parents(name)?;
        self.entry(name, ModeFileType::Symlink, 0o777, target.as_bytes())
    }

    fn copy(&mut self, name: &str, mode: u32, host: &Path) -> Result<(), LabError> {
        let doing = || format!("putting {} into the guest", host.display());
        if self.taken.contains(name) {
            let error = std::io::Error::other(format!("there is already a file at /{name}"));
            return Err(LabError::io(doing(), error));
        }
        let data = fs::read(host).map_err(|error| LabError::io(doing(), error))?;
        self.file(name, mode, &data).map_err(|error| LabError::io(doing(), error))
    }

    fn finish(mut self) -> std::io::Result<W> {
        newc::trailer(&mut self.out)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// (name, mode, content) of every entry, as a reader of cpio sees them.
    fn entries(archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut rest = archive;
        loop {
            let mut reader = newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                return found;
            }
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            found.push((name, mode, content));
            rest = reader.finish().unwrap();
        }
    }

    #[test]
    fn parents_come_before_their_children_and_once() {
        let mut archive = Archive::new(Vec::new());
        archive.file("lab/a/one", 0o644, b"1").unwrap();
        archive.file("lab/a/two", 0o755, b"22").unwrap();
        let entries = entries(&archive.finish().unwrap());
        let names: Vec<&str> = entries.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["lab", "lab/a", "lab/a/one", "lab/a/two"]);
        assert_eq!(entries[0].1, 0o040_755);
        assert_eq!(entries[3].1, 0o100_755);
        assert_eq!(entries[3].2, b"22");
    }

    #[test]
    fn a_file_goes_before_an_applet_of_its_name() {
        let mut archive = Archive::new(Vec::new());
        archive.file("bin/ls", 0o755, b"mine").unwrap();
        archive.link("bin/ls", "/bin/busybox").unwrap();
        archive.link("bin/cat", "/bin/busybox").unwrap();
        let entries = entries(&archive.finish().unwrap());
        let ls: Vec<_> = entries.iter().filter(|(name, ..)| name == "bin/ls").collect();
        assert_eq!(ls.len(), 1);
        assert_eq!(ls[0].2, b"mine");
        let (_, mode, target) = entries.last().unwrap();
        assert_eq!((*mode, target.as_slice()), (0o120_777, b"/bin/busybox".as_slice()));
    }

    #[test]
    fn the_same_place_is_not_given_twice() {
        let mut archive = Archive::new(Vec::new());
        archive.file("init", 0o755, b"").unwrap();
        let error = archive.copy("init", 0o755, Path::new("/dev/null")).unwrap_err();
        assert!(error.to_string().contains("already a file at /init"), "{error}");
    }

    #[test]
    fn a_command_s_words_reach_the_guest_s_shell_unchanged() {
        let argv = ["krsi-sh", "-e", "print('a b');"].map(str::to_owned).to_vec();
        let text = command(&Command::Run { argv, stdin: vec![] });
        assert_eq!(text, "exec 'krsi-sh' '-e' 'print('\\''a b'\\'');'\n");
    }
}
