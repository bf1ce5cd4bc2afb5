//! Which word of a text stands for what of an imported file; and the text without the rest of it.
//!
//! `net::is_private(a)` becomes `     is_private(a)`, and `is_private` stands for the function of that file: every
//! position stays what it was.

use std::collections::HashMap;

use rhai::Position;

use super::{Function, Imported, Misplaced, Module, Scan};

/// What a word stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// A function of this name.
    Function(String),
    /// A text that is this name.
    Text(String),
    /// What this word of the engine's evaluates to.
    Constant(String),
}

/// By line and column.
pub type Marks = HashMap<(usize, usize), Mark>;

/// A place as the key of a mark.
pub fn place(position: Position) -> (usize, usize) {
    (position.line().unwrap_or_default(), position.position().unwrap_or_default())
}

/// Gives the text without its imports, and the marks of its words; `own` is the file that it is the text of, if it is imported itself.
///
/// # Errors
/// The first use of what there is not.
pub fn linked(
    text: &str,
    scan: &Scan,
    imported: &Imported,
    own: Option<&Module>,
) -> Result<(String, Marks), Misplaced> {
    let mut marks = Marks::new();
    let mut blank: Vec<_> = scan.statements.iter().map(|statement| statement.whole.clone()).collect();
    for used in scan.uses.iter().filter(|used| used.alias != "global") {
        let Some(module) = imported.aliases.get(&used.alias) else {
            let known = imported.aliases.keys().map(String::as_str);
            let near =
                crate::values::nearest(&used.alias, known).map(|near| format!("did you mean `{near}`?"));
            let import = format!("import \"lib/net\" as {};", used.alias);
            return Err(Misplaced::new(
                used.at,
                format!("nothing was imported as `{}`", used.alias),
                near.unwrap_or_else(|| {
                    format!("what is used is named at the top of the script, such as: {import}")
                }),
            ));
        };
        let mark = meaning(module, &used.name, used.is_call).map_err(|(text, advice)| Misplaced {
            text,
            advice,
            at: used.name_at,
        })?;
        marks.insert(place(used.name_at), mark);
        blank.push(used.before.clone());
    }
    if let Some(own) = own {
        for (name, at, is_text) in scan.places_of_functions(&own.functions) {
            let name = own.mangled(name);
            marks.insert(place(at), if is_text { Mark::Text(name) } else { Mark::Function(name) });
        }
        let constants = scan.constants()?;
        for (name, at) in scan.places_of_constants(&constants) {
            if let Some(constant) = own.constant(name) {
                marks.insert(place(at), Mark::Constant(constant.word.clone()));
            }
        }
    }
    Ok((without(text, &blank), marks))
}

/// What a name of an imported file stands for.
fn meaning(module: &Module, name: &str, is_call: bool) -> Result<Mark, (String, String)> {
    let label = &module.label;
    let has = || format!("{label} has: {}", module.names().join(", "));
    match (module.function(name), module.constant(name)) {
        (Some(Function { is_private: true, .. }), _) => {
            Err((format!("`{name}` is a private function of {label}"), has()))
        }
        (Some(_), _) if is_call => Ok(Mark::Function(module.mangled(name))),
        (Some(function), None) => {
            let params = function.params.join(", ");
            let whole = format!("write `|{params}| …::{name}({params})` where a function is wanted");
            Err((format!("`{name}` is a function of {label}, and is not called here"), whole))
        }
        (_, Some(constant)) if constant.is_exported => Ok(Mark::Constant(constant.word.clone())),
        (_, Some(_)) => Err((
            format!("`{name}` is a constant that {label} does not export"),
            format!("there: export const {name} = …;"),
        )),
        (None, None) => {
            let near = module.nearest(name).map(|near| format!("did you mean `{near}`? "));
            Err((format!("{label} has no `{name}`"), format!("{}{}", near.unwrap_or_default(), has())))
        }
    }
}

/// A text with blanks for these parts of it: as many as there were letters.
fn without(text: &str, parts: &[std::ops::Range<usize>]) -> String {
    let is_out = |at: usize| parts.iter().any(|part| part.contains(&at));
    let kept = |(at, c): (usize, char)| if c != '\n' && c != '\r' && is_out(at) { ' ' } else { c };
    text.char_indices().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_stays_what_it_was() {
        let out = |text: &str, part: std::ops::Range<usize>| without(text, std::slice::from_ref(&part));
        assert_eq!(out("aé::b\nc", 0..5), "    b\nc");
        assert_eq!(out("a\nb", 0..3), " \n ");
    }
}
