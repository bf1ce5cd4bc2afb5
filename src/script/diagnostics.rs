//! From an error to what a person needs: what is wrong, where (a caret under the
//! word), what is allowed, what to do.
//!
//! Rhai knows the place of the call; the word that the error is about stands
//! somewhere behind it, and the caret belongs there. Names that do not exist are
//! answered with the nearest that do, and calls with the wrong types with the right ones.

mod calls;
mod words;

use std::{fmt, ops::Range, rc::Rc};

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, Severity, SourceSpan};
use rhai::{EvalAltResult, ParseError, ParseErrorType, Position};

use super::{
    Fault, Source,
    docs::{self, Index},
    excerpt::Excerpt,
    fault::Cause,
    limits,
    program::Texts,
    stop::Stop,
};
use crate::{
    exit,
    report::{Finding, Painted, printable, printable_lines},
    values::nearest,
};

pub use self::calls::a;

/// How far behind the call its arguments are looked for.
const ARGUMENT_LINES: usize = 30;

/// An error, ready to be shown.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    text: String,
    advice: Option<String>,
    place: Option<(Rc<Source>, Range<usize>)>,
    /// Where the functions in between were called, innermost first; only those in the same text.
    calls: Vec<(Range<usize>, String)>,
    cause: Cause,
    /// It goes on: nothing is wrong for certain.
    is_warning: bool,
}

/// What names of a script may have meant.
pub struct Lookup<'l> {
    pub texts: &'l Texts,
    /// Made only if it is needed.
    pub index: &'l dyn Fn() -> Rc<Index>,
}

impl Diagnostic {
    /// One without a place.
    pub fn sentence(text: &str) -> Self {
        let (advice, place, calls, cause) = (None, None, vec![], Cause::Script);
        Diagnostic { text: text.to_owned(), advice, place, calls, cause, is_warning: false }
    }

    /// One that ends nothing, about an argument of the call at a place of a text.
    pub fn warning(place: Option<&(Rc<Source>, Position)>, about: &str, text: &str, advice: String) -> Self {
        let place = place.map(|(source, position)| {
            let at = offset(&source.text, *position);
            let span = argument(&source.text, at, about).unwrap_or_else(|| word_at(&source.text, at));
            (Rc::clone(source), span)
        });
        Diagnostic {
            place,
            advice: Some(advice),
            is_warning: true,
            ..Self::sentence(&format!("warning: {text}"))
        }
    }

    /// One about the word at a place of a text.
    pub fn at(source: &Rc<Source>, position: Position, text: &str, advice: Option<String>) -> Self {
        let place = (!position.is_none()).then(|| {
            let at = offset(&source.text, position);
            (Rc::clone(source), word_at(&source.text, at))
        });
        Diagnostic { advice, place, ..Self::sentence(text) }
    }

    /// A text that does not parse; `variables` are those that it could have used.
    pub fn of_parse(
        error: &ParseError,
        source: &Rc<Source>,
        variables: &[String],
        lookup: &Lookup<'_>,
    ) -> Self {
        let mut diagnostic = Self::sentence(&words::text(error.err_type()));
        let at = offset(&source.text, error.position());
        if let Some(told) = words::begins_with_a_dot(&source.text, variables) {
            let place = Some((Rc::clone(source), word_at(&source.text, at)));
            return Diagnostic { advice: Some(told.1), place, ..Self::sentence(&told.0) };
        }
        let meant = words::advice(&source.text, at, error.err_type(), &(lookup.index)());
        diagnostic.advice = match error.err_type() {
            _ if meant.is_some() => meant,
            ParseErrorType::VariableUndefined(name) => {
                let declared = declared(source.text.get(..at).unwrap_or_default());
                let known: Vec<_> = variables.iter().map(String::as_str).chain(declared).collect();
                undefined(name, &known, &(lookup.index)())
            }
            ParseErrorType::Reserved(word) if word == "eval" => {
                Some("scripts cannot evaluate text; write a function".into())
            }
            _ => None,
        };
        diagnostic.place = Some((Rc::clone(source), word_at(&source.text, at)));
        diagnostic
    }

