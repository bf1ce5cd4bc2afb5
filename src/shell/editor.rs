//! The editor: a thread that waits for keys, and prompts only when it is asked to.
//!
//! In: an [`Ask`] at a time. Out: what was [`Typed`]. Between an answer and the
//! next ask the terminal is in its ordinary mode, so that Ctrl-C is a signal to
//! whatever the line started.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Instant,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustyline::{
    Behavior, ColorMode, CompletionType, Config, Context, Editor, ExternalPrinter, Helper,
    completion::{Candidate, Completer},
    config::BellStyle,
    error::ReadlineError,
    highlight::{CmdKind, Highlighter},
    hint::{Hint, Hinter, HistoryHinter},
    validate::Validator,
};

use super::{
    ask::{Ask, Typed, is_yes},
    complete::{self, Choice},
    context, highlight,
    history::{self, Shelf},
    keys,
    listing::{ASKED_FROM, Listing},
    margin,
    plain::PlainReader,
    printer::{Above, Gate, Printed},
    prompt::Prompt,
    recall::Recall,
    vocabulary::Vocabulary,
};
use crate::script::{Answering, ImportedName, Variable};

/// Either kind of reader.
pub enum Reader {
    Rich(Box<RichReader>),
    Plain(PlainReader),
}

impl Reader {
    fn read(&mut self, ask: &Ask) -> Typed {
        match self {
            Reader::Rich(reader) => reader.read(ask),
            Reader::Plain(reader) => reader.read(ask),
        }
    }
}

/// Starts the thread. It ends when nobody asks any more; while it waits for keys
/// it ends with the process.
///
/// # Errors
/// If the system has no thread left.
pub fn start(mut reader: Reader) -> io::Result<(Sender<Ask>, Receiver<Typed>)> {
    let (ask, asks) = bounded::<Ask>(1);
    let (answer, answers) = bounded(1);
    thread::Builder::new().name("krsi-editor".into()).spawn(move || {
        for ask in asks {
            if answer.send(reader.read(&ask)).is_err() {
                break;
            }
        }
    })?;
    Ok((ask, answers))
}

/// How a [`RichReader`] looks and where it remembers.
pub struct Setting {
    pub vocabulary: Arc<Vocabulary>,
    pub color: bool,
    /// Standard output is elsewhere: prompt on the controlling terminal.
    pub own_terminal: bool,
    pub history: Option<PathBuf>,
    pub answering: Answering,
}

/// Entries kept.
const REMEMBERED: usize = 10_000;

/// Lines that can be edited, with all the help there is.
pub struct RichReader {
    editor: Editor<Assistant, Shelf>,
    history: Option<PathBuf>,
    /// Some of it could not be saved, which has been said.
    unsaved: bool,
    gate: Gate,
    keys: keys::Shared,
}

impl RichReader {
    /// # Errors
    /// If the terminal cannot be used.
    pub fn new(setting: Setting, gate: Gate) -> Result<Self, ReadlineError> {
        let config = Config::builder()
            .max_history_size(REMEMBERED)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .completion_prompt_limit(ASKED_FROM)
            .bell_style(BellStyle::None)
            // The highlighter paints continuation prompts, so it is wanted without colour too.
            .color_mode(ColorMode::Forced)
            .behavior(if setting.own_terminal { Behavior::PreferTerm } else { Behavior::Stdio })
            .build();
        let keys = keys::Shared { answering: setting.answering.clone(), ..keys::Shared::default() };
        let shelf = Shelf::new(&config, keys.recall.clone());
        let mut editor = Editor::with_history(config, shelf)?;
        keys::bind(&mut editor, &keys);
        if let Some(path) = setting.history.as_ref().filter(|path| path.exists()) {
            // It is begun anew then.
            if let Err(error) = editor.load_history(path) {
                super::complain(&format!("the history cannot be read: {}: {error}", path.display()));
            }
        }
        editor.set_helper(Some(Assistant {
            vocabulary: setting.vocabulary,
            color: setting.color,
            prompt: (Prompt::default(), Instant::now()),
            bracket: Cell::new(true),
            typed: RefCell::default(),
            probes: context::Probes::new(),
            variables: Vec::new(),
            imported: Vec::new(),
            attached: Vec::new(),
            gate: gate.clone(),
            recall: keys.recall.clone(),
            listing: keys.listing.clone(),
        }));
        Ok(RichReader { editor, history: setting.history, unsaved: false, gate, keys })
    }

