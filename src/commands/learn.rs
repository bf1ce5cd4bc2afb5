//! `krsi-sh learn`: an allow-list of what processes do while they are watched, as a script.

use std::{
    cell::{Cell, RefCell},
    ffi::OsString,
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use super::{
    answer, catalogue, complain,
    target::{Read, TargetArgs, TargetError, variables},
};
use crate::{
    exit,
    globals::Globals,
    kernel::Live,
    learning::{Kind, KindError, Known, KnownError, Learned, Learner, Profile, Whom},
    recording::{ReadError, Replay, is_recording},
    report::{Books, Record, Renderer, Sink, Streams, Writer, printable},
    script::{Denials, Session, Source, Target},
    source::{self, SourceError},
    system::whole_file,
    template::Catalogue,
};

/// Watch what processes do, and write a script that allows only that
///
/// The profile is a guard: `krsi-sh run -c PROFILE -- COMMAND` tells what is not in it, and with --shadow=false refuses it. Names of
/// which a part is another at each run (ids of processes, hashes, what mkstemp makes up) become patterns, many files of a directory the
/// directory, many addresses of a network the network; each rule says how often it was seen and by whom. Two runs of one thing make one profile.
/// Whom to learn from is said by -c, -p or --scope; or it is a recording. Events that were lost, and names that could not be read, are said, in
/// the profile too; exit code 5 then.
#[derive(Debug, Clone, clap::Args)]
pub struct LearnArgs {
    /// Profile to write; `-` for standard output. One that is there is not touched
    #[arg(short = 'o', long, value_name = "FILE", required_unless_present = "refine", value_hint = clap::ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// Learn what this profile does not allow yet, and add it to its lists; in place, unless -o names another file
    #[arg(long, value_name = "PROFILE", value_hint = clap::ValueHint::FilePath)]
    pub refine: Option<PathBuf>,

    /// Learn from processes in this scope, as scripts write it: '#{ exe: "/usr/sbin/nginx" }'
    #[arg(long, value_name = "MAP", conflicts_with_all = ["command", "pid"])]
    pub scope: Option<String>,

    #[command(flatten)]
    pub target: TargetArgs,

    /// What to learn, with commas: exec, file_open, create, unlink, connect, sendto, bind [default: exec,file_open,connect]; or a recording to
    /// learn from; with -c, behind `--`, the command
    #[arg(value_names = ["TEMPLATES|RECORDING"], num_args = 0.., trailing_var_arg = true)]
    pub words: Vec<OsString>,

    #[arg(skip)]
    under: Option<Under>,
}

/// How long the errors of a profile that cannot be run have to be written.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// Why nothing is learned.
#[derive(Debug, thiserror::Error)]
enum LearnError {
    #[error(
        "learn: from whom?\nallowed: -c COMMAND…, -p PID, --scope '#{{ exe: \"/usr/sbin/nginx\" }}', or a recording of `krsi-sh record`"
    )]
    Nobody,
    #[error("learn: {0}")]
    Kind(#[from] KindError),
    #[error("argument `{}` is not UTF-8", printable(&.0.to_string_lossy()))]
    Argument(OsString),
    #[error("learn: more than one recording, or templates beside it: {}\nallowed: one recording; -c, -p and --scope are for what happens now", printable(.0))]
    OneRecording(String),
    #[error(
        "the recording was of no command and no process, so whom the profile is about has to be said\nfix: --scope '#{{ exe: \"/usr/sbin/nginx\" }}'"
    )]
    OfWhom,
    #[error("cannot read {}: {why}", .path.display())]
    Known { path: PathBuf, why: KnownError },
    #[error("{} is there already, and is not touched\nfix: another name, or --refine to add to it", .0.display())]
    IsThere(PathBuf),
    #[error("{} has no rules of {missing}, so none can be added\nallowed: {allowed}; or learn a profile of its own", .path.display())]
    OtherKinds { path: PathBuf, missing: String, allowed: String },
    #[error("cannot write {}: {error}", .path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Recording(#[from] ReadError),
}

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &LearnArgs, globals: &Globals) -> i32 {
    match begin(args, globals) {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            if matches!(error, LearnError::Write { .. }) { exit::ENVIRONMENT } else { exit::USAGE }
        }
    }
}

