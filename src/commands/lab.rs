//! `krsi-sh lab`: the same command line, in a throwaway virtual machine.
//!
//! In: arguments, and the global flags as they were given. Out: the guest's
//! output and exit code as if they were this process's own. What is asked of the
//! guest is `krsi-sh` with the same flags, so a script cannot tell the lab from
//! the host but by what it finds there.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::complain;
use crate::{
    exit,
    globals::Globals,
    lab::{self, Command, Extra, LabError, Request, Streams, Verdict},
    script::{Source, gather_imports},
    source,
};

/// Run a script in a throwaway virtual machine, or get a prompt there
///
/// The guest has BPF LSM on, no network, and nothing of this machine but krsi-sh itself, the
/// script, and what --with puts there. Output and exit code are the script's. Arguments of the
/// script stand behind `--`.
#[derive(Debug, Clone, clap::Args)]
pub struct LabArgs {
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

    /// Run this code instead of a script
    #[arg(short = 'e', value_name = "CODE", conflicts_with = "script", allow_hyphen_values = true)]
    pub code: Option<String>,

    /// Script to run in the guest, `-` for standard input; without one, an interactive shell
    #[arg(value_name = "SCRIPT", value_hint = clap::ValueHint::FilePath)]
    pub script: Option<PathBuf>,

    /// Arguments of the script
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// One `--with`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct With {
    pub host: PathBuf,
    pub guest: PathBuf,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// A guest somebody types into ends when they say so.
const INTERACTIVE_TIMEOUT: Duration = Duration::from_secs(366 * 24 * 3600);

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &LabArgs, globals: &Globals) -> i32 {
    let outcome = request(args, globals).and_then(|request| {
        if matches!(request.command, Command::Interactive { .. }) && !globals.quiet {
            complain("lab: booting a guest; Ctrl-] ends it");
        }
        let (mut stdout, mut stderr, mut log) = (io::stdout(), io::stderr(), io::stderr());
        let console: Option<&mut (dyn Write + Send)> =
            if globals.verbose > 0 { Some(&mut log) } else { None };
        lab::run(&request, Streams { stdout: &mut stdout, stderr: &mut stderr, console })
    });
    match outcome {
        Ok(verdict) => {
            if globals.verbose > 0 {
                complain(format_args!("lab: {}", summary(&verdict)));
            }
            for reason in &verdict.unwritten {
                complain(format_args!("lab: {reason}; some of the guest's output is lost"));
            }
            // As for a script here: its own failure goes before that of its output.
            match verdict.exit_code {
                exit::FINE if !verdict.unwritten.is_empty() => exit::ENVIRONMENT,
                code => code,
            }
        }
        // A reader that has enough is content.
        Err(LabError::OutputClosed) => exit::FINE,
        Err(error) => {
            complain(format_args!("lab: {error}"));
            if matches!(error, LabError::Interrupted) { exit::INTERRUPTED } else { exit::ENVIRONMENT }
        }
    }
}

fn summary(verdict: &Verdict) -> String {
    format!(
        "exit code {} after {:.1} s, {:.1} s of them the boot ({})",
        verdict.exit_code,
        verdict.total.as_secs_f64(),
        verdict.boot.as_secs_f64(),
        verdict.acceleration
    )
}

fn request(args: &LabArgs, globals: &Globals) -> Result<Request, LabError> {
    let mut files = Vec::new();
    for with in &args.with {
        files.push(extra(&with.host, with.guest.clone())?);
    }

    let mut argv = vec!["krsi-sh".to_owned()];
    argv.extend(globals.words());
    for (number, directory) in globals.template_dirs.iter().enumerate() {
        let guest = Path::new(TEMPLATES).join(number.to_string());
        argv.push(format!("--template-dir={}", guest.display()));
        files.extend(objects(directory, &guest)?);
    }
    let mut stdin = Vec::new();
    let command = match (&args.code, &args.script) {
        (None, None) => Command::Interactive { argv },
        (code, script) => {
            match (code, script) {
                (Some(code), _) => {
                    files.extend(imports("-e", code, Path::new("/lab/-e"))?);
                    argv.extend(["-e".to_owned(), code.clone()]);
                }
                (None, Some(script)) if script.as_os_str() == "-" => {
                    io::stdin()
                        .read_to_end(&mut stdin)
                        .map_err(|error| LabError::io("reading the script from standard input", error))?;
                    files.extend(imports("-", &String::from_utf8_lossy(&stdin), Path::new("/lab/-"))?);
                    argv.push("-".to_owned());
                }
                (None, Some(script)) => {
                    let script = super::script_args::path_of(script);
                    let guest = lab::guest_path(&script);
                    argv.push(in_lab(&guest));
                    // What is wrong with the script itself is said in the guest.
                    let text = fs::read(&script).unwrap_or_default();
                    let name = script.display().to_string();
                    files.extend(imports(&name, &String::from_utf8_lossy(&text), &guest)?);
                    files.push(extra(&script, guest)?);
                }
                (None, None) => {}
            }
            if !args.args.is_empty() {
                argv.push("--".to_owned());
                argv.extend(args.args.iter().cloned());
            }
            Command::Run { argv, stdin }
        }
    };

    let timeout = args.timeout.unwrap_or(match command {
        Command::Run { .. } => DEFAULT_TIMEOUT,
        Command::Interactive { .. } => INTERACTIVE_TIMEOUT,
    });
    Ok(Request {
        kernel: args.kernel.clone(),
        files,
        timeout,
        append: args.append.clone(),
        memory: args.memory.clone(),
        cpus: args.cpus,
        icount: args.icount,
        chatty: globals.verbose > 0,
        ..Request::new(command)
    })
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
