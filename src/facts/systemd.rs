//! Services and timers of systemd, from its files: units and their drop-ins, the links that enable and mask them, the
//! cgroups that have processes, the stamps of timers.
//!
//! systemd itself is not asked: so a made-up root has services too, and nobody waits for a bus. What files cannot tell (a
//! service that is done and still counts as active) is not told.

use std::collections::{BTreeMap, BTreeSet};

use super::{FactError, Reader, cgroups, error::if_there, record::record, root::Links};
use crate::raw;

record! {
    /// One service.
    Service {
        /// Its name: `ssh.service`.
        name: String,
        /// What it is for.
        description: String,
        /// `enabled`, `disabled`, `static` (nothing to enable), `masked`, `alias` or `template`.
        enabled: String,
        /// There are processes in its cgroup, or in one of its instances'; `()` where cgroups of version 2 are not to be seen.
        running: Option<bool>,
        /// Processes in its cgroup; `()` likewise.
        pids: Option<Vec<u32>>,
        /// Its file.
        path: String,
        /// What it executes, line by line.
        exec_start: Vec<String>,
        /// User that it runs as; `()` for root, or a dynamic one.
        user: Option<String>,
        /// What is set in its `[Service]` section; of a name that is set again, the last; of several lines of one name, the last.
        settings: BTreeMap<String, String>,
    }
}

record! {
    /// One timer.
    Timer {
        /// Its name: `apt-daily.timer`.
        name: String,
        /// What it is for.
        description: String,
        /// `enabled`, `disabled`, `static` (nothing to enable), `masked`, `alias` or `template`.
        enabled: String,
        /// What it starts.
        unit: String,
        /// When: `OnCalendar=daily`, line by line.
        schedule: Vec<String>,
        /// It makes up for what it missed while the machine was off.
        persistent: bool,
        /// When it has last started it, in seconds since 1970; only persistent timers tell.
        last: Option<i64>,
        /// Its file.
        path: String,
    }
}

/// Where units are, the first that counts first.
const DIRECTORIES: [&str; 6] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// A unit as its files have it.
#[derive(Debug)]
struct Unit {
    name: String,
    path: String,
    enabled: String,
    /// Section and name, each time it is set.
    lines: Vec<(String, String, String)>,
}

impl Unit {
    /// All values of a name, after the last one that is empty, which begins anew.
    fn all(&self, section: &str, name: &str) -> Vec<&str> {
        let values = self
            .lines
            .iter()
            .filter(|(of, known, _)| of == section && known == name)
            .map(|(.., value)| value.as_str());
        let values: Vec<&str> = values.collect();
        let from = values.iter().rposition(|value| value.is_empty()).map_or(0, |at| at + 1);
        values[from..].to_vec()
    }

    fn last(&self, section: &str, name: &str) -> Option<String> {
        self.all(section, name).last().map(|value| (*value).to_owned())
    }

    fn description(&self) -> String {
        self.last("Unit", "Description").unwrap_or_default()
    }
}

/// # Errors
/// Where there is no systemd, or a unit cannot be read.
pub fn services(reader: Reader<'_>) -> Result<Vec<Service>, FactError> {
    let units = units(reader, ".service")?;
    let mut pids: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    // Without cgroups of version 2 it cannot be told what runs.
    let walked = cgroups::walk(reader, &mut |path| {
        let unit = path.split('/').rev().find(|part| part.ends_with(".service"));
        if let Some(unit) = unit {
            pids.entry(unescaped(unit)).or_default().extend(cgroups::numbers(reader, path));
        }
    });
    reader.check()?;
    let instances = |name: &str| -> Vec<u32> {
        match name.strip_suffix("@.service") {
            Some(front) => {
                let front = format!("{front}@");
                pids.iter()
                    .filter(|(name, _)| name.starts_with(&front))
                    .flat_map(|(_, pids)| pids.clone())
                    .collect()
            }
            None => pids.get(name).cloned().unwrap_or_default(),
        }
    };
    let is_told = walked.is_ok();
    let service = |unit: Unit| {
        let pids = is_told.then(|| instances(&unit.name));
        let settings = unit.lines.iter().filter(|(section, ..)| section == "Service");
        Service {
            running: pids.as_ref().map(|pids| !pids.is_empty()),
            pids,
            description: unit.description(),
            exec_start: unit.all("Service", "ExecStart").into_iter().map(str::to_owned).collect(),
            user: unit.last("Service", "User"),
            settings: settings.map(|(_, name, value)| (name.clone(), value.clone())).collect(),
            name: unit.name,
            enabled: unit.enabled,
            path: unit.path,
        }
    };
    Ok(units.into_iter().map(service).collect())
}