    /// An error while running `source`.
    pub fn of_evaluation(error: &EvalAltResult, source: &Rc<Source>, lookup: &Lookup<'_>) -> Self {
        let mut source = Rc::clone(source);
        let mut calls = Vec::new();
        let mut error = error;
        while let EvalAltResult::ErrorInFunctionCall(name, _, inner, position) = error {
            let text = lookup.texts.text_of(name).unwrap_or_else(|| Rc::clone(&source));
            if !position.is_none() {
                let shown = lookup.texts.imported(name).map_or_else(|| name.clone(), |known| known.shown);
                calls.push((Rc::clone(&source), offset(&source.text, *position), called(&shown)));
            }
            source = text;
            error = inner;
        }
        calls.reverse();
        let place = fault_of(error).and_then(|fault| fault.place).filter(|place| !place.position.is_none());
        if let Some(text) = place.as_ref().and_then(|place| lookup.texts.text_of(&place.function)) {
            source = text;
        }
        let mut diagnostic = Self::of_innermost(error, lookup);
        diagnostic.calls = calls
            .into_iter()
            .filter(|(text, ..)| Rc::ptr_eq(text, &source))
            .map(|(text, at, label)| (word_at(&text.text, at), label))
            .collect();
        let position = place.map_or(error.position(), |place| place.position);
        if !position.is_none() {
            let at = offset(&source.text, position);
            let about = fault_of(error).and_then(|fault| fault.about);
            let span = about.and_then(|word| argument(&source.text, at, &word));
            let span = span.unwrap_or_else(|| word_at(&source.text, at));
            diagnostic.place = Some((source, span));
        }
        diagnostic
    }

    fn of_innermost(error: &EvalAltResult, lookup: &Lookup<'_>) -> Self {
        if let Some(fault) = fault_of(error) {
            return Diagnostic { cause: fault.cause, advice: fault.advice, ..Self::sentence(&fault.text) };
        }
        let (text, advice) = match error {
            EvalAltResult::ErrorFunctionNotFound(signature, _) => lookup
                .texts
                .imported(signature.split(" (").next().unwrap_or_default())
                .map(|function| calls::of_another_number(&function, signature))
                .unwrap_or_else(|| calls::unknown_function(signature, &(lookup.index)())),
            EvalAltResult::ErrorVariableNotFound(name, _) => {
                (format!("there is no variable `{name}` here"), undefined(name, &[], &(lookup.index)()))
            }
            EvalAltResult::ErrorRuntime(value, _) => (format!("the script threw: {value}"), None),
            EvalAltResult::ErrorPropertyNotFound(name, _) => (format!("the map has no `{name}`"), None),
            EvalAltResult::ErrorStackOverflow(_) => {
                (format!("functions call each other more than {} deep", limits::CALL_DEPTH), None)
            }
            EvalAltResult::ErrorDotExpr(described, _)
                if let Some(told) = calls::unknown_property(described, &(lookup.index)()) =>
            {
                told
            }
            EvalAltResult::ErrorIndexingType(types, _) => no_index(types),
            EvalAltResult::ErrorMismatchDataType(wanted, given, _)
            | EvalAltResult::ErrorMismatchOutputType(wanted, given, _) => {
                let [wanted, given] = [wanted, given].map(|kind| calls::a(&docs::plain_types(kind)));
                (format!("this must be {wanted}, and it is {given}"), None)
            }
            EvalAltResult::ErrorDataRace(what, _) => used_twice(what),
            EvalAltResult::ErrorTerminated(token, _)
                if let Some(Stop::Limit(text)) = token.clone().try_cast::<Stop>() =>
            {
                (text.to_owned(), None)
            }
            other => (without_place(other), None),
        };
        Diagnostic { advice, ..Self::sentence(&text) }
    }