    /// What prints above this reader's prompt.
    ///
    /// # Errors
    /// If there is no terminal.
    pub fn above(&mut self) -> Result<Box<dyn Above>, ReadlineError> {
        Ok(Box::new(AboveLine(self.editor.create_external_printer()?)))
    }

    fn read(&mut self, ask: &Ask) -> Typed {
        match ask {
            Ask::Line { prompt, variables, imported, probes, color } => {
                if let Some(assistant) = self.editor.helper_mut() {
                    assistant.variables.clone_from(variables);
                    assistant.imported.clone_from(imported);
                    assistant.attached.clone_from(probes);
                    assistant.color = *color;
                }
                self.input(*prompt)
            }
            Ask::Confirm(question) => self.confirm(question),
            Ask::History => Typed::History(self.editor.history().iter().cloned().collect()),
        }
    }

    fn input(&mut self, prompt: Prompt) -> Typed {
        if let Some(assistant) = self.editor.helper_mut() {
            assistant.prompt = (prompt, Instant::now());
        }
        match self.edit(&prompt.text()) {
            Ok(buffer) => {
                let text = margin::strip(&buffer);
                let unsaved = self.remember(&text);
                Typed::Line { text, unsaved }
            }
            Err(ReadlineError::Eof) => Typed::End,
            Err(error) => Typed::Failed(error.to_string()),
        }
    }

    fn confirm(&mut self, question: &str) -> Typed {
        self.keys.question.store(true, Ordering::Relaxed);
        let answer = self.edit(question);
        self.keys.question.store(false, Ordering::Relaxed);
        match answer {
            Ok(answer) => Typed::Answer(is_yes(&answer)),
            // Ctrl-D once more means it.
            Err(ReadlineError::Eof) => Typed::Answer(true),
            Err(error) => Typed::Failed(error.to_string()),
        }
    }

    /// One input; Ctrl-C begins it anew, and for a question is a no.
    fn edit(&mut self, prompt: &str) -> Result<String, ReadlineError> {
        let mut initial = (String::new(), String::new());
        loop {
            self.keys.recall.reset();
            self.gate.entering();
            let read = self.editor.readline_with_initial(prompt, (&initial.0, &initial.1));
            self.gate.close();
            let interrupted = self.keys.interrupted.swap(false, Ordering::Relaxed);
            let asked = self.keys.question.load(Ordering::Relaxed);
            match read {
                Ok(_) if interrupted && asked => return Ok(String::new()),
                Ok(_) if interrupted => initial = Default::default(),
                Err(ReadlineError::Interrupted) if asked => return Ok(String::new()),
                Err(ReadlineError::Interrupted) => initial = Default::default(),
                // A key that is no UTF-8 ends the reading; what was typed goes on.
                Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    initial = self.editor.helper().map(Assistant::typed).unwrap_or_default();
                }
                other => return other,
            }
        }
    }

    /// Gives why the file does not have it, the first time that this happens.
    fn remember(&mut self, text: &str) -> Option<String> {
        let text = text.trim_end_matches('\n');
        if let Some(assistant) = self.editor.helper_mut() {
            context::learn(text, &mut assistant.probes);
        }
        // At once, so that a session that is killed has its history too.
        let (Ok(true), Some(path)) = (self.editor.add_history_entry(text), &self.history) else {
            return None;
        };
        let error = self.editor.append_history(path).err()?;
        let first = !std::mem::replace(&mut self.unsaved, true);
        first.then(|| format!("the history is not saved: {}: {error}", path.display()))
    }
}

/// The file of the history, if it can be used; else why not.
///
/// # Errors
/// The reason, for the user.
pub fn history_file() -> Result<Option<PathBuf>, String> {
    match history::path() {
        Some(path) => history::usable(&path).map(|()| Some(path)),
        None => Ok(None),
    }
}