/// # Errors
/// Where there is no systemd, or a unit cannot be read.
pub fn timers(reader: Reader<'_>) -> Result<Vec<Timer>, FactError> {
    let timer = |unit: Unit| {
        let schedule = unit.lines.iter().filter(|(section, name, value)| {
            section == "Timer" && name.starts_with("On") && !value.is_empty()
        });
        let stamp =
            reader.root().locate(format!("/var/lib/systemd/timers/stamp-{}", unit.name), Links::Followed);
        let changed =
            stamp.and_then(std::fs::metadata).ok().map(|meta| std::os::unix::fs::MetadataExt::mtime(&meta));
        Timer {
            description: unit.description(),
            unit: unit.last("Timer", "Unit").unwrap_or_else(|| unit.name.replace(".timer", ".service")),
            schedule: schedule
                .filter(|(_, name, value)| unit.all("Timer", name).contains(&value.as_str()))
                .map(|(_, name, value)| format!("{name}={value}"))
                .collect(),
            persistent: unit.last("Timer", "Persistent").is_some_and(|value| is_yes(&value)),
            last: changed,
            name: unit.name,
            enabled: unit.enabled,
            path: unit.path,
        }
    };
    Ok(units(reader, ".timer")?.into_iter().map(timer).collect())
}

fn is_yes(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "yes" | "y" | "true" | "t" | "on")
}

/// Units whose names end so, in the order of their names.
fn units(reader: Reader<'_>, ending: &str) -> Result<Vec<Unit>, FactError> {
    let root = reader.root();
    let runs =
        root.has("/run/systemd/system") || root.line("/proc/1/comm").is_ok_and(|name| name == "systemd");
    // A made-up root, or an image, has units and nothing that runs.
    let has_units = !root.is_system() && DIRECTORIES.iter().any(|directory| root.has(directory));
    if !runs && !has_units {
        return Err(FactError::system("this system does not run systemd: there is no /run/systemd/system"));
    }
    let mut paths: BTreeMap<String, String> = BTreeMap::new();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for directory in DIRECTORIES {
        for name in if_there(directory, root.names(directory))?.unwrap_or_default() {
            let name = raw::from_os(&name);
            let path = format!("{directory}/{name}");
            if name.ends_with(ending) {
                paths.entry(name).or_insert(path);
            } else if name.ends_with(".wants") || name.ends_with(".requires") {
                let names = if_there(&path, root.names(raw::os(&path)))?.unwrap_or_default();
                // What /usr wants is not somebody's decision.
                if !directory.contains("/lib/") {
                    wanted.extend(names.iter().map(raw::from_os));
                }
            }
        }
    }
    let mut found = Vec::new();
    for (name, path) in paths {
        reader.check()?;
        found.extend(unit(reader, name, path, &wanted)?);
    }
    Ok(found)
}

fn unit(
    reader: Reader<'_>,
    name: String,
    path: String,
    wanted: &BTreeSet<String>,
) -> Result<Option<Unit>, FactError> {
    let root = reader.root();
    let target = root.link(raw::os(&path)).ok().map(raw::from_os);
    let text = match &target {
        Some(target) if target == "/dev/null" => String::new(),
        // A link that leads nowhere is no unit.
        _ => match if_there(&path, root.text(raw::os(&path)))? {
            Some(text) => text,
            None => return Ok(None),
        },
    };
    let mut lines = settings(&text);
    let masked = target.as_deref() == Some("/dev/null") || text.trim().is_empty();
    let mut drop_ins: BTreeMap<String, String> = BTreeMap::new();
    for directory in DIRECTORIES {
        let place = format!("{directory}/{name}.d");
        for file in if_there(&place, root.names(raw::os(&place)))?.unwrap_or_default() {
            let file = raw::from_os(&file);
            if file.ends_with(".conf") {
                drop_ins.entry(file.clone()).or_insert(format!("{place}/{file}"));
            }
        }
    }
    for path in drop_ins.values() {
        lines.extend(if_there(path, root.text(raw::os(path)))?.iter().flat_map(|text| settings(text)));
    }
    let alias =
        target.as_deref().and_then(|target| target.rsplit('/').next()).is_some_and(|last| last != name);
    let is_wanted = match name.split_once('@') {
        Some((front, rest)) if rest.starts_with('.') => {
            wanted.iter().any(|unit| unit.starts_with(&format!("{front}@")))
        }
        _ => wanted.contains(&name),
    };
    let installs = lines.iter().any(|(section, name, _)| {
        section == "Install" && matches!(&**name, "WantedBy" | "RequiredBy" | "Alias" | "Also")
    });
    let enabled = match () {
        () if masked => "masked",
        () if alias => "alias",
        () if is_wanted => "enabled",
        () if name.contains("@.") => "template",
        () if installs => "disabled",
        () => "static",
    };
    Ok(Some(Unit { enabled: enabled.to_owned(), name, path, lines }))
}

