//! Every function that a script can call, with everything it was not meant for: each of its parameters is given each of
//! [`VALUES`] in turn. None of it may panic, hang, leak a name of Rust's, or do nothing and say nothing.
//!
//! The functions are those of the index, so a new one is tried without a word here. The script is only explained:
//! what would act on the system ends it, and says so.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use krsi_sh::{
    facts::Fact,
    report::{Lines, Record, Renderer, Sink, Stream},
    script::{Echo, LineResult, Options, Session, docs::Function, index},
    template::Catalogue,
};

const VALUES: [&str; 33] = [
    "()",
    "true",
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "(-9223372036854775807 - 1)",
    "0.0",
    "-1.5",
    "1e300",
    "(0.0 / 0.0)",
    "(1.0 / 0.0)",
    "(-1.0 / 0.0)",
    "\"\"",
    "\"x\"",
    "\"99999999999h\"",
    "\"a\\x00b\"",
    "\"\\u2026\\U0001f600\"",
    "big",
    "'c'",
    "[]",
    "[1, \"a\", [()], #{ a: 1.5 }]",
    "#{}",
    "#{ a: [1], path: 7 }",
    "|| 1",
    "|a| a",
    "|a, b| throw \"x\"",
    "0..10",
    "0..9223372036854775807",
    "0..=-5",
    "timestamp()",
    "blob(3)",
    "probe(\"exec\")",
];

/// A value of a type, for the parameters that are not tried.
fn fit(kind: &str) -> &'static str {
    match kind {
        "string" => "\"10s\"",
        "int" => "1",
        "float" => "1.5",
        "bool" => "true",
        "char" => "'c'",
        "array" => "[\"comm\"]",
        "map" => "#{}",
        "function" => "|a| a",
        "range" => "0..3",
        "blob" => "blob(3)",
        "timestamp" => "timestamp()",
        "Probe" => "probe(\"exec\")",
        "Reply" => "allow(\"10s\")",
        "Files" => "files(\"/etc/cron.d/*\")",
        "Sequence" => "sequence(\"10s\")",
        "Threshold" => "threshold(2, \"10s\")",
        "Child" => "start([\"true\"])",
        "Timer" => "every(\"1h\", || 1)",
        _ => "()",
    }
}

/// What the session has said since it was looked at last.
#[derive(Clone, Default)]
struct Heard(Rc<RefCell<String>>);

impl Sink for Heard {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        renderer.render(record, self)
    }
}

impl Lines for Heard {
    fn line(&mut self, _: Stream, line: &str) -> io::Result<()> {
        self.0.borrow_mut().push_str(line);
        self.0.borrow_mut().push('\n');
        Ok(())
    }
}

struct Prompt {
    session: Session,
    heard: Heard,
}

impl Prompt {
    fn new() -> Self {
        let heard = Heard::default();
        let options = Options { interactive: true, ..Options::default() };
        let session = Session::explaining(Catalogue::builtin().unwrap(), options, Box::new(heard.clone()));
        let mut prompt = Prompt { session, heard };
        prompt.line("let big = \"\"; big.pad(100_000, \"0123456789\");");
        prompt.heard.0.borrow_mut().clear();
        prompt
    }

    /// What is said, and the exit code if the session has ended.
    fn line(&mut self, text: &str) -> (String, Option<i32>) {
        let ended = match self.session.line(text, Echo::Shown) {
            LineResult::Ended(outcome) => Some(outcome.code),
            _ => None,
        };
        (std::mem::take(&mut *self.heard.0.borrow_mut()), ended)
    }
}

/// Calls of a function: each parameter in turn with each value, the receiver among them.
fn calls(function: &Function) -> Vec<String> {
    let kinds: Vec<&str> = function
        .of
        .as_deref()
        .into_iter()
        .chain(function.params.iter().map(|(_, kind)| kind.as_str()))
        .collect();
    let fitting: Vec<&str> = kinds.iter().map(|kind| fit(kind)).collect();
    let mut calls = vec![format!("{}({})", function.name, fitting.join(", "))];
    for at in 0..kinds.len() {
        for value in VALUES {
            let mut given = fitting.clone();
            given[at] = value;
            calls.push(format!("{}({})", function.name, given.join(", ")));
        }
    }
    calls
}

