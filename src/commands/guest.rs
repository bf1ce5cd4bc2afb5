//! What commands that boot a lab's guest have in common: which kernel, which files, and how a script comes in.
//!
//! In: arguments, and the global flags. Out: a [`Request`], and the words by which the guest's own command line names the script.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    globals::Globals,
    lab::{self, Command, Extra, LabError, Request},
    script::{Source, gather_imports},
    source,
};

/// The guest.
#[derive(Debug, Clone, clap::Args)]
pub struct GuestArgs {
    /// Kernel to boot: the path of an image (/boot/vmlinuz-…), or the name of a cached one
    #[arg(long, value_name = "NAME|PATH", value_hint = clap::ValueHint::FilePath)]
    pub kernel: Option<String>,

    /// File to put into the guest, under /lab or at the path after a colon
    #[arg(long = "with", value_hint = clap::ValueHint::FilePath, value_name = "FILE[:/PATH]", value_parser = parse_with)]
    pub with: Vec<With>,

    /// Time the guest may take, boot included (an interactive one has no limit of its own)
    #[arg(long, value_name = "DURATION", value_parser = crate::values::duration::parse)]
    pub timeout: Option<Duration>,

    /// Further words for the kernel's command line, such as `lockdown=integrity`
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub append: Vec<String>,

    /// Processors of the guest
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub cpus: u32,

    /// Memory of the guest
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_memory)]
    pub memory: String,

    /// Let guest time count instructions, so that measured ratios repeat exactly (slower)
    #[arg(long)]
    pub icount: bool,
}

/// One `--with`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct With {
    pub host: PathBuf,
    pub guest: PathBuf,
}

/// How a script comes into the guest.
#[derive(Default)]
pub struct GuestScript {
    /// By these words it is named there.
    pub words: Vec<String>,
    pub stdin: Vec<u8>,
    pub files: Vec<Extra>,
}

impl GuestScript {
    /// Takes code, a file or standard input, and what it imports; nothing, if there is neither.
    ///
    /// # Errors
    /// If something cannot be read.
    pub fn read(code: Option<&str>, script: Option<&Path>) -> Result<Self, LabError> {
        let mut taken = GuestScript::default();
        match (code, script) {
            (Some(code), _) => {
                taken.files.extend(imports("-e", code, Path::new("/lab/-e"))?);
                taken.words.extend(["-e".to_owned(), code.to_owned()]);
            }
            (None, Some(script)) if script.as_os_str() == "-" => {
                io::stdin()
                    .read_to_end(&mut taken.stdin)
                    .map_err(|error| LabError::io("reading the script from standard input", error))?;
                let text = String::from_utf8_lossy(&taken.stdin).into_owned();
                taken.files.extend(imports("-", &text, Path::new("/lab/-"))?);
                taken.words.push("-".to_owned());
            }
            (None, Some(script)) => {
                let script = super::script_args::path_of(script);
                let guest = lab::guest_path(&script);
                taken.words.push(in_lab(&guest));
                // What is wrong with the script itself is said in the guest.
                let text = fs::read(&script).unwrap_or_default();
                let name = script.display().to_string();
                taken.files.extend(imports(&name, &String::from_utf8_lossy(&text), &guest)?);
                taken.files.push(extra(&script, guest)?);
            }
            (None, None) => {}
        }
        Ok(taken)
    }
}

impl GuestArgs {
    /// Returns the files that `--with` names.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn files(&self) -> Result<Vec<Extra>, LabError> {
        self.with.iter().map(|with| extra(&with.host, with.guest.clone())).collect()
    }

    /// Returns what boots this guest.
    #[must_use]
    pub fn request(
        &self,
        command: Command,
        files: Vec<Extra>,
        timeout: Duration,
        globals: &Globals,
    ) -> Request {
        Request {
            kernel: self.kernel.clone(),
            files,
            timeout: self.timeout.unwrap_or(timeout),
            append: self.append.clone(),
            memory: self.memory.clone(),
            cpus: self.cpus,
            icount: self.icount,
            chatty: globals.verbose > 0,
            ..Request::new(command)
        }
    }
}

/// Returns the flags of every command as the guest's words, and adds the files that they name.
///
/// # Errors
/// If one cannot be read.
pub fn flags(globals: &Globals, files: &mut Vec<Extra>) -> Result<Vec<String>, LabError> {
    let mut words = globals.words();
    for (number, directory) in globals.template_dirs.iter().enumerate() {
        let guest = Path::new(TEMPLATES).join(number.to_string());
        words.push(format!("--template-dir={}", guest.display()));
        files.extend(objects(directory, &guest)?);
    }
    Ok(words)
}

/// Where the guest has what has a name in this machine's directories of scripts.
const SCRIPTS: &str = "/etc/krsi-sh/scripts";

/// The files that a script imports, in places where the guest finds them as this machine does. What is part of the program is there.
fn imports(name: &str, text: &str, guest: &Path) -> Result<Vec<Extra>, LabError> {
    let source = Source { name: name.to_owned(), text: text.to_owned() };
    let all = gather_imports(&source, &source::imports::unjudged()).map_err(|error| {
        LabError::io("gathering what the script imports", io::Error::other(error.to_string()))
    })?;
    let mut places: HashMap<String, PathBuf> = HashMap::new();
    let mut files: Vec<Extra> = Vec::new();
    for import in all {
        let Some(host) = &import.found.path else { continue };
        let from = import.of.as_ref().map_or(Some(guest), |key| places.get(key).map(PathBuf::as_path));
        let file = format!("{}.rhai", import.found.label);
        let place = match (import.path.starts_with("./"), from.and_then(Path::parent)) {
            (true, Some(beside)) => beside.join(file),
            _ => Path::new(SCRIPTS).join(file),
        };
        if !files.iter().any(|taken| taken.guest == place) {
            files.push(extra(host, place.clone())?);
        }
        places.entry(import.found.key).or_insert(place);
    }
    Ok(files)
}