/// Learns what a command does under a script that is about it, such as `jail`: what that refuses is not learned.
#[must_use]
pub fn under(read: Read, globals: &Globals) -> i32 {
    let place = read.lesson.clone().unwrap_or_default();
    let args = LearnArgs {
        output: place.output,
        refine: place.refine,
        scope: None,
        target: read.target.clone(),
        // Behind `--` whatever it begins with.
        words: std::iter::once("--".into()).chain(read.command.iter().cloned()).collect(),
        under: Some(Under { denials: read.denials(), source: read.source, words: read.words }),
    };
    run(&args, globals)
}

/// The script under which something is learned, and its words.
#[derive(Debug, Clone)]
struct Under {
    source: Source,
    words: Vec<String>,
    denials: Option<Rc<Denials>>,
}

/// What is learned, and what has to be said of it.
struct Lesson {
    learned: Learned,
    /// Everything was attached. If not, why has been said, and a profile of nothing would allow nothing.
    begun: bool,
    /// Exit code of the session.
    code: i32,
    doubts: Vec<String>,
    whom: Option<Whom>,
    /// What was watched, in a word.
    of: String,
}

fn begin(args: &LearnArgs, globals: &Globals) -> Result<i32, LearnError> {
    let (own, command) = args.target.split(&args.words);
    if let Some(path) = args.output.as_ref().filter(|path| path.as_os_str() != "-" && path.exists()) {
        return Err(LearnError::IsThere(path.clone()));
    }
    let known = args.refine.as_deref().map(known).transpose()?;
    let (recording, kinds) = recording_or_kinds(&own)?;
    let kinds = match (&known, kinds.is_empty()) {
        (Some(known), true) => known.kinds(),
        (None, true) => Kind::USUAL.to_vec(),
        _ => kinds,
    };
    if let Some(known) = &known {
        refinable(args, known, &kinds)?;
    }
    has_room(args)?;
    let Some(catalogue) = catalogue(globals) else { return Ok(exit::ENVIRONMENT) };
    let known = known.map(Rc::new);
    let mut lesson = match recording {
        Some(_) if args.target.is_asked() => {
            return Err(LearnError::OneRecording("-c or -p".to_owned()));
        }
        Some(recording) => from_recording(&recording, &kinds, known.as_ref(), &catalogue)?,
        None => live(args, &command, &kinds, known.clone(), globals, &catalogue)?,
    };
    if !lesson.begun {
        return Ok(lesson.code);
    }
    lesson.doubts.extend(unlearned(&lesson.learned));
    let scope = args.scope.clone().map(Whom::Scope);
    let whom = scope.or(lesson.whom.take());
    let text = match &known {
        Some(known) => lesson
            .learned
            .refined(known)
            .map_err(|why| LearnError::Known { path: args.refine.clone().unwrap_or_default(), why })?,
        None => {
            let whom = whom.ok_or(LearnError::OfWhom)?;
            lesson.learned.profile(&Profile {
                of: &lesson.of,
                whom: &whom,
                kinds: &kinds,
                doubts: &lesson.doubts,
            })
        }
    };
    written(args, &text, &lesson, globals, catalogue)
}