/// Sections, names and values; a line that ends with `\` goes on in the next.
fn settings(text: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    let mut whole = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(begun) = line.strip_suffix('\\') {
            whole.push_str(begun);
            whole.push(' ');
            continue;
        }
        whole.push_str(line);
        let line = std::mem::take(&mut whole);
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((name, value)) = line.split_once('=') {
            found.push((section.clone(), name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

/// A cgroup's name is the unit's with `\x2d` and the like as they are, and `_` before what a controller could be called.
fn unescaped(unit: &str) -> String {
    unit.strip_prefix('_').unwrap_or(unit).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader},
    };

    fn made() -> MadeUp {
        let made = MadeUp::new(&[
            (
                "/usr/lib/systemd/system/ssh.service",
                "[Unit]\nDescription=Shell\n[Service]\nExecStart=/usr/sbin/sshd \\\n  -D\nUser=x\n[Install]\nWantedBy=multi-user.target\n",
            ),
            (
                "/etc/systemd/system/ssh.service.d/10.conf",
                "[Service]\nExecStart=\nExecStart=/opt/sshd\nNoNewPrivileges=yes\n",
            ),
            ("/usr/lib/systemd/system/off.service", "[Service]\n[Install]\nWantedBy=x\n"),
            ("/usr/lib/systemd/system/static.service", "# c\n[Service]\nType=oneshot\n"),
            ("/usr/lib/systemd/system/masked.service", "[Service]\nExecStart=/bin/x\n"),
            ("/usr/lib/systemd/system/getty@.service", "[Service]\nExecStart=/bin/getty\n"),
            (
                "/usr/lib/systemd/system/daily.timer",
                "[Timer]\nOnCalendar=weekly\nOnCalendar=\nOnCalendar=daily\nPersistent=true\n[Install]\nWantedBy=timers.target\n",
            ),
            ("/var/lib/systemd/timers/stamp-daily.timer", ""),
            ("/sys/fs/cgroup/cgroup.controllers", ""),
            ("/sys/fs/cgroup/system.slice/ssh.service/cgroup.procs", "12\n13\n"),
            ("/sys/fs/cgroup/system.slice/system-getty.slice/getty@tty1.service/cgroup.procs", "77\n"),
        ]);
        made.link(
            "/etc/systemd/system/multi-user.target.wants/ssh.service",
            "/usr/lib/systemd/system/ssh.service",
        );
        made.link("/etc/systemd/system/masked.service", "/dev/null");
        made.link("/etc/systemd/system/sshd.service", "/usr/lib/systemd/system/ssh.service");
        made.link("/etc/systemd/system/lost.service", "/nowhere/lost.service");
        made.link(
            "/etc/systemd/system/getty.target.wants/getty@tty1.service",
            "/usr/lib/systemd/system/getty@.service",
        );
        made
    }

    #[test]
    fn services_are_as_their_files_have_them() {
        let made = made();
        let found = services(made.reader()).unwrap();
        let of = |name: &str| found.iter().find(|s| s.name == name).unwrap();
        let ssh = of("ssh.service");
        assert_eq!(
            (&*ssh.enabled, ssh.running, &*ssh.description, ssh.user.as_deref()),
            ("enabled", Some(true), "Shell", Some("x"))
        );
        assert_eq!(
            (&ssh.exec_start, &ssh.pids, &*ssh.settings["NoNewPrivileges"]),
            (&vec!["/opt/sshd".to_owned()], &Some(vec![12, 13]), "yes")
        );
        let states = ["off", "static", "masked", "sshd", "getty@"]
            .map(|name| &*of(&format!("{name}.service")).enabled);
        assert_eq!(states, ["disabled", "static", "masked", "alias", "enabled"]);
        assert_eq!(of("getty@.service").pids, Some(vec![77]));
        assert_eq!(of("off.service").running, Some(false));
        assert!(found.iter().all(|s| s.name != "lost.service"));
        std::fs::remove_dir_all(made.at("/sys")).unwrap();
        assert!(services(made.reader()).unwrap().iter().all(|s| s.running.is_none() && s.pids.is_none()));
    }

    #[test]
    fn timers_tell_what_and_when() {
        let made = made();
        let found = timers(made.reader()).unwrap();
        let timer = &found[0];
        assert_eq!((&*timer.unit, &*timer.enabled, timer.persistent), ("daily.service", "disabled", true));
        assert_eq!(timer.schedule, ["OnCalendar=daily"]);
        assert!(timer.last.is_some());
    }

    #[test]
    fn without_systemd_that_is_said() {
        let error = services(MadeUp::new(&[]).reader()).unwrap_err();
        assert!(error.text.contains("does not run systemd"), "{error}");
        let facts = Facts::default();
        let here = std::path::Path::new("/run/systemd/system").exists();
        assert_eq!(timers(reader(&facts)).is_ok(), here);
    }
}
