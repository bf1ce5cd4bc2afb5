//! Settings of the running kernel under /proc/sys, by the names that sysctl(8) uses.

use std::io;

use serde_json::Value;

use super::{FactError, Reader, error::is_missing};
use crate::{raw, values::nearest};

const DIRECTORY: &str = "/proc/sys";

/// Returns a setting: a whole number as one, everything else as text, whose columns are parted by single spaces; `None` if
/// this kernel does not have it.
///
/// # Errors
/// If it cannot be read, or the name cannot be one.
pub fn setting(reader: Reader<'_>, name: &str) -> Result<Option<Value>, FactError> {
    let Some(path) = path(name) else {
        let text =
            format!("{name:?} cannot be the name of a setting; allowed: a name like `kernel.kptr_restrict`");
        return Err(FactError::script(text, name));
    };
    match reader.root().text(&path) {
        Ok(text) => Ok(Some(parsed(&text))),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) if error.raw_os_error() == Some(nix::libc::EISDIR) => {
            let names = reader.root().names(&path).unwrap_or_default();
            let names: Vec<_> = names.iter().take(8).map(raw::from_os).collect();
            let text = format!("`{name}` is a group of settings: {} …", names.join(", "));
            Err(FactError::script(text, name))
        }
        Err(error) => Err(FactError { about: Some(name.to_owned()), ..FactError::read(path, &error) }),
    }
}

/// Says that there is no such setting, with the nearest that there is.
#[must_use]
pub fn unknown(reader: Reader<'_>, name: &str) -> FactError {
    let (text, near) = (format!("this kernel has no setting `{name}`"), near(reader, name));
    let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    FactError::script(format!("{text}{near}"), name)
        .advice("a module that is not loaded has none; `sysctl(name, ())` returns `()` for what is not there")
}

/// The path of a name. As for sysctl(8), the first `.` or `/` tells which of them parts the name; the other one stands for
/// the first within a part: `net.ipv4.conf.eth0/1.forwarding`.
fn path(name: &str) -> Option<String> {
    let slashes = name.find(['.', '/']).is_some_and(|at| name[at..].starts_with('/'));
    let inside = match slashes {
        true => name.to_owned(),
        false => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
    };
    let fine = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    inside.split('/').all(fine).then(|| format!("{DIRECTORY}/{inside}"))
}

fn parsed(text: &str) -> Value {
    let text = text.trim_end_matches('\n');
    if let Ok(number) = text.trim().parse::<i64>() {
        return number.into();
    }
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n").into()
}

/// Follows the name as far as it leads, part by part, each time by the nearest there is; else the last part anywhere below
/// its first.
fn near(reader: Reader<'_>, name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split(['.', '/']).collect();
    let mut found: Vec<String> = Vec::new();
    for part in &parts {
        let names = reader.root().names(format!("{DIRECTORY}/{}", found.join("/"))).ok()?;
        let names: Vec<_> = names.iter().map(raw::from_os).collect();
        let exact = names.iter().any(|known| known == part).then_some(*part);
        found.push(exact.or_else(|| nearest(part, names.iter().map(String::as_str)))?.to_owned());
    }
    let is_setting = || -> io::Result<bool> {
        let place =
            reader.root().locate(format!("{DIRECTORY}/{}", found.join("/")), super::root::Links::Followed)?;
        Ok(place.metadata()?.is_file())
    };
    is_setting().ok()?.then(|| found.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader, told},
    };

    #[test]
    fn names_lead_where_sysctl_finds_them() {
        let of = |name: &str| path(name).map(|path| path.replace("/proc/sys/", ""));
        assert_eq!(of("net.ipv4.ip_forward").as_deref(), Some("net/ipv4/ip_forward"));
        assert_eq!(of("net/ipv4/conf/eth0.1/x").as_deref(), Some("net/ipv4/conf/eth0.1/x"));
        assert_eq!(of("net.ipv4.conf.eth0/1.x").as_deref(), Some("net/ipv4/conf/eth0.1/x"));
        for bad in ["", ".", "../../etc/shadow", "a..b", "net/../../x", "/etc/passwd", "a\0b"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_numbers_and_texts_are_texts() {
        let made = MadeUp::new(&[
            ("/proc/sys/net/ipv4/ip_forward", "1\n"),
            ("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
            ("/proc/sys/kernel/core_pattern", "|/bin/x %p\n"),
            ("/proc/sys/kernel/empty", "\n"),
            ("/proc/sys/kernel/big", "18446744073709551615\n"),
        ]);
        let of = |name| setting(made.reader(), name).unwrap().unwrap();
        assert_eq!(of("net.ipv4.ip_forward"), 1);
        assert_eq!(of("net.ipv4.tcp_rmem"), "4096 131072 6291456");
        assert_eq!(of("kernel.core_pattern"), "|/bin/x %p");
        assert_eq!(of("kernel.empty"), "");
        assert_eq!(of("kernel.big"), "18446744073709551615");
        assert_eq!(setting(made.reader(), "net.ipv6.x").unwrap(), None);
        assert!(setting(made.reader(), "net.ipv4").unwrap_err().text.contains("ip_forward"));
        assert!(
            unknown(made.reader(), "net.ipv4.ip_foward").text.contains("did you mean `net.ipv4.ip_forward`")
        );
    }

    #[test]
    fn every_setting_is_as_sysctl_says() {
        let facts = Facts::default();
        let Some(all) = told("sysctl", &["-a"]).or_else(|| told("busybox", &["sysctl", "-a"])) else {
            return;
        };
        let mut compared = 0;
        // Counters and the random number generator are other ones a moment later.
        let moves = |name: &str| {
            ["random", "nr", "state", "dentry", "ns_last_pid", "random_table"]
                .iter()
                .any(|part| name.contains(part))
        };
        for (name, value) in
            all.lines().filter_map(|line| line.split_once(" = ")).filter(|(name, _)| !moves(name))
        {
            let Some(found) = setting(reader(&facts), name).unwrap() else { panic!("{name}") };
            let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            if found.lines().count() <= 1 && all.matches(&format!("{name} = ")).count() == 1 {
                assert_eq!(found, value, "{name}");
                compared += 1;
            }
        }
        assert!(compared > 100, "{compared}");
    }
}
