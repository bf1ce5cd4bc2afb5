//! Packages: which there are, whose a file is, whether files are as the package had them. dpkg's by its own files, rpm's by
//! rpm.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    io::Read,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
    rc::Rc,
};

use md5::{Digest, Md5};

use super::{
    FactError, Reader,
    error::{if_there, is_missing, why},
    program,
    record::record,
    root::Links,
};
use crate::{raw, values::nearest};

record! {
    /// One package.
    Package {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// Its architecture.
        architecture: String,
        /// `installed`, or what became of it: `config-files` (removed, its settings are left), `half-installed` …
        status: String,
        /// What it is for, in a line.
        summary: String,
        /// `dpkg` or `rpm`.
        manager: &'static str,
        /// What it was built from.
        source: String,
        /// KiB on disk; `()` if that is not told.
        size_kib: Option<u64>,
    }
}

record! {
    /// A file that is not as its package had it.
    Difference {
        /// The file.
        path: String,
        /// The package.
        package: String,
        /// `changed`, `missing` or `unreadable`.
        what: String,
        /// Whether it is a file of settings, which may well be changed.
        config: bool,
        /// The checksum that the package tells; `()` where there is none.
        expected: Option<String>,
        /// The checksum that the file has; `()` where it cannot be had.
        found: Option<String>,
    }
}

const STATUS: &str = "/var/lib/dpkg/status";
const INFO: &str = "/var/lib/dpkg/info";
const RPM: [&str; 3] = ["/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm"];
/// dpkg's own is a MiB or two for a thousand packages.
const STATUS_LIMIT: u64 = 64 << 20;

type Version = (u64, u64, i64, i64);

/// What was read, as long as the package manager's list is the same.
#[derive(Debug, Default)]
pub struct Cache {
    dpkg: Option<(Version, Rc<Dpkg>)>,
    owners: Option<(Version, Rc<Owners>)>,
}

/// dpkg's list.
#[derive(Debug)]
struct Dpkg {
    packages: Vec<Package>,
    /// Checksums of settings by path, with the package's place in the list.
    settings: HashMap<String, (usize, String)>,
}

/// Whose each file is. A path is kept as a keyed hash: a system has hundreds of thousands.
#[derive(Debug)]
struct Owners {
    state: RandomState,
    /// Sorted.
    files: Vec<(u64, u32)>,
    names: Vec<String>,
    /// Directories that a system with a merged /usr has as links there: `/bin`.
    merged: Vec<String>,
}

enum Manager {
    Dpkg,
    Rpm(std::path::PathBuf),
}

fn manager(reader: Reader<'_>) -> Result<Manager, FactError> {
    if reader.root().has(STATUS) {
        return Ok(Manager::Dpkg);
    }
    let has_rpm = RPM.iter().any(|directory| reader.root().has(directory));
    match program::find("rpm").filter(|_| has_rpm) {
        Some(rpm) => Ok(Manager::Rpm(rpm)),
        None if has_rpm => {
            Err(FactError::system("cannot list packages: there is a database of rpm, and no rpm to read it"))
        }
        None => Err(FactError::system(format!(
            "cannot list packages: neither dpkg ({STATUS}) nor rpm ({}) has a list here",
            RPM[0]
        ))),
    }
}

/// # Errors
/// Where there is no package manager, or its list cannot be read.
pub fn packages(reader: Reader<'_>) -> Result<Vec<Package>, FactError> {
    match manager(reader)? {
        Manager::Dpkg => Ok(dpkg(reader)?.packages.clone()),
        Manager::Rpm(rpm) => {
            let format = "%{NAME}\\t%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{SIZE}\\t%{SOURCERPM}\\t%{SUMMARY}\\n";
            let said = ask_rpm(reader, &rpm, &["-qa", "--qf", format])?;
            if !said.well {
                return Err(FactError::system("cannot list packages: rpm cannot read its database"));
            }
            let mut found: Vec<Package> = said.text.lines().filter_map(of_rpm).collect();
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        }
    }
}

/// What rpm says, and whether it ended well: for a question that is when there is such a package.
fn ask_rpm(reader: Reader<'_>, rpm: &Path, arguments: &[&str]) -> Result<program::Said, FactError> {
    let root = raw::from_os(reader.root().path());
    let all: Vec<&str> = ["--root", &root].into_iter().chain(arguments.iter().copied()).collect();
    program::run(reader, rpm, &all)
}

