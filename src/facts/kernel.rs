//! The kernel and the operating system: releases, security modules, command line, build configuration.

use std::{collections::BTreeMap, io::Read};

use flate2::read::GzDecoder;
use serde_json::{Map, Value};

use super::{
    FactError, Reader,
    error::{if_there, is_missing},
    record::record,
    root::LIMIT,
};
use crate::{raw, values::nearest};

record! {
    /// The running kernel.
    Kernel {
        /// As `uname -r`: `6.1.0-30-amd64`.
        release: String,
        /// As `uname -v`.
        version: Option<String>,
        /// First number of the release.
        major: u32,
        /// Second number of the release.
        minor: u32,
        /// Third number of the release, 0 without one.
        patch: u32,
        /// Its taint bits; 0 for none.
        tainted: Option<u64>,
        /// `none`, `integrity` or `confidentiality`; `()` for a kernel without lockdown, or where securityfs is not mounted.
        lockdown: Option<String>,
    }
}

record! {
    /// The kernel's command line.
    CommandLine {
        /// The whole line.
        text: String,
        /// Its words in order.
        words: Vec<String>,
        /// What has a value, by name; the last of several counts. A word without `=` is true.
        options: Map<String, Value>,
    }
}

/// # Errors
/// If /proc is not there.
pub fn kernel(reader: Reader<'_>) -> Result<Kernel, FactError> {
    let root = reader.root();
    let path = "/proc/sys/kernel/osrelease";
    let release = root.line(path).map_err(|error| FactError::read(path, &error))?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    let lockdown = root.line("/sys/kernel/security/lockdown").ok();
    let lockdown = lockdown.and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0.to_owned()));
    Ok(Kernel {
        major: next(),
        minor: next(),
        patch: next(),
        version: root.line("/proc/sys/kernel/version").ok(),
        tainted: root.line("/proc/sys/kernel/tainted").ok().and_then(|text| text.parse().ok()),
        lockdown,
        release,
    })
}

/// Returns the active security modules, in the kernel's order; `None` where securityfs is not mounted.
///
/// # Errors
/// If they are there and cannot be read.
pub fn lsm(reader: Reader<'_>) -> Result<Option<Vec<String>>, FactError> {
    let path = "/sys/kernel/security/lsm";
    let text = if_there(path, reader.root().line(path))?;
    Ok(text.map(|text| text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()))
}

/// Returns os-release, its names in small letters; empty without one.
///
/// # Errors
/// If it is there and cannot be read.
pub fn os(reader: Reader<'_>) -> Result<BTreeMap<String, String>, FactError> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        if let Some(text) = if_there(path, reader.root().text(path))? {
            let assignments = text.lines().filter_map(|line| line.trim().split_once('='));
            return Ok(assignments
                .filter(|(name, _)| !name.starts_with('#'))
                .map(|(name, value)| (name.to_ascii_lowercase(), unquoted(value)))
                .collect());
        }
    }
    Ok(BTreeMap::new())
}

/// A value as a shell reads it: os-release(5) allows quotes, and `\` before what is special.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let inner = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    if let Some(plain) = inner('\'') {
        return plain.to_owned();
    }
    let mut out = String::new();
    let mut characters = inner('"').unwrap_or(value).chars();
    while let Some(c) = characters.next() {
        out.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    out
}

/// Returns the host's name: the kernel's, or what /etc/hostname says where there is no /proc.
///
/// # Errors
/// If neither can be read.
pub fn hostname(reader: Reader<'_>) -> Result<String, FactError> {
    let path = "/proc/sys/kernel/hostname";
    let read = |path: &str| reader.root().line(path);
    read(path)
        .or_else(|error| read("/etc/hostname").map_err(|_| error))
        .map_err(|error| FactError::read(path, &error))
}

/// Returns what runs as process 1: `systemd`, `init` …
///
/// # Errors
/// If it cannot be read.
pub fn init(reader: Reader<'_>) -> Result<Option<String>, FactError> {
    let path = "/proc/1/comm";
    if_there(path, reader.root().line(path))
}

/// # Errors
/// If it cannot be read.
pub fn command_line(reader: Reader<'_>) -> Result<CommandLine, FactError> {
    let path = "/proc/cmdline";
    let text = reader.root().line(path).map_err(|error| FactError::read(path, &error))?;
    let words = words(&text);
    let option = |word: &String| match word.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.trim_matches('"').to_owned().into()),
        None => (word.clone(), true.into()),
    };
    Ok(CommandLine { options: words.iter().map(option).collect(), words, text })
}

/// Words, in which `"…"` may hold spaces, as the kernel parses them.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        quoted ^= c == '"';
        match (c.is_ascii_whitespace() && !quoted, words.last_mut()) {
            (false, Some(word)) => word.push(c),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns a setting of the kernel's build: `y` and `m`, a number as it is written, a text without quotes; `None` if it is
/// not set.
///
/// # Errors
/// If the configuration is nowhere to be read, or this cannot be the name of a setting.
pub fn config(reader: Reader<'_>, name: &str) -> Result<Option<String>, FactError> {
    let whole = if name.starts_with("CONFIG_") { name.to_owned() } else { format!("CONFIG_{name}") };
    if !whole.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        let text =
            format!("{name:?} cannot be a setting of the kernel's build; allowed: letters, digits, `_`");
        return Err(FactError::script(text, name));
    }
    let text = config_text(reader)?;
    let value = text.lines().find_map(|line| line.strip_prefix(&whole)?.strip_prefix('='));
    if let Some(value) = value {
        return Ok(Some(value.trim_matches('"').to_owned()));
    }
    let off = |line: &str| Some(line.strip_prefix("# ")?.strip_suffix(" is not set")?.to_owned());
    let known =
        text.lines().filter_map(|line| off(line).or_else(|| Some(line.split_once('=')?.0.to_owned())));
    let known: Vec<String> = known.collect();
    // What depends on something that is off is not mentioned at all, so an unknown name is no error; a slip in letters is.
    if !known.contains(&whole)
        && name.chars().any(|c| c.is_ascii_lowercase())
        && let Some(near) = nearest(&whole, known.iter().map(String::as_str))
    {
        let text = format!("the kernel's build has no setting `{whole}` (did you mean `{near}`?)");
        return Err(FactError::script(text, name));
    }
    Ok(None)
}

