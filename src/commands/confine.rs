//! What stands behind a script that is about a command, such as `jail`: its own words, `--profile` and `--learn`, and behind `--` the command.
//!
//! In: these words. Out: the script's own; the profiles, read and judged as scripts are, that are enforced beside the script; or what is to be learned
//! under it. A profile narrows and never widens: what is to be allowed, both have to allow.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use super::script_args::{ScriptError, path_of};
use crate::{
    report::printable,
    script::{Header, Source},
    source::{self, SourceError},
};

/// What the words say.
#[derive(Debug, Default)]
pub struct Confined {
    /// The script's own.
    pub words: Vec<OsString>,
    /// What is enforced beside the script, each with its words.
    pub profiles: Vec<(Source, Vec<String>)>,
    /// What the command does is learned.
    pub lesson: Option<Lesson>,
}

/// Where what is learned goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lesson {
    pub output: Option<PathBuf>,
    pub refine: Option<PathBuf>,
}

/// Why a script cannot be run about a command.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    #[error(
        "{script} is about a command, and there is none\nfix: krsi-sh run {script} [OPTIONS] -- COMMAND…, or -p PID before the script for one that runs; `krsi-sh run {script} --help` lists the options"
    )]
    NoCommand { script: String },
    #[error(
        "process {pid} of -p and a command behind `--`: a script is about one of them\nfix: leave one out"
    )]
    TwoTargets { pid: i32 },
    #[error("{option}: a file is missing\nfix: {option} FILE")]
    NoFile { option: &'static str },
    #[error(
        "--learn does not say where to\nfix: --learn -o p.rhai for a new profile, --learn --refine p.rhai to add to one"
    )]
    NoPlace,
    #[error(
        "{option} is for what is learned\nfix: --learn {option} FILE; to enforce a profile: --profile FILE"
    )]
    NotLearning { option: &'static str },
    #[error(
        "--learn watches what --profile would refuse\nfix: --learn --refine FILE adds to a profile what it does not allow yet; without --learn it is enforced"
    )]
    Both,
    #[error("--profile {path}: its name has a comma, which sets names apart\nfix: another name")]
    Comma { path: String },
    #[error(
        "--profile {path}: this is no profile of a command\nallowed: what `krsi-sh run jail --learn -o FILE -- COMMAND` or `krsi-sh learn -o FILE -c COMMAND` has written: a guard with `// target: command` in its header"
    )]
    NoProfile { path: String },
    #[error("--profile {path}: {why}")]
    Profile { path: String, why: String },
    #[error("--learn is an option of `run`\nfix: krsi-sh run SCRIPT --learn -o FILE -- COMMAND…")]
    OnlyRun,
    #[error(
        "-i goes on at a prompt, and the script is about a command, with which its session ends\nfix: leave -i out"
    )]
    Prompt,
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl From<ConfineError> for ScriptError {
    fn from(error: ConfineError) -> Self {
        ScriptError::Confine(error.to_string())
    }
}

/// Whether a script says that it is about a command. A header that is none is said when it is run.
pub fn is_about_a_command(source: &Source) -> bool {
    matches!(Header::of(&source.text), Ok(Some(header)) if header.needs_target)
}

/// Tells the words before `--` from the command behind it, which is `None` without a `--`.
pub fn parted(words: &[OsString]) -> (&[OsString], Option<&[OsString]>) {
    match words.iter().position(|word| word == "--") {
        Some(at) => (&words[..at], Some(&words[at + 1..])),
        None => (words, None),
    }
}