/// Refuses to add rules of a template that the profile has none of: that would be found out when all is learned.
fn refinable(args: &LearnArgs, known: &Known, kinds: &[Kind]) -> Result<(), LearnError> {
    let has = known.kinds();
    let names = |kinds: &[Kind]| kinds.iter().map(|kind| kind.template()).collect::<Vec<_>>().join(", ");
    let missing: Vec<_> = kinds.iter().copied().filter(|kind| !has.contains(kind)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let path = args.refine.clone().unwrap_or_default();
    Err(LearnError::OtherKinds { path, missing: names(&missing), allowed: names(&has) })
}

/// The profile's file; `-` is standard output.
fn place(args: &LearnArgs) -> PathBuf {
    args.output.as_ref().or(args.refine.as_ref()).cloned().unwrap_or_default()
}

/// Looks whether the profile can be written, before an hour is spent on learning it.
fn has_room(args: &LearnArgs) -> Result<(), LearnError> {
    let path = place(args);
    if path.as_os_str() == "-" {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match tempfile::tempfile_in(directory) {
        Ok(_) => Ok(()),
        Err(error) => Err(LearnError::Write { path, error }),
    }
}

/// Why some of what was done is not in the profile.
fn unlearned(learned: &Learned) -> Option<String> {
    let Learned { unread, beyond, .. } = learned;
    let mut parts = Vec::new();
    if *unread > 0 {
        parts.push(format!(
            "{unread} operations were about names that could not be read, or are longer than the kernel tells"
        ));
    }
    if *beyond > 0 {
        parts.push(format!("{beyond} operations were about more different things than are remembered"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn known(path: &Path) -> Result<Known, LearnError> {
    let source = source::file(path)?;
    Known::read(&source.text).map_err(|why| LearnError::Known { path: path.to_owned(), why })
}

/// Reads the words that are no command's.
fn recording_or_kinds(words: &[OsString]) -> Result<(Option<PathBuf>, Vec<Kind>), LearnError> {
    if let Some(path) = words.iter().map(PathBuf::from).find(|path| is_recording(path)) {
        if words.len() > 1 {
            let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
            return Err(LearnError::OneRecording(words.join(" ")));
        }
        return Ok((Some(path), Vec::new()));
    }
    let mut text = String::new();
    for word in words {
        // A path is no list of templates, and says best what is wrong with it.
        if word.as_encoded_bytes().contains(&b'/') || Path::new(word).exists() {
            Replay::open(Path::new(word), false)?;
        }
        text.push_str(word.to_str().ok_or_else(|| LearnError::Argument(word.clone()))?);
        text.push(',');
    }
    Ok((None, Kind::list(&text)?))
}

fn from_recording(
    path: &Path,
    kinds: &[Kind],
    known: Option<&Rc<Known>>,
    catalogue: &Catalogue,
) -> Result<Lesson, LearnError> {
    let replay = Replay::open(path, false)?;
    let mut learned = Learned::default();
    let unreadable = replay.each(catalogue, |event| {
        learned.learn(event, kinds, known.map(Rc::as_ref));
        ControlFlow::Continue(())
    })?;
    let mut doubts = replay.missing();
    if known.is_none() {
        doubts.extend(replay.narrowed());
    }
    if replay.redacted() > 0 {
        doubts.push(format!(
            "{} events of the recording had secrets, which are written over in their names too; `krsi-sh record --show-secrets` keeps them",
            replay.redacted()
        ));
    }
    if unreadable > 0 {
        doubts.push(format!(
            "{unreadable} events of the recording are of a template that is unknown, or has other fields now"
        ));
    }
    Ok(Lesson {
        learned,
        begun: true,
        code: exit::FINE,
        doubts,
        whom: replay.target().map(|_| Whom::Target),
        of: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    })
}

fn live(
    args: &LearnArgs,
    command: &[OsString],
    kinds: &[Kind],
    known: Option<Rc<Known>>,
    globals: &Globals,
    catalogue: &Catalogue,
) -> Result<Lesson, LearnError> {
    let whom = match &args.scope {
        Some(scope) => Whom::Scope(scope.clone()),
        None if args.target.is_asked() => Whom::Target,
        None => return Err(LearnError::Nobody),
    };
    // The command waits before anything else is begun, so that it has nothing of it.
    let denials = args.under.as_ref().and_then(|under| under.denials.clone());
    let target = args.target.target_with(command, &variables(denials.as_ref()))?;
    let target = if args.under.is_some() { target.map(Target::whole) } else { target };
    let of = match (command.first(), args.target.pid) {
        (Some(program), _) => program.to_string_lossy().into_owned(),
        (None, Some(pid)) => format!("process {pid}"),
        (None, None) => whom.expression().to_owned(),
    };
    let learned = Rc::new(RefCell::new(Learned::default()));
    let names = kinds.iter().map(|kind| kind.template()).collect::<Vec<_>>().join(", ");
    let says = format!("learning {names} from {}", printable(&of));
    let quiet = globals.quiet;
    let begun = Rc::new(Cell::new(false));
    let begins = Rc::clone(&begun);
    let ready = move || {
        begins.set(true);
        if !quiet {
            complain(&says);
        }
    };
    let live = Live::new(catalogue.clone(), globals.door);
    let backend = Learner::new(Box::new(live), Rc::clone(&learned), kinds.to_vec(), known, Box::new(ready));
    let lost = Rc::new(RefCell::new(Vec::new()));
    let listener = Listener { inner: Streams::new(), lost: Rc::clone(&lost), quiet: globals.quiet };
    // The closing accounts say whether anything was lost, also if nobody wants to see them.
    let words = args.under.as_ref().map(|under| under.words.clone()).unwrap_or_default();
    let mut options = globals.options(words);
    options.quiet = false;
    let mut session = Session::new(catalogue.clone(), options, Box::new(backend), Box::new(listener));
    if let Some(target) = target {
        session.follow(target);
    }
    if let Some(denials) = denials {
        session.tell_denials(denials);
    }
    let learning = Source { name: "learn".to_owned(), text: script(&whom, kinds) };
    let code = match &args.under {
        None => session.run(&learning).code,
        Some(under) => {
            session.beside(learning, Vec::new());
            session.run(&under.source).code
        }
    };
    drop(session);
    let doubts = lost.take();
    Ok(Lesson { learned: learned.take(), begun: begun.get(), code, doubts, whom: Some(whom), of })
}

/// What is attached: everything of these templates, in scope.
fn script(whom: &Whom, kinds: &[Kind]) -> String {
    let mut text = format!("let scope = {};\n", whom.expression());
    for kind in kinds {
        let fields: Vec<_> = kind.fields().iter().map(|field| format!("\"{field}\"")).collect();
        let (template, fields) = (kind.template(), fields.join(", "));
        text.push_str(&format!(
            "probe(\"{template}\").scope(scope).fields([{fields}]).name(\"{template}\").attach();\n"
        ));
    }
    text
}

/// Where what a session says goes while it is learned from: events are learned, and not shown.
struct Listener {
    inner: Streams,
    lost: Rc<RefCell<Vec<String>>>,
    quiet: bool,
}

impl Sink for Listener {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        match record {
            Record::Event(_) | Record::Stats(_) => Ok(()),
            Record::Books(books) => {
                self.lost.borrow_mut().extend(books.iter().filter_map(lost_of));
                Ok(())
            }
            Record::Note(_) if self.quiet => Ok(()),
            _ => self.inner.emit(record, renderer),
        }
    }

    fn writer(&self) -> Option<&Writer> {
        self.inner.writer()
    }
}

fn lost_of(books: &Books) -> Option<String> {
    let counters = &books.counters;
    let lost = counters.lost_ring + counters.lost_queue + counters.missed;
    let withheld = counters.withheld();
    match (lost, withheld) {
        (0, 0) => None,
        (0, _) => Some(format!(
            "{withheld} events of `{}` were held back by a limit when it was recorded",
            books.template
        )),
        _ => Some(format!("{} events of `{}` were lost", lost + withheld, books.template)),
    }
}

/// Writes the profile, and says what it comes to.
fn written(
    args: &LearnArgs,
    text: &str,
    lesson: &Lesson,
    globals: &Globals,
    catalogue: Catalogue,
) -> Result<i32, LearnError> {
    let Lesson { learned, code, doubts, .. } = lesson;
    let path = place(args);
    let is_stdout = path.as_os_str() == "-";
    if is_stdout {
        let told = answer(text);
        if told != exit::FINE {
            return Ok(told);
        }
    } else {
        // What was learned is not lost with the file. One that has come meanwhile may be somebody's who was watched.
        let has_come = args.output.is_some() && path.symlink_metadata().is_ok();
        let written = match has_come {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => whole_file::write(&path, text.as_bytes()),
        };
        if let Err(error) = written {
            complain("the profile goes to standard output, since its file cannot be written");
            answer(text);
            return Err(LearnError::Write { path, error });
        }
    }
    for doubt in doubts {
        complain(format_args!("the profile may lack something: {doubt}"));
    }
    if !globals.quiet {
        complain(format_args!(
            "learned {} rules from {} events{}",
            learned.rules(),
            learned.events,
            if is_stdout { String::new() } else { format!(", in {}", path.display()) }
        ));
    }
    // As it will be read: an interpreter line is a comment.
    let source = Source { name: path.display().to_string(), text: text.replacen("#!/", "// ", 1) };
    let mut session = Session::explaining(catalogue, globals.options(Vec::new()), Box::new(Streams::new()));
    session.follow_recorded(1);
    let refused = session.explanations(&source).code;
    if refused != exit::FINE {
        Writer::get().wait_until_written(LOG_PATIENCE);
        complain(
            "as it is, the profile cannot be run, for the reason above: learn less at once, or take rules out",
        );
        return Ok(refused);
    }
    Ok(match *code {
        exit::FINE if !doubts.is_empty() => exit::UNDECIDED,
        code => code,
    })
}
