//! What succeeded in this session, as a script that does it again.

use super::lexer::{Kind, lex};

#[derive(Debug, Default)]
pub struct Journal {
    inputs: Vec<String>,
}

impl Journal {
    pub fn add(&mut self, input: &str) {
        let input = input.trim();
        if !input.is_empty() {
            self.inputs.push(ended(input));
        }
    }

    /// A file to run, with the line that names its interpreter.
    #[must_use]
    pub fn script(&self) -> String {
        let mut script = String::from("#!/usr/bin/env krsi-sh\n");
        for input in &self.inputs {
            script.push_str(input);
            script.push('\n');
        }
        script
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_input_becomes_a_statement() {
        let mut journal = Journal::default();
        for input in ["let x = 1", "x + 1; // sum", "x // comment", "  ", "`a;`"] {
            journal.add(input);
        }
        let script = "#!/usr/bin/env krsi-sh\nlet x = 1;\nx + 1; // sum\nx; // comment\n`a;`;\n";
        assert_eq!(journal.script(), script);
    }
}