fn config_text(reader: Reader<'_>) -> Result<String, FactError> {
    let root = reader.root();
    let packed = "/proc/config.gz";
    match root.bytes(packed) {
        Ok(bytes) => {
            let mut text = Vec::new();
            GzDecoder::new(&*bytes)
                .take(LIMIT)
                .read_to_end(&mut text)
                .map_err(|error| FactError::read(packed, &error))?;
            return Ok(raw::text(&text));
        }
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(FactError::read(packed, &error)),
    }
    let release = kernel(reader)?.release;
    let places = [
        format!("/boot/config-{release}"),
        format!("/lib/modules/{release}/config"),
        format!("/usr/lib/modules/{release}/config"),
    ];
    for place in &places {
        if let Some(text) = if_there(place, root.text(place))? {
            return Ok(text);
        }
    }
    Err(FactError::system(format!(
        "the kernel's configuration is not here: neither {packed} nor {}",
        places.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader, told},
    };

    #[test]
    fn the_running_kernel_is_as_uname_says() {
        let facts = Facts::default();
        let found = kernel(reader(&facts)).unwrap();
        let uname = nix::sys::utsname::uname().unwrap();
        assert_eq!(found.release, uname.release().to_str().unwrap());
        assert_eq!(found.version.as_deref(), uname.version().to_str());
        assert_eq!(hostname(reader(&facts)).unwrap(), uname.nodename().to_str().unwrap());
        assert!(found.release.starts_with(&format!("{}.{}", found.major, found.minor)));
        let shell = ". /etc/os-release; printf %s \"$PRETTY_NAME\"";
        if let Some(name) = told("sh", &["-c", shell]) {
            assert_eq!(os(reader(&facts)).unwrap().get("pretty_name"), Some(&name));
        }
    }

    #[test]
    fn a_made_up_root_has_what_it_says() {
        let made = MadeUp::new(&[
            ("/proc/sys/kernel/osrelease", "7.3.0-rc1\n"),
            ("/proc/cmdline", "root=/dev/sda quiet lsm=\"a,b c\" root=/dev/vda\n"),
            (
                "/boot/config-7.3.0-rc1",
                "CONFIG_A=y\nCONFIG_TEXT=\"x y\"\n# CONFIG_MODULE_SIG is not set\nCONFIG_HZ=250\n",
            ),
            ("/usr/lib/os-release", "ID=debian\n#X=1\nPRETTY_NAME=\"A \\\"B\\\"\"\nVERSION_ID='12'\n"),
            ("/etc/hostname", "made-up\n"),
            ("/sys/kernel/security/lsm", "lockdown,capability,bpf"),
            ("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n"),
        ]);
        made.link("/etc/os-release", "../usr/lib/os-release");
        let reader = made.reader();
        let found = kernel(reader).unwrap();
        assert_eq!((found.major, found.minor, found.patch), (7, 3, 0));
        assert_eq!((found.lockdown.as_deref(), found.tainted), (Some("integrity"), None));
        assert_eq!(lsm(reader).unwrap().unwrap(), ["lockdown", "capability", "bpf"]);
        assert_eq!(hostname(reader).unwrap(), "made-up");
        let os = os(reader).unwrap();
        assert_eq!((&*os["pretty_name"], &*os["version_id"], os.len()), ("A \"B\"", "12", 3));
        let line = command_line(reader).unwrap();
        assert_eq!(line.words.len(), 4);
        assert_eq!(
            (&line.options["root"], &line.options["quiet"]),
            (&Value::from("/dev/vda"), &Value::from(true))
        );
        assert_eq!(line.options["lsm"], "a,b c");
        let of = |name| config(reader, name).unwrap();
        assert_eq!(of("CONFIG_A").as_deref(), Some("y"));
        assert_eq!((of("TEXT").as_deref(), of("HZ").as_deref()), (Some("x y"), Some("250")));
        assert_eq!([of("MODULE_SIG"), of("CONFIG_MODULE_SIG_FORCE")], [None, None]);
        assert!(config(reader, "module_Sig").unwrap_err().text.contains("did you mean `CONFIG_MODULE_SIG`"));
        assert!(config(reader, "A\nB").unwrap_err().text.contains("allowed"));
    }

    #[test]
    fn without_a_configuration_nothing_is_said_to_be_off() {
        let made = MadeUp::new(&[("/proc/sys/kernel/osrelease", "7.3.0\n")]);
        let error = config(made.reader(), "CONFIG_A").unwrap_err();
        assert!(error.text.contains("/boot/config-7.3.0"), "{error}");
        made.file("/proc/config.gz", "not gzip");
        assert!(config(made.reader(), "CONFIG_A").is_err());
    }

    #[test]
    fn the_running_kernel_s_configuration_is_as_zcat_has_it() {
        let facts = Facts::default();
        let Some(text) = told("zcat", &["/proc/config.gz"]).filter(|text| !text.is_empty()) else { return };
        for line in text.lines().filter(|line| line.starts_with("CONFIG_")).take(200) {
            let (name, value) = line.split_once('=').unwrap();
            assert_eq!(
                config(reader(&facts), name).unwrap().as_deref(),
                Some(value.trim_matches('"')),
                "{name}"
            );
        }
    }
}