fn of_rpm(line: &str) -> Option<Package> {
    let mut parts = line.splitn(6, '\t').map(str::to_owned);
    Some(Package {
        name: parts.next()?,
        version: parts.next()?,
        architecture: parts.next()?,
        size_kib: parts.next()?.parse().ok().map(|bytes: u64| bytes / 1024),
        source: parts.next()?,
        summary: parts.next()?,
        status: "installed".to_owned(),
        manager: "rpm",
    })
}

fn version(reader: Reader<'_>) -> Result<Version, FactError> {
    let place = reader.root().locate(STATUS, Links::Followed);
    let meta = place.and_then(std::fs::metadata).map_err(|error| FactError::read(STATUS, &error))?;
    Ok((meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec()))
}

fn dpkg(reader: Reader<'_>) -> Result<Rc<Dpkg>, FactError> {
    let version = version(reader)?;
    let mut cache = reader.facts.packages.borrow_mut();
    match &cache.dpkg {
        Some((of, list)) if *of == version => Ok(Rc::clone(list)),
        _ => {
            let mut bytes = Vec::new();
            let file = reader.root().open(STATUS).map_err(|error| FactError::read(STATUS, &error))?;
            file.take(STATUS_LIMIT)
                .read_to_end(&mut bytes)
                .map_err(|error| FactError::read(STATUS, &error))?;
            let list = Rc::new(Dpkg::parse(&raw::text(&bytes)));
            cache.dpkg = Some((version, Rc::clone(&list)));
            Ok(list)
        }
    }
}

impl Dpkg {
    /// A paragraph for each package, deb822(5).
    fn parse(text: &str) -> Self {
        let mut list = Dpkg { packages: Vec::new(), settings: HashMap::new() };
        for paragraph in text.split("\n\n") {
            let field = |name: &str| {
                paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
            };
            let Some(name) = field("Package") else { continue };
            // want, flag, and what it is.
            let status = field("Status").and_then(|status| status.split(' ').nth(2)).unwrap_or_default();
            if status == "not-installed" {
                continue;
            }
            let conffiles = paragraph.lines().skip_while(|line| !line.starts_with("Conffiles:")).skip(1);
            for line in conffiles.take_while(|line| line.starts_with(' ')) {
                let mut words = line.rsplitn(2, ' ');
                // Behind it may stand `obsolete` or `remove-on-upgrade`.
                let (Some(sum), Some(path)) = (words.next(), words.next()) else { continue };
                if sum.len() == 32 {
                    list.settings.insert(path.trim().to_owned(), (list.packages.len(), sum.to_owned()));
                }
            }
            let source = field("Source").map_or(name, |source| source.split(' ').next().unwrap_or(source));
            list.packages.push(Package {
                version: field("Version").unwrap_or_default().to_owned(),
                architecture: field("Architecture").unwrap_or_default().to_owned(),
                status: status.to_owned(),
                summary: field("Description").unwrap_or_default().to_owned(),
                manager: "dpkg",
                source: source.to_owned(),
                size_kib: field("Installed-Size").and_then(|size| size.parse().ok()),
                name: name.to_owned(),
            });
        }
        list
    }
}

fn owners(reader: Reader<'_>) -> Result<Rc<Owners>, FactError> {
    let version = version(reader)?;
    if let Some((of, owners)) = &reader.facts.packages.borrow().owners
        && *of == version
    {
        return Ok(Rc::clone(owners));
    }
    let root = reader.root();
    let merged = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
    let merged =
        merged.into_iter().filter(|directory| root.link(directory).is_ok()).map(str::to_owned).collect();
    let mut owners = Owners { state: RandomState::new(), files: Vec::new(), names: Vec::new(), merged };
    for name in root.names(INFO).map_err(|error| FactError::read(INFO, &error))? {
        let Some(package) = name.as_bytes().strip_suffix(b".list") else { continue };
        reader.check()?;
        let path = format!("{INFO}/{}", raw::text(package) + ".list");
        let list = if_there(&path, root.bytes(raw::os(&path)))?.unwrap_or_default();
        let number = u32::try_from(owners.names.len()).unwrap_or(u32::MAX);
        // `name:architecture` for one of several architectures.
        let package = raw::text(package);
        owners.names.push(package.split(':').next().unwrap_or_default().to_owned());
        for line in list.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let hash = owners.hash(line);
            owners.files.push((hash, number));
        }
    }
    owners.files.sort_unstable();
    owners.files.shrink_to_fit();
    let owners = Rc::new(owners);
    reader.facts.packages.borrow_mut().owners = Some((version, Rc::clone(&owners)));
    Ok(owners)
}