    /// Returns what is wrong, without its place.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns who has to do something about it.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    pub fn exit_code(&self) -> i32 {
        match self.cause {
            Cause::Script => exit::FAILED,
            Cause::Environment => exit::ENVIRONMENT,
        }
    }

    /// The same, with whose callback it was and what happens next.
    #[must_use]
    pub fn in_callback(&self, of: &str, next: &str) -> Self {
        let advice =
            self.advice.as_ref().map_or_else(|| next.to_owned(), |advice| format!("{advice}\n{next}"));
        Diagnostic { text: format!("in {of}: {}", self.text), advice: Some(advice), ..self.clone() }
    }
}

impl Finding for Diagnostic {
    fn laid_out(&self, color: bool, columns: Option<u16>) -> Painted {
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            // A command to copy must not be broken in two.
            .with_wrap_lines(false)
            .with_context_lines(1);
        let mut text = String::new();
        let shown = Shown::new(self, columns);
        Painted::laid_out(match handler.render_report(&mut text, &shown) {
            Ok(()) => {
                let text = text.trim_end();
                // A line at the prompt is not a file: its number is not one of a line.
                match self.place.as_ref().filter(|(source, _)| source.name.starts_with("input ")) {
                    Some((source, _)) => {
                        text.replacen(&format!("{}:", source.name), &format!("{}, ", source.name), 1)
                    }
                    None => text.to_owned(),
                }
            }
            Err(_) => format!("error: {shown}"),
        })
    }
}

/// A diagnostic as miette takes it.
#[derive(Debug)]
struct Shown<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<Excerpt>,
}

impl<'a> Shown<'a> {
    fn new(diagnostic: &'a Diagnostic, columns: Option<u16>) -> Self {
        let source = diagnostic.place.as_ref().map(|(source, place)| {
            let calls = diagnostic.calls.iter().map(|(range, _)| range);
            let places: Vec<_> = std::iter::once(place).chain(calls).cloned().collect();
            // A script's text is as hostile as any other file.
            Excerpt::new(&printable(&source.name), harmless(&source.text), &places, columns)
        });
        Shown { diagnostic, source }
    }
}

/// Keeps every byte's place: a caret must still stand under its word.
fn harmless(text: &str) -> String {
    text.chars()
        .map(
            |c| if c.is_control() && !matches!(c, '\n' | '\t' | '\r') && c.len_utf8() == 1 { '?' } else { c },
        )
        .collect()
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable_lines(&self.diagnostic.text))
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic
            .advice
            .as_ref()
            .map(|advice| Box::new(printable_lines(advice)) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<Severity> {
        self.diagnostic.is_warning.then_some(Severity::Warning)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let mut places = self.source.as_ref()?.places().map(|range| SourceSpan::from(range.clone()));
        let here = LabeledSpan::new_primary_with_span(None, places.next()?);
        let calls = places
            .zip(&self.diagnostic.calls)
            .map(|(place, (_, label))| LabeledSpan::new_with_span(Some(label.clone()), place));
        Some(Box::new(std::iter::once(here).chain(calls)))
    }
}

fn fault_of(error: &EvalAltResult) -> Option<Fault> {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => value.clone().try_cast::<Fault>(),
        _ => None,
    }
}

/// A closure's own name means nothing to anyone.
fn called(function: &str) -> String {
    if calls::is_closure(function) { "called here".into() } else { format!("`{function}` was called here") }
}

/// Names that stand behind `let` or `const`, wherever that is.
fn declared(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    words
        .clone()
        .zip(words.skip(1))
        .filter(|(word, _)| matches!(*word, "let" | "const"))
        .map(|(_, name)| name)
}

fn undefined(name: &str, known: &[&str], functions: &Index) -> Option<String> {
    if name == "target" {
        let advice =
            "`target` is the command behind -c, or the process of -p: krsi-sh run -c FILE -- COMMAND";
        return Some(advice.to_owned());
    }
    let names = functions.callable_names();
    if names.contains(&name) {
        let forms = functions.forms_of(name);
        return Some(match forms.iter().find(|form| form.of.is_some()) {
            Some(method) if forms.iter().all(|form| form.of.is_some()) => {
                let of = calls::a(method.of.as_deref().unwrap_or_default());
                format!("`{name}` is a method of {of}: write `….{name}(…)`")
            }
            _ => format!("`{name}` is a function: write `{name}(…)`"),
        });
    }
    let candidates = known.iter().copied().chain(names);
    nearest(name, candidates).map(|near| format!("did you mean `{near}`?"))
}