/// Where the guest has templates that are not built in.
const TEMPLATES: &str = "/lab/templates";

/// The files of a directory with templates; that they are some is found out where they are used.
fn objects(directory: &Path, guest: &Path) -> Result<Vec<Extra>, LabError> {
    let failed = |error| LabError::io(format!("reading {}", directory.display()), error);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if source::template_stem(&entry.path()).is_some() {
            files.push(extra(&entry.path(), guest.join(entry.file_name()))?);
        }
    }
    Ok(files)
}

/// A guest path as seen from `/lab`, where the command starts: scripts are named
/// in messages as they are on the host, and never look like a subcommand.
fn in_lab(guest: &Path) -> String {
    let name = guest.strip_prefix("/lab").unwrap_or(guest).display().to_string();
    if name.contains('/') { name } else { format!("./{name}") }
}

fn extra(host: &Path, guest: PathBuf) -> Result<Extra, LabError> {
    let meta =
        fs::metadata(host).map_err(|error| LabError::io(format!("reading {}", host.display()), error))?;
    if !meta.is_file() {
        let error = io::Error::other("it is not a regular file");
        return Err(LabError::io(format!("putting {} into the guest", host.display()), error));
    }
    // What others may do to the host's file says nothing about the guest's copy.
    let mode = if meta.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
    Ok(Extra { host: host.to_owned(), guest, mode })
}

fn parse_with(text: &str) -> Result<With, String> {
    let (host, guest) = match text.rsplit_once(":/") {
        Some((host, guest)) => (host, Some(format!("/{guest}"))),
        None => (text, None),
    };
    let name = Path::new(host).file_name().ok_or_else(|| format!("`{host}` names no file"))?;
    let guest = match guest {
        Some(guest) if guest.ends_with('/') => Path::new(&guest).join(name),
        Some(guest) if guest.split('/').any(|part| part == "..") => {
            return Err(format!("`{guest}` has `..` in it; the guest's path is taken as it is"));
        }
        Some(guest) => guest.into(),
        None => Path::new("/lab").join(name),
    };
    Ok(With { host: host.into(), guest })
}

/// MiB that a guest needs to boot, and more than any machine gives one.
const MEMORY: std::ops::RangeInclusive<u64> = 192..=1 << 20;

fn parse_memory(text: &str) -> Result<String, String> {
    let (number, unit) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(number) => (number, text.chars().next_back()),
        None => (text, None),
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse::<u64>().ok().filter(|_| digits);
    let number = number.ok_or_else(|| {
        format!("`{text}` is not a size; allowed: a number with a unit, such as 512M or 2G")
    })?;
    // QEMU takes a number without a unit as MiB.
    let mib = match unit {
        Some('K') => number / 1024,
        Some('G') => number.saturating_mul(1024),
        _ => number,
    };
    if MEMORY.contains(&mib) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "a guest of {text} does not boot; allowed: {}M to {}G",
            MEMORY.start(),
            MEMORY.end() / 1024
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_under_lab_or_where_it_is_told() {
        let with = |host: &str, guest: &str| With { host: host.into(), guest: guest.into() };
        assert_eq!(parse_with("a/rules.json"), Ok(with("a/rules.json", "/lab/rules.json")));
        assert_eq!(parse_with("a:/etc/b"), Ok(with("a", "/etc/b")));
        assert_eq!(parse_with("x/a:/etc/"), Ok(with("x/a", "/etc/a")));
        assert!(parse_with("a:/lab/../init").is_err());
        assert!(parse_with("/").is_err());
    }

    #[test]
    fn what_a_script_imports_is_taken_along() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write("a.rhai", "import \"./b\" as b; import \"lib/net\" as net;");
        write("b.rhai", "import \"./sub/c\" as c; import \"lib/text\" as text;");
        write("sub/c.rhai", "import \"./d\" as d; fn f() { d::f() }");
        write("sub/d.rhai", "fn f() { 1 }");
        let name = directory.path().join("a.rhai").display().to_string();
        let text = fs::read_to_string(&name).unwrap();
        let files = imports(&name, &text, Path::new("/lab/a.rhai")).unwrap();
        let mut guest: Vec<_> = files.iter().map(|file| file.guest.display().to_string()).collect();
        guest.sort();
        assert_eq!(guest, ["/lab/b.rhai", "/lab/sub/c.rhai", "/lab/sub/d.rhai"]);
        let Err(error) = imports(&name, "import \"./none\" as none;", Path::new("/lab/a.rhai")) else {
            panic!("it is taken along")
        };
        assert!(error.to_string().contains("imports \"./none\""), "{error}");
    }

    #[test]
    fn a_script_is_named_inside_as_outside_and_never_like_a_subcommand() {
        assert_eq!(in_lab(Path::new("/lab/scripts/demo.rhai")), "scripts/demo.rhai");
        assert_eq!(in_lab(Path::new("/lab/check")), "./check");
    }

    #[test]
    fn a_size_is_a_number_with_a_unit_and_nothing_else() {
        assert!(parse_memory("512M").is_ok() && parse_memory("1G").is_ok());
        for text in ["16M", "1", "0G", "100K", "99999999999G"] {
            assert!(parse_memory(text).unwrap_err().contains("allowed: 192M"), "{text}");
        }
        assert!(parse_memory("1G,slots=3").is_err());
        assert!(parse_memory("G").is_err());
    }
}
