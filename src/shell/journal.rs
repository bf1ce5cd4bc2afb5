//! What succeeded in this session, as a script that does it again.
//!
//! In: inputs, and whether each had a value. Out: a script. Only the prompt knows `it`, the
//! value of the input before: where an input uses it, the script names the value before.

use super::lexer::{Kind, lex};
use crate::script::{LAST_VALUE, parses};

/// What an input came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gave {
    Value,
    Nothing,
}

#[derive(Debug, Default)]
pub struct Journal {
    inputs: Vec<(String, Gave)>,
}

impl Journal {
    pub fn add(&mut self, input: &str, gave: Gave) {
        let input = input.trim();
        if !input.is_empty() {
            self.inputs.push((input.to_owned(), gave));
        }
    }

    /// A file to run, with the line that names its interpreter.
    #[must_use]
    pub fn script(&self) -> String {
        let mut script = String::from("#!/usr/bin/env krsi-sh\n");
        let named = self.named();
        if named.contains(&None) {
            // As at the first prompt.
            script.push_str(&format!("let {LAST_VALUE} = ();\n"));
        }
        for (index, (input, _)) in self.inputs.iter().enumerate() {
            match named.contains(&Some(index)) {
                true => script.push_str(&ended(&naming(input))),
                false => script.push_str(&ended(input)),
            }
            script.push('\n');
        }
        script
    }

    /// The inputs whose values others use; `None` for what was before the first value.
    fn named(&self) -> Vec<Option<usize>> {
        let mut last = None;
        let mut named = Vec::new();
        for (index, (input, gave)) in self.inputs.iter().enumerate() {
            if uses_last_value(input) {
                named.push(last);
            }
            if *gave == Gave::Value {
                last = Some(index);
            }
        }
        named
    }
}

fn uses_last_value(input: &str) -> bool {
    lex(input).iter().any(|token| token.kind == Kind::Name && token.of(input) == LAST_VALUE)
}

/// At the prompt the last statement needs no semicolon; in a script it does.
fn ended(input: &str) -> String {
    let tokens = lex(input);
    let mut code = tokens.iter().rev().filter(|token| token.kind != Kind::Comment);
    match code.next() {
        Some(last) if last.of(input) != ";" => {
            let (before, after) = input.split_at(last.end);
            format!("{before};{after}")
        }
        _ => input.to_owned(),
    }
}

/// The input with a name for the value of its last statement. Where that statement begins is
/// the parser's to say: what comes before it is a script, and itself it can stand in brackets.
fn naming(input: &str) -> String {
    let tokens = lex(input);
    let mut code: Vec<_> = tokens.iter().filter(|token| token.kind != Kind::Comment).collect();
    code.pop_if(|last| last.of(input) == ";");
    let end = code.last().map_or(input.len(), |last| last.end);
    let after = code.iter().filter(|token| matches!(token.of(input), ";" | "}")).map(|token| token.end);
    for place in std::iter::once(0).chain(after) {
        // White space and comments stay where they are.
        let place = code.iter().map(|token| token.start).find(|start| *start >= place).unwrap_or(end);
        let (before, value) = (&input[..place], &input[place..end]);
        if !value.is_empty() && parses(before) && parses(&format!("({value})")) {
            return format!("{before}let {LAST_VALUE} = {}", &input[place..]);
        }
    }
    // What it makes beside its value is lost to what follows; it runs all the same.
    format!("let {LAST_VALUE} = {{\n{input}\n}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(inputs: &[(&str, Gave)]) -> String {
        let mut journal = Journal::default();
        for (input, gave) in inputs {
            journal.add(input, *gave);
        }
        let script = journal.script();
        // That line is not the parser's.
        let script = script.strip_prefix("#!/usr/bin/env krsi-sh\n").expect("its first line");
        assert!(parses(script), "{script}");
        script.to_owned()
    }

    #[test]
    fn each_input_becomes_a_statement() {
        let inputs = [
            ("let x = 1", Gave::Nothing),
            ("x + 1; // sum", Gave::Value),
            ("x // comment", Gave::Value),
            ("  ", Gave::Nothing),
            ("`a;`", Gave::Value),
        ];
        assert_eq!(script(&inputs), "let x = 1;\nx + 1; // sum\nx; // comment\n`a;`;\n");
    }

    #[test]
    fn the_value_that_a_later_input_calls_it_has_that_name() {
        let inputs = [
            ("40 + 1 // a comment", Gave::Value),
            ("print(1)", Gave::Nothing),
            ("let x = it", Gave::Nothing),
            ("7", Gave::Value),
            ("8", Gave::Value),
            ("it + x", Gave::Value),
            ("`${it}`", Gave::Value),
        ];
        assert_eq!(
            script(&inputs),
            "let it = 40 + 1; // a comment\nprint(1);\nlet x = it;\n7;\nlet it = 8;\nlet it = it + x;\n`${it}`;\n"
        );
    }

    #[test]
    fn only_the_last_statement_has_a_value() {
        for (input, saved) in [
            ("let a = 1; a + 1;", "let a = 1; let it = a + 1;"),
            ("fn f(x) { x; x } f(2) // f", "fn f(x) { x; x } let it = f(2); // f"),
            ("if true { 1 } else { 2 }", "let it = if true { 1 } else { 2 };"),
            ("#{ a: 1 }.a - 1", "let it = #{ a: 1 }.a - 1;"),
            ("let a = 1;\n// two\n[a, `;}${a}`]", "let a = 1;\n// two\nlet it = [a, `;}${a}`];"),
        ] {
            let inputs = [(input, Gave::Value), ("print(it)", Gave::Nothing)];
            assert_eq!(script(&inputs), format!("{saved}\nprint(it);\n"));
        }
    }

    #[test]
    fn before_the_first_value_it_is_nothing() {
        let inputs = [("print(it)", Gave::Nothing), ("#{ it: 1 }.it", Gave::Value), ("\"it\"", Gave::Value)];
        assert!(script(&inputs).starts_with("let it = ();\nprint(it);\n"));
        assert_eq!(script(&[("\"it\" // it", Gave::Value)]), "\"it\"; // it\n");
    }
}
