//! What was meant by a text that does not parse: words of other languages, a missing `let`, a missing `|e|`.

use rhai::{LexError, ParseErrorType};

use crate::script::docs::Index;

/// What other languages say, and what Rhai says.
const FOREIGN: [(&str, &str); 16] = [
    ("and", "write `&&`: `a && b`"),
    ("or", "write `||`: `a || b`"),
    ("not", "write `!`: `!a`, `!(x in list)`"),
    ("elif", "write `else if`"),
    ("elsif", "write `else if`"),
    ("elseif", "write `else if`"),
    ("null", "nothing is `()`"),
    ("nil", "nothing is `()`"),
    ("None", "nothing is `()`"),
    ("True", "write `true`"),
    ("False", "write `false`"),
    ("var", "write `let`"),
    ("def", "write `fn`: `fn double(x) { x * 2 }`"),
    ("function", "write `fn`, or a closure: `|e| …`"),
    ("lambda", "write a closure: `|e| …`"),
    ("foreach", "write `for x in list { … }`"),
];

/// What Rhai says for a word of another language.
pub fn of_another_language(word: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|(foreign, _)| *foreign == word).map(|(_, advice)| *advice)
}

/// Rhai's words for a text that does not parse, without its shouting.
pub fn text(kind: &ParseErrorType) -> String {
    match kind {
        ParseErrorType::VariableUndefined(name) => format!("there is no variable `{name}` here"),
        ParseErrorType::UnexpectedEOF => "the script ends in the middle of something".into(),
        ParseErrorType::MissingToken(token, what) => format!("`{token}` is missing {what}"),
        ParseErrorType::BadInput(LexError::MalformedChar(text)) => {
            let quoted = text.trim_matches('\'');
            format!("a string is in double quotes: \"{quoted}\"")
        }
        ParseErrorType::ExprTooDeep => "this expression is nested too deep".into(),
        ParseErrorType::TooManyFunctions => "there are too many functions".into(),
        other => other.to_string(),
    }
}

/// What to write instead, as far as the word at the place tells, or the one before it.
pub fn advice(source: &str, at: usize, kind: &ParseErrorType, index: &Index) -> Option<String> {
    let rest = source.get(at..).unwrap_or_default();
    let before = source.get(..at).unwrap_or_default();
    let word = leading_word(rest);
    let last = trailing_word(before.trim_end());
    if let Some(advice) = of_another_language(word).or_else(|| of_another_language(last)) {
        return Some(advice.to_owned());
    }
    match kind {
        ParseErrorType::BadInput(LexError::MalformedChar(_)) => {
            Some("single quotes are for one character: 'x'".into())
        }
        ParseErrorType::VariableUndefined(name) => {
            if is_assigned(&rest[word.len()..]) {
                return Some(format!("a new variable needs `let`: `let {name} = …`"));
            }
            let function = closure_is_wanted(before, index)?;
            Some(format!("`{function}` takes a closure: `|{name}| …`"))
        }
        _ => None,
    }
}

/// What is said about a line that goes on with a chain whose first line has been evaluated already; `known` are the
/// variables, the oldest first.
pub fn begins_with_a_dot(source: &str, known: &[String]) -> Option<(String, String)> {
    let rest = source.trim_start();
    if !rest.starts_with('.') || rest.starts_with("..") {
        return None;
    }
    let of = known.last().map_or("it", String::as_str);
    let first = rest.lines().next().unwrap_or_default();
    let text = "a line cannot begin with `.`: the line before it is complete without it";
    Some((
        text.into(),
        format!("write `{of}{first}`; or let the line before end with `.`, then it goes on here"),
    ))
}

/// Whether an assignment follows, and no comparison.
fn is_assigned(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.starts_with('=') && !rest.starts_with("==") && !rest.starts_with("=>")
}

/// The function in whose parentheses the text ends, if it takes a closure and none has begun.
fn closure_is_wanted<'t>(before: &'t str, index: &Index) -> Option<&'t str> {
    let mut depth = 0;
    let open = before.char_indices().rev().find(|(_, c)| {
        match c {
            ')' => depth += 1,
            '(' => depth -= 1,
            _ => {}
        }
        depth < 0
    });
    let (open, _) = open?;
    let name = trailing_word(&before[..open]);
    let takes =
        |form: &&crate::script::docs::Function| form.params.iter().any(|(_, kind)| kind == "function");
    (!before[open..].contains('|') && index.forms_of(name).iter().any(takes)).then_some(name)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn leading_word(text: &str) -> &str {
    &text[..text.find(|c| !is_name(c)).unwrap_or(text.len())]
}

fn trailing_word(text: &str) -> &str {
    let start = text.char_indices().rev().find(|(_, c)| !is_name(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    &text[start..]
}