/// Columns and rows of the terminal that is typed at; some do not know.
fn window() -> (usize, usize) {
    let size = terminal_size::terminal_size_of(io::stdin());
    let (columns, rows) = size.map_or((0, 0), |(columns, rows)| (columns.0, rows.0));
    let known = |size: u16, usual| if size == 0 { usual } else { usize::from(size) };
    (known(columns, 80), known(rows, 24))
}

struct AboveLine<P>(P);

impl<P: ExternalPrinter + Send> Above for AboveLine<P> {
    fn print(&mut self, lines: String) -> Printed {
        // It fails when the editor is gone, and then the session is over.
        match self.0.print(lines) {
            Ok(()) => Printed::WithPrompt,
            Err(_) => Printed::Already,
        }
    }
}

/// What the line editor asks while keys are typed.
struct Assistant {
    vocabulary: Arc<Vocabulary>,
    color: bool,
    /// The prompt that stands there, and since when.
    prompt: (Prompt, Instant),
    /// Whether the bracket at the cursor is shown; not in a line that was entered.
    bracket: Cell<bool>,
    /// The buffer and its cursor, as last seen.
    typed: RefCell<(String, usize)>,
    probes: context::Probes,
    variables: Vec<Variable>,
    imported: Vec<ImportedName>,
    attached: Vec<String>,
    gate: Gate,
    recall: Recall,
    listing: Listing,
}

impl Assistant {
    /// Left and right of the cursor.
    fn typed(&self) -> (String, String) {
        let (line, position) = &*self.typed.borrow();
        line.split_at_checked(*position).map_or_else(Default::default, |(l, r)| (l.to_owned(), r.to_owned()))
    }
}

impl Helper for Assistant {}

impl Validator for Assistant {}

impl Completer for Assistant {
    type Candidate = Choice;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Choice>)> {
        let (columns, rows) = window();
        let (start, place) = context::at(line, position, &self.probes);
        let typed = line.get(start..position).unwrap_or_default();
        let choices = complete::choices(
            &place,
            typed,
            &self.vocabulary,
            complete::Names { variables: &self.variables, probes: &self.attached, imported: &self.imported },
            columns,
        );
        self.listing.begin(choices.iter().map(Choice::display), (columns, rows));
        Ok((start, choices))
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, position: usize) -> Cow<'l, str> {
        let cursor = self.bracket.get().then_some(position);
        Cow::Owned(highlight::paint(line, cursor, &self.vocabulary, self.color))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        self.gate.paint();
        // It stands there while leases run out.
        let (asked, since) = self.prompt;
        let now = asked.after(since.elapsed());
        let text = (prompt == asked.text()).then(|| now.text_as_wide(prompt.len())).flatten();
        let text = text.as_deref().unwrap_or(prompt);
        Cow::Owned(highlight::prompt(text, now.armed(), self.color && default))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(highlight::dim(hint, self.color))
    }

    fn highlight_char(&self, line: &str, position: usize, kind: CmdKind) -> bool {
        self.bracket.set(kind != CmdKind::ForcedRefresh);
        *self.typed.borrow_mut() = (line.to_owned(), position);
        self.color
    }
}

impl Hinter for Assistant {
    type Hint = Suggestion;

    fn hint(&self, line: &str, position: usize, context: &Context<'_>) -> Option<Suggestion> {
        // The first question of a reading: the terminal is in raw mode by now.
        self.gate.open();
        // The question is a hint's: no key asks the history now.
        self.recall.forget_step();
        // Without colour a suggestion would look like something typed.
        if !self.color {
            return None;
        }
        let whole = HistoryHinter::new().hint(line, position, context)?;
        let shown = whole.split('\n').next().unwrap_or_default().to_owned();
        Some(Suggestion { shown, whole })
    }
}

/// The rest of an earlier line; of several lines the first is shown.
struct Suggestion {
    shown: String,
    whole: String,
}

impl Hint for Suggestion {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        Some(&self.whole)
    }
}