/// Names that no script knows.
const LEAKS: [&str; 11] = [
    "`anon$",
    "krsi_sh::",
    "rhai::",
    "alloc::",
    "core::",
    "std::",
    "ImmutableString",
    "i64",
    "f64",
    "&str",
    "Dynamic",
];

/// Whether such names may be among what it returns: those of the functions there are, and what this system says of its
/// packages, processes …
fn tells_names(function: &Function) -> bool {
    function.name == "fn_metadata" || Fact::of(&function.name).is_some()
}

/// Without the digits of a closure's name, in which `f64` stands by chance.
fn without_digits(said: &str) -> String {
    let mut parts = said.split("anon$");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "anon$" + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}

fn complaint(
    function: &Function,
    call: &str,
    said: &str,
    ended: Option<i32>,
    took: Duration,
) -> Option<String> {
    let what = if said.contains("this is a bug") || ended == Some(101) {
        "panics"
    } else if LEAKS.iter().any(|name| without_digits(said).contains(name)) && !tells_names(function) {
        "leaks a name of what it is made of"
    } else if took > Duration::from_secs(5) {
        "takes too long"
    } else if said.is_empty() && ended.is_none() && function.returns() != "()" && !is_silent(function) {
        "does nothing and says nothing"
    } else if function.name == "exit" && ended.is_some_and(|code| !matches!(code, 0 | 1)) {
        "ends with a code that nobody gave"
    } else {
        return None;
    };
    Some(format!("{call} {what}: {ended:?} {said}"))
}

/// Names that functions of Rhai's own have as well, for other values; `()` is among their answers.
const ALSO_RHAIS: [&str; 7] = ["clear", "get", "pop", "remove", "set", "shift", "take"];

/// Whether `()` is among what it may return, which the prompt does not show.
fn is_silent(function: &Function) -> bool {
    // `last(probe)` has nothing to return before the first event.
    function.returns() == "any" || function.name == "last" || ALSO_RHAIS.contains(&function.name.as_str())
}

#[test]
fn every_function_takes_or_refuses_everything() {
    let index = index(&Catalogue::builtin().unwrap());
    let mut prompt = Prompt::new();
    let mut complaints = Vec::new();
    let mut tried = 0;
    for function in index.functions().iter().chain(index.library()) {
        for call in calls(function) {
            tried += 1;
            let start = Instant::now();
            let (said, ended) = prompt.line(&call);
            complaints.extend(complaint(function, &call, &said, ended, start.elapsed()));
            // A callback that was left behind is no matter of the next call.
            if ended.is_some() || tried % 500 == 0 {
                prompt = Prompt::new();
            }
        }
    }
    assert!(tried > 5000, "{tried}");
    assert!(complaints.is_empty(), "{} of {tried}:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_function_of_ours_has_a_sentence_and_an_example() {
    let index = index(&Catalogue::builtin().unwrap());
    let mut lacking = Vec::new();
    for function in index.functions() {
        let summary = function.summary();
        if !summary.ends_with(['.', '`', ')']) || summary.len() > 260 {
            lacking.push(format!("{}: no sentence: {summary}", function.signature));
        }
        let first = summary.split_whitespace().next().unwrap_or_default();
        if !first.ends_with('s') && !["In", "Without"].contains(&first.trim_end_matches(',')) {
            lacking.push(format!("{}: begins with no verb: {summary}", function.signature));
        }
        let takes = function.params.iter().any(|(_, kind)| kind != "()");
        let of_name = index.functions().iter().filter(|other| other.name == function.name);
        if takes && of_name.clone().all(|other| other.example().is_none()) {
            lacking.push(format!("{}: no example", function.signature));
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

#[test]
fn the_form_one_wants_comes_first() {
    let index = index(&Catalogue::builtin().unwrap());
    let first =
        |name: &str| index.forms_of(name).first().map(|form| form.signature.clone()).unwrap_or_default();
    assert_eq!(first("when"), "probe.when(filter: function) -> Probe");
    assert!(first("hist").starts_with("probe.hist(field: string) -> Probe"), "{}", first("hist"));
    assert!(first("lease").starts_with("probe.lease(lasts: string)"), "{}", first("lease"));
    let help = index.overview();
    assert!(!help.contains("Takes the filter back"), "{help}");
}