impl Owners {
    /// The same for `/bin/sh` and `/usr/bin/sh`, where they are the same.
    fn hash(&self, path: &[u8]) -> u64 {
        let inside = |directory: &&String| {
            path.strip_prefix(directory.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
        };
        match self.merged.iter().find(inside) {
            Some(_) => self.state.hash_one([b"/usr", path].concat().as_slice()),
            None => self.state.hash_one(path),
        }
    }

    fn of(&self, path: &[u8]) -> Option<&str> {
        let hash = self.hash(path);
        let at = self.files.partition_point(|(known, _)| *known < hash);
        let (known, number) = self.files.get(at)?;
        if *known == hash { self.names.get(*number as usize).map(String::as_str) } else { None }
    }
}

/// Returns the name of the package that a file came with; `None` if no package has it.
///
/// # Errors
/// Where there is no package manager, or its lists cannot be read.
pub fn owner(reader: Reader<'_>, path: &str) -> Result<Option<String>, FactError> {
    absolute("package_of", path)?;
    match manager(reader)? {
        Manager::Dpkg => {
            let owners = owners(reader)?;
            Ok(owners.of(&raw::bytes(path)).map(str::to_owned))
        }
        Manager::Rpm(rpm) => {
            let said = ask_rpm(reader, &rpm, &["-qf", "--qf", "%{NAME}\\n", "--", path])?;
            let first = said.text.lines().next().filter(|line| !line.contains(' '));
            Ok(first.map(str::to_owned))
        }
    }
}

fn absolute(function: &str, path: &str) -> Result<(), FactError> {
    if path.starts_with('/') && !path.contains('\0') {
        return Ok(());
    }
    let text = format!("`{function}`: {path:?} is not a whole path; allowed: one that begins with `/`");
    Err(FactError::script(text, path))
}

/// Compares the files of a package, or one file (if what is given begins with `/`), with what the package manager knows of
/// them. Returns what differs.
///
/// # Errors
/// If there is no such package, or the lists cannot be read.
pub fn verify(reader: Reader<'_>, what: &str) -> Result<Vec<Difference>, FactError> {
    let is_path = what.starts_with('/');
    match manager(reader)? {
        Manager::Rpm(rpm) => {
            let (asks, verifies) = if is_path { ("-qf", "-Vf") } else { ("-q", "-V") };
            if !ask_rpm(reader, &rpm, &[asks, "--", what])?.well {
                let text = match is_path {
                    true => format!("`verify`: no package has the file {what:?}"),
                    false => format!("`verify`: there is no package {what:?}"),
                };
                return Err(FactError::script(text, what));
            }
            // It does not end well if something differs.
            let said = ask_rpm(reader, &rpm, &[verifies, "--nodeps", "--", what])?;
            let found = said.text.lines().filter_map(|line| rpm_difference(line, what));
            Ok(found.filter(|one| !is_path || one.path == what).collect())
        }
        Manager::Dpkg if is_path => match owner(reader, what)? {
            Some(package) => {
                let merged = owners(reader)?;
                let same = |path: &str| merged.hash(path.as_bytes()) == merged.hash(&raw::bytes(what));
                dpkg_verify(reader, &package, &same)
            }
            None => Err(FactError::script(format!("`verify`: no package has the file {what:?}"), what)),
        },
        Manager::Dpkg => dpkg_verify(reader, what, &|_| true),
    }
}

/// `S.5....T.  c /etc/x`, `missing     /usr/x`.
fn rpm_difference(line: &str, package: &str) -> Option<Difference> {
    let path = line.find(" /").map(|at| line[at + 1..].to_owned())?;
    let flags = line.split_whitespace().next()?;
    let what = match flags {
        "missing" => "missing",
        _ if flags.contains('?') => "unreadable",
        // The rest (times, owners) is no matter of what is in it.
        _ if flags.contains(['5', 'S', 'L']) => "changed",
        _ => return None,
    };
    Some(Difference {
        config: line[..line.len() - path.len()].split_whitespace().any(|word| word == "c"),
        path,
        package: package.to_owned(),
        what: what.to_owned(),
        expected: None,
        found: None,
    })
}

fn dpkg_verify(
    reader: Reader<'_>,
    package: &str,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Difference>, FactError> {
    let list = dpkg(reader)?;
    let (name, architecture) = package.split_once(':').map_or((package, None), |(name, of)| (name, Some(of)));
    let found = list
        .packages
        .iter()
        .position(|p| p.name == name && architecture.is_none_or(|of| p.architecture == of));
    let Some(at) = found else {
        let near = nearest(name, list.packages.iter().map(|p| p.name.as_str()));
        let near = near.map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"));
        return Err(FactError::script(format!("`verify`: there is no package {package:?}{near}"), package));
    };
    let known = &list.packages[at];
    let lists = [format!("{INFO}/{name}.md5sums"), format!("{INFO}/{name}:{}.md5sums", known.architecture)];
    let mut sums: Vec<(String, String, bool)> = Vec::new();
    for path in &lists {
        let text = if_there(path, reader.root().text(raw::os(path)))?.unwrap_or_default();
        sums.extend(
            text.lines()
                .filter_map(|line| line.split_once("  "))
                .map(|(sum, path)| (format!("/{path}"), sum.to_owned(), false)),
        );
    }
    let settings = list.settings.iter().filter(|(_, (of, _))| *of == at);
    sums.extend(settings.map(|(path, (_, sum))| (path.clone(), sum.clone(), true)));
    sums.retain(|(path, ..)| wanted(path));
    sums.sort();
    if sums.is_empty() {
        return Err(FactError::system(format!("cannot verify {package:?}: the package tells no checksum")));
    }
    let mut found = Vec::new();
    for (path, expected, config) in sums {
        let sum = checksum(reader, &path);
        let what = match &sum {
            Ok(sum) if *sum == expected => continue,
            Ok(_) => "changed",
            Err(error) if is_missing(error) => "missing",
            Err(_) => "unreadable",
        };
        reader.check()?;
        found.push(Difference {
            path,
            package: name.to_owned(),
            what: what.to_owned(),
            config,
            expected: Some(expected),
            found: sum.ok(),
        });
    }
    Ok(found)
}

fn checksum(reader: Reader<'_>, path: &str) -> std::io::Result<String> {
    let mut file = reader.root().open(raw::os(path))?;
    digest::<Md5>(&mut file, reader.go_on)
}

/// Returns the checksum of a file, in hexadecimal digits.
///
/// # Errors
/// If it cannot be read, or the session is to end.
pub fn digest<D: Digest>(file: &mut std::fs::File, go_on: &dyn Fn() -> bool) -> std::io::Result<String> {
    let mut digest = D::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            _ if !go_on() => return Err(std::io::Error::other(why(&std::io::ErrorKind::Interrupted.into()))),
            length => digest.update(&buffer[..length]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader, told},
    };

    fn made() -> MadeUp {
        let made = MadeUp::new(&[
            (
                STATUS,
                "Package: base\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.2-3\nInstalled-Size: 12\nSource: src (1.2)\nDescription: A base\n of many lines\nConffiles:\n /etc/base.conf 5d41402abc4b2a76b9719d911017c592\n /etc/gone.conf 5d41402abc4b2a76b9719d911017c592 obsolete\n\nPackage: left\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\nDescription: L\n\nPackage: no\nStatus: purge ok not-installed\n",
            ),
            ("/var/lib/dpkg/info/base.list", "/.\n/bin\n/bin/tool\n/usr/share/doc\n"),
            (
                "/var/lib/dpkg/info/base.md5sums",
                "5d41402abc4b2a76b9719d911017c592  bin/tool\n5d41402abc4b2a76b9719d911017c592  usr/lost\n",
            ),
            ("/usr/bin/tool", "hello"),
            ("/etc/base.conf", "other"),
        ]);
        made.link("/bin", "usr/bin");
        made
    }

    #[test]
    fn a_made_up_root_has_its_packages() {
        let made = made();
        let found = packages(made.reader()).unwrap();
        assert_eq!(
            found.iter().map(|p| (&*p.name, &*p.status)).collect::<Vec<_>>(),
            [("base", "installed"), ("left", "config-files")]
        );
        assert_eq!((&*found[0].source, found[0].size_kib, &*found[0].summary), ("src", Some(12), "A base"));
        let of = |path| owner(made.reader(), path).unwrap();
        assert_eq!(
            [of("/bin/tool").as_deref(), of("/usr/bin/tool").as_deref(), of("/usr/bin/evil").as_deref()],
            [Some("base"), Some("base"), None]
        );
        assert!(owner(made.reader(), "tool").is_err());
    }

    #[test]
    fn what_differs_is_told_with_both_checksums() {
        let made = made();
        let found = verify(made.reader(), "base").unwrap();
        let told: Vec<_> = found.iter().map(|d| (&*d.path, &*d.what, d.config)).collect();
        assert_eq!(told, [("/etc/base.conf", "changed", true), ("/usr/lost", "missing", false)]);
        assert!(verify(made.reader(), "/usr/bin/tool").unwrap().is_empty());
        made.file("/usr/bin/tool", "evil");
        assert_eq!(verify(made.reader(), "/usr/bin/tool").unwrap().len(), 1);
        // What nothing is known of is not said to be as it was.
        assert!(verify(made.reader(), "left").unwrap_err().text.contains("no checksum"));
        assert!(verify(made.reader(), "/usr/share/doc").unwrap_err().text.contains("no checksum"));
        assert!(verify(made.reader(), "bse").unwrap_err().text.contains("no package"));
        assert!(verify(made.reader(), "lefft").unwrap_err().text.contains("did you mean \"left\""));
    }

    #[test]
    fn a_list_that_changes_is_read_again() {
        let made = made();
        assert_eq!(packages(made.reader()).unwrap().len(), 2);
        made.file(STATUS, "Package: one\nStatus: install ok installed\n");
        assert_eq!(packages(made.reader()).unwrap().len(), 1);
    }

    #[test]
    fn what_rpm_says_is_understood() {
        let one = of_rpm("bash\t5.1-2.el9\tx86_64\t7738634\tbash-5.1.src.rpm\tThe GNU\tshell").unwrap();
        assert_eq!((&*one.version, one.size_kib, &*one.summary), ("5.1-2.el9", Some(7557), "The GNU\tshell"));
        let of = |line| rpm_difference(line, "p").map(|d| (d.path, d.what, d.config));
        assert_eq!(of("S.5....T.  c /etc/a b"), Some(("/etc/a b".into(), "changed".into(), true)));
        assert_eq!(of("missing     /usr/x"), Some(("/usr/x".into(), "missing".into(), false)));
        assert_eq!(of(".......T.    /usr/x"), None);
    }

    #[test]
    fn packages_are_as_dpkg_says() {
        let facts = Facts::default();
        let Some(text) = told(
            "dpkg-query",
            &["-W", "-f", "${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n"],
        ) else {
            return;
        };
        let mut found: Vec<_> = packages(reader(&facts))
            .unwrap()
            .into_iter()
            .map(|p| format!("{}\t{}\t{}\t{}", p.name, p.version, p.architecture, p.status))
            .collect();
        let mut said: Vec<_> = text.lines().map(str::to_owned).collect();
        found.sort();
        said.sort();
        assert_eq!(found, said);
        for path in ["/usr/bin/dpkg", "/etc/passwd", "/usr/bin/env", "/nowhere"] {
            let said = told("dpkg", &["-S", path]).unwrap();
            let said = said.split(':').next().filter(|name| !name.is_empty()).map(str::to_owned);
            assert_eq!(owner(reader(&facts), path).unwrap(), said, "{path}");
        }
    }

    #[test]
    fn what_has_changed_is_what_dpkg_finds() {
        let facts = Facts::default();
        for package in ["coreutils", "base-files", "dpkg"] {
            let Some(text) = told("dpkg", &["-V", package]) else { return };
            let mut said: Vec<_> =
                text.lines().filter_map(|line| Some(line[line.find(" /")? + 1..].to_owned())).collect();
            let mut found: Vec<_> =
                verify(reader(&facts), package).unwrap().into_iter().map(|d| d.path).collect();
            said.sort();
            found.sort();
            assert_eq!(found, said, "{package}");
        }
    }
}