impl Confined {
    /// Reads the words before `--`.
    ///
    /// # Errors
    /// If they contradict each other, or a profile cannot or must not be read.
    pub fn read(own: &[OsString]) -> Result<Self, ConfineError> {
        let mut confined = Confined::default();
        let (mut learns, mut lesson) = (false, Lesson::default());
        let mut words = own.iter();
        while let Some(word) = words.next() {
            let mut value = |option: &'static str| -> Result<OsString, ConfineError> {
                let attached = attached(word, option);
                let value = attached.map(OsStr::to_owned).or_else(|| words.next().cloned());
                value.filter(|value| !value.is_empty()).ok_or(ConfineError::NoFile { option })
            };
            match () {
                () if word == "--learn" => learns = true,
                () if is(word, "-o") => lesson.output = Some(value("-o")?.into()),
                () if is(word, "--output") => lesson.output = Some(value("--output")?.into()),
                () if is(word, "--refine") => lesson.refine = Some(value("--refine")?.into()),
                () if is(word, "--profile") => {
                    let whole = confined.profile(&value("--profile")?)?;
                    confined.words.extend(["--profile".into(), whole]);
                }
                () => confined.words.push(word.clone()),
            }
        }
        match (learns, lesson) {
            (false, Lesson { output: Some(_), .. }) => Err(ConfineError::NotLearning { option: "-o" }),
            (false, Lesson { refine: Some(_), .. }) => Err(ConfineError::NotLearning { option: "--refine" }),
            (false, _) => Ok(confined),
            (true, Lesson { output: None, refine: None }) => Err(ConfineError::NoPlace),
            (true, _) if !confined.profiles.is_empty() => Err(ConfineError::Both),
            (true, lesson) => {
                let place = lesson
                    .output
                    .as_ref()
                    .or(lesson.refine.as_ref())
                    .filter(|place| place.as_os_str() != "-");
                // Who is watched must not make the file before it is made, and a link least of all.
                if let Some(place) = place {
                    confined.words.extend(["--profile".into(), whole_place(place)?]);
                }
                Ok(Confined { lesson: Some(lesson), ..confined })
            }
        }
    }

    /// Reads profiles, one or several with commas; gives their whole paths, as the script has them: it keeps the command from changing
    /// them.
    fn profile(&mut self, value: &OsStr) -> Result<OsString, ConfineError> {
        let mut whole = OsString::new();
        for name in value.as_encoded_bytes().split(|byte| *byte == b',').filter(|name| !name.is_empty()) {
            let name = String::from_utf8_lossy(name).into_owned();
            let shown = || printable(&name).into_owned();
            let path = path_of(Path::new(&name));
            let source = source::file(&path)?;
            let header = Header::of(&source.text)
                .map_err(|error| ConfineError::Profile { path: shown(), why: error.to_string() })?;
            let is_profile = header.is_some_and(|header| header.needs_target && header.purpose.enforces());
            if !is_profile {
                return Err(ConfineError::NoProfile { path: shown() });
            }
            let path = path
                .canonicalize()
                .map_err(|error| ConfineError::Profile { path: shown(), why: error.to_string() })?;
            if path.as_os_str().as_encoded_bytes().contains(&b',') {
                return Err(ConfineError::Comma { path: shown() });
            }
            if !whole.is_empty() {
                whole.push(",");
            }
            whole.push(&path);
            self.profiles.push((source, Vec::new()));
        }
        if whole.is_empty() { Err(ConfineError::NoFile { option: "--profile" }) } else { Ok(whole) }
    }

    /// Gives profiles the words that hold for the whole session: whether they refuse, and for how long.
    pub fn settle(&mut self) {
        let mut words = vec!["--shadow=false".to_owned()];
        let mut own = self.words.iter().filter_map(|word| word.to_str());
        while let Some(word) = own.next() {
            match word.split_once('=') {
                Some(("--shadow" | "--lease", _)) => words.push(word.to_owned()),
                None if word == "--shadow" => words.push(word.to_owned()),
                None if word == "--lease" => {
                    words.extend([Some(word), own.next()].into_iter().flatten().map(str::to_owned))
                }
                _ => {}
            }
        }
        self.profiles.iter_mut().for_each(|(_, args)| args.clone_from(&words));
    }

    /// Whether the script is only asked what there is.
    pub fn asks_for_help(&self) -> bool {
        self.words.iter().any(|word| word == "--help" || word == "-h")
    }
}

/// The whole path of a file that need not be there.
fn whole_place(path: &Path) -> Result<OsString, ConfineError> {
    let shown = || printable(&path.to_string_lossy()).into_owned();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = directory
        .canonicalize()
        .map_err(|error| ConfineError::Profile { path: shown(), why: error.to_string() })?
        .join(path.file_name().unwrap_or_default());
    if whole.as_os_str().as_encoded_bytes().contains(&b',') {
        return Err(ConfineError::Comma { path: shown() });
    }
    Ok(whole.into_os_string())
}

fn is(word: &OsStr, option: &str) -> bool {
    word == option || attached(word, option).is_some()
}

/// What stands behind `--option=` in one word.
fn attached<'w>(word: &'w OsStr, option: &str) -> Option<&'w OsStr> {
    use std::os::unix::ffi::OsStrExt as _;
    let rest = word.as_bytes().strip_prefix(option.as_bytes())?.strip_prefix(b"=")?;
    Some(OsStr::from_bytes(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Confined, String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Confined::read(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_the_scripts_stays_and_what_is_learned_is_taken_out() {
        let confined = read(&["--offline", "--learn", "-o", "p.rhai", "--writable", "/x"]).unwrap();
        assert_eq!(confined.words[..3], ["--offline", "--writable", "/x"]);
        // It is kept from the command.
        let place = std::env::current_dir().unwrap().canonicalize().unwrap().join("p.rhai");
        assert_eq!(confined.words[3..], ["--profile".into(), place.into_os_string()]);
        assert_eq!(confined.lesson, Some(Lesson { output: Some("p.rhai".into()), refine: None }));
        let confined = read(&["--learn", "--refine=p.rhai"]).unwrap();
        assert_eq!(confined.lesson.unwrap().refine, Some("p.rhai".into()));
        assert!(read(&["--learn"]).unwrap_err().contains("--learn -o p.rhai"));
        assert!(read(&["-o", "p.rhai"]).unwrap_err().contains("fix: --learn -o FILE"));
        assert!(read(&["--learn", "-o"]).unwrap_err().contains("a file is missing"));
        assert!(read(&["--profile="]).unwrap_err().contains("a file is missing"));
    }

    #[test]
    fn a_profile_is_one_and_is_named_by_its_whole_path() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let header = "// guard: A\n// about: A\n// attack: T1059\n// severity: low\n// needs: exec\n// target: command\n// false positives: none\n// sample:\n//   a\n";
        std::fs::write(at("p.rhai"), header).unwrap();
        std::fs::write(at("q.rhai"), header.replace("// target: command\n", "")).unwrap();
        let mut confined = read(&["--profile", &at("p.rhai"), "--shadow", "--lease", "5m"]).unwrap();
        let whole = std::fs::canonicalize(at("p.rhai")).unwrap();
        assert_eq!(confined.words[..2], ["--profile".into(), whole.into_os_string()]);
        confined.settle();
        assert_eq!(confined.profiles[0].1, ["--shadow=false", "--shadow", "--lease", "5m"]);
        assert!(read(&["--profile", &at("q.rhai")]).unwrap_err().contains("no profile of a command"));
        assert!(read(&["--profile", &at("none.rhai")]).unwrap_err().contains("none.rhai"));
        let both = read(&["--learn", "-o", "x", "--profile", &at("p.rhai")]).unwrap_err();
        assert!(both.contains("--learn --refine FILE"), "{both}");
    }
}
