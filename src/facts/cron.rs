//! Jobs of cron: the system's tables, directories of scripts, users' own tables. What each looks like is crontab(5).

use super::{FactError, Reader, error::if_there, record::record};
use crate::raw;

record! {
    /// One job.
    Job {
        /// File it is in.
        file: String,
        /// Line of that file, from 1; `()` for a script in a directory.
        line: Option<u32>,
        /// When: five fields, or `@reboot` and the like; for a script the directory's word: `hourly`.
        schedule: String,
        /// Who it runs as.
        user: String,
        /// What is executed.
        command: String,
    }
}

const PERIODS: [&str; 4] = ["hourly", "daily", "weekly", "monthly"];
const TABLES: [&str; 2] = ["/var/spool/cron/crontabs", "/var/spool/cron"];

/// # Errors
/// If something of it cannot be read: users' tables may be read by root alone.
pub fn jobs(reader: Reader<'_>) -> Result<Vec<Job>, FactError> {
    let root = reader.root();
    let mut found = Vec::new();
    for path in ["/etc/crontab", "/etc/anacrontab"] {
        if let Some(text) = if_there(path, root.text(path))? {
            found.extend(if path.ends_with("anacrontab") {
                anacron(path, &text)
            } else {
                table(path, &text, None)
            });
        }
    }
    for (path, name) in entries(reader, "/etc/cron.d")? {
        if is_run(reader, &name)
            && let Some(text) = file(reader, &path)?
        {
            found.extend(table(&path, &text, None));
        }
    }
    for period in PERIODS {
        for (path, name) in entries(reader, &format!("/etc/cron.{period}"))? {
            if is_run(reader, &name) {
                let (schedule, user) = (period.to_owned(), "root".to_owned());
                found.push(Job { command: path.clone(), file: path, line: None, schedule, user });
            }
        }
    }
    for directory in TABLES {
        for (path, name) in entries(reader, directory)? {
            if let Some(text) = file(reader, &path)? {
                found.extend(table(&path, &text, Some(&name)));
            }
        }
    }
    Ok(found)
}

/// `None` for what is no file, as a directory among them.
fn file(reader: Reader<'_>, path: &str) -> Result<Option<String>, FactError> {
    match reader.root().text(raw::os(path)) {
        Err(error) if error.raw_os_error() == Some(nix::libc::EISDIR) => Ok(None),
        other => if_there(raw::os(path), other),
    }
}

fn entries(reader: Reader<'_>, directory: &str) -> Result<Vec<(String, String)>, FactError> {
    let names = if_there(directory, reader.root().names(directory))?.unwrap_or_default();
    let entry = |name| {
        let name = raw::from_os(name);
        (format!("{directory}/{name}"), name)
    };
    Ok(names.into_iter().map(entry).collect())
}

/// What a package manager or an editor has left is passed over: by Debian's cron and run-parts(8) whatever has a dot or the
/// like in its name, by cronie (whose program is crond) what is known as such.
fn is_run(reader: Reader<'_>, name: &str) -> bool {
    if reader.root().has("/usr/sbin/crond") {
        let left = [".rpmsave", ".rpmorig", ".rpmnew", ".swp", ".cfsaved", ",v", "~"];
        return !name.starts_with(['.', '#']) && !left.iter().any(|ending| name.ends_with(ending));
    }
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// A table of cron; in a user's own no line tells the user.
fn table(path: &str, text: &str, owner: Option<&str>) -> Vec<Job> {
    let job = |(at, line): (usize, &str)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let fields = if line.starts_with('@') { 1 } else { 5 };
        let (schedule, rest) = words(line, fields)?;
        // `NAME = value` sets a variable.
        let assigns = fields == 5 && !line.starts_with(|c: char| c.is_ascii_digit() || c == '*');
        if assigns {
            return None;
        }
        let (user, command) = match owner {
            Some(owner) => (owner.to_owned(), rest),
            None => words(rest, 1)?,
        };
        let line = u32::try_from(at + 1).ok();
        Some(Job { file: path.to_owned(), line, schedule, user, command: command.to_owned() })
    };
    text.lines().enumerate().filter_map(job).collect()
}

/// `period delay name command`.
fn anacron(path: &str, text: &str) -> Vec<Job> {
    let job = |(at, line): (usize, &str)| {
        let line = line.trim();
        if !line.starts_with(|c: char| c.is_ascii_digit() || c == '@') {
            return None;
        }
        let (schedule, command) = words(line, 3)?;
        let line = u32::try_from(at + 1).ok();
        Some(Job {
            file: path.to_owned(),
            line,
            schedule,
            user: "root".to_owned(),
            command: command.to_owned(),
        })
    };
    text.lines().enumerate().filter_map(job).collect()
}

/// The first words, with a space between, and what comes after.
fn words(text: &str, count: usize) -> Option<(String, &str)> {
    let (mut first, mut rest) = (Vec::new(), text.trim_start());
    for _ in 0..count {
        let end = rest.find(char::is_whitespace)?;
        first.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    (!rest.is_empty()).then(|| (first.join(" "), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader},
    };

    #[test]
    fn every_place_is_read_and_what_cron_passes_over_is_not() {
        let made = MadeUp::new(&[
            (
                "/etc/crontab",
                "SHELL=/bin/sh\nPATH=/a:/b c d e f\n# x\n17 *\t* * *  root  cd / && run-parts --report /etc/cron.hourly\n",
            ),
            ("/etc/cron.d/a", "@reboot www /opt/x  y\n*/5 * * * * nobody\n"),
            ("/etc/cron.d/b.dpkg-old", "* * * * * root evil\n"),
            ("/etc/cron.daily/clean", ""),
            ("/etc/cron.daily/.placeholder", ""),
            ("/etc/cron.daily/x.sh", ""),
            ("/var/spool/cron/crontabs/alice", "MAILTO=a\n@daily  /home/alice/x %y\n"),
            ("/etc/anacrontab", "HOME=/\n1 5 cron.daily run-parts /etc/cron.daily\n"),
        ]);
        let found = jobs(made.reader()).unwrap();
        let told: Vec<_> = found.iter().map(|j| (&*j.schedule, &*j.user, &*j.command, j.line)).collect();
        assert_eq!(
            told,
            [
                ("17 * * * *", "root", "cd / && run-parts --report /etc/cron.hourly", Some(4)),
                ("1 5 cron.daily", "root", "run-parts /etc/cron.daily", Some(2)),
                ("@reboot", "www", "/opt/x  y", Some(1)),
                ("daily", "root", "/etc/cron.daily/clean", None),
                ("@daily", "alice", "/home/alice/x %y", Some(2)),
            ]
        );
        made.file("/usr/sbin/crond", "");
        let found = jobs(made.reader()).unwrap();
        assert!(
            found.iter().any(|j| j.command == "/etc/cron.daily/x.sh")
                && found.iter().all(|j| j.command != "/etc/cron.daily/.placeholder")
        );
        assert!(jobs(MadeUp::new(&[]).reader()).unwrap().is_empty());
    }

    #[test]
    fn scripts_here_are_those_that_run_parts_lists() {
        let facts = Facts::default();
        let Some(text) = crate::facts::testing::told("run-parts", &["--list", "/etc/cron.daily"]) else {
            return;
        };
        let found: Vec<_> = jobs(reader(&facts))
            .unwrap()
            .into_iter()
            .filter(|j| j.schedule == "daily")
            .map(|j| j.command)
            .collect();
        assert_eq!(found, text.lines().collect::<Vec<_>>());
    }
}