/// `Probe [int]`, and ` = type` if it is to be set.
fn no_index(types: &str) -> (String, Option<String>) {
    let (of, index) = types.split_once(" [").unwrap_or((types, ""));
    let (index, _) = index.split_once(']').unwrap_or((index, ""));
    let [of, index] = [of, index].map(|kind| calls::a(&docs::plain_types(kind)));
    let what = if types.contains("] = ") { "set" } else { "read" };
    (format!("{of} has nothing that is {what} by {index} in `[…]`"), None)
}

/// What a closure uses cannot be changed by the call that it is given to: Rhai holds it meanwhile. `what` is
/// "argument #N of function 'NAME'".
fn used_twice(what: &str) -> (String, Option<String>) {
    let function = what.split('\'').nth(1).unwrap_or("the function");
    (
        format!("the closure given to `{function}` uses the variable that `{function}` is called on"),
        Some("give the closure a copy: `let copy = list;`".into()),
    )
}

/// An error's own words; its place is shown by the caret.
fn without_place(error: &EvalAltResult) -> String {
    let text = error.to_string();
    let position = error.position();
    text.strip_suffix(&format!(" ({position})")).unwrap_or(&text).to_owned()
}

/// From line and column (in characters, from 1) to a byte.
pub fn offset(text: &str, position: Position) -> usize {
    let (Some(line), column) = (position.line(), position.position().unwrap_or(1)) else { return 0 };
    let start = text.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
    let rest = text.get(start..).unwrap_or_default();
    start + rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum::<usize>()
}

/// The word, string or sign that begins at this byte.
fn word_at(text: &str, at: usize) -> Range<usize> {
    let rest = text.get(at..).unwrap_or_default();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let length = match rest.chars().next() {
        None => 0,
        Some(quote @ ('"' | '`' | '\'')) => rest[1..].find(quote).map_or(1, |end| end + 2),
        Some(c) if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
        Some(c) => c.len_utf8(),
    };
    at..at + length
}

/// The argument `word`, as a text or bare, behind the call at this byte.
fn argument(text: &str, at: usize, word: &str) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let end = rest.split_inclusive('\n').take(ARGUMENT_LINES).map(str::len).sum::<usize>();
    let rest = &rest[..end];
    let quoted = [format!("\"{word}\""), format!("`{word}`")];
    for form in &quoted {
        if let Some(found) = rest.find(form.as_str()) {
            return Some(at + found..at + found + form.len());
        }
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let bare = rest.match_indices(word).find(|(found, _)| {
        let before = rest[..*found].chars().next_back().is_some_and(is_name);
        let after = rest[found + word.len()..].chars().next().is_some_and(is_name);
        !before && !after
    });
    bare.map(|(found, _)| at + found..at + found + word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_byte_even_behind_wide_letters() {
        assert_eq!(offset("ab\nüöx", Position::new(2, 3)), 7);
        assert_eq!(word_at("let name = 1", 4), 4..8);
        assert_eq!(word_at("f(\"a b\")", 2), 2..7);
        assert_eq!(word_at("", 0), 0..0);
    }

    #[test]
    fn the_caret_goes_under_the_argument_not_the_call() {
        let text = "probe(\"exec\",\n  #{ pathh: \"/x\" })";
        assert_eq!(argument(text, 0, "pathh").map(|r| &text[r]), Some("pathh"));
        assert_eq!(argument(text, 0, "exec").map(|r| &text[r]), Some("\"exec\""));
        assert_eq!(argument("ab abc", 0, "abc"), Some(3..6));
        assert_eq!(argument("f(1)", 0, "none"), None);
    }
}
