//! Colours for the line being typed.
//!
//! In: the editor's buffer and the cursor. Out: the same text with escape
//! sequences, and with the continuation prompt painted over each margin; as wide
//! as before, to the column. Without colour only the margins are painted.

use owo_colors::Style;

use super::{
    lexer::{Kind, Token, lex, partner},
    margin,
    vocabulary::Vocabulary,
};

/// Paints `buffer`; with a cursor, the bracket beside it and its partner stand out.
#[must_use]
pub fn paint(buffer: &str, cursor: Option<usize>, vocabulary: &Vocabulary, color: bool) -> String {
    let mut canvas = Canvas { painted: String::with_capacity(buffer.len() * 2), color };
    if !color {
        canvas.add(buffer, Style::new());
        return canvas.painted;
    }
    if buffer.starts_with(':') {
        let name = buffer.find(' ').unwrap_or(buffer.len());
        canvas.add(&buffer[..name], KEYWORD);
        canvas.add(&buffer[name..], Style::new());
        return canvas.painted;
    }
    let tokens = lex(buffer);
    let matched = cursor.and_then(|cursor| matched(buffer, &tokens, cursor));
    let mut end = 0;
    for (index, token) in tokens.iter().enumerate() {
        canvas.add(&buffer[end..token.start], Style::new());
        let bracket = matched.is_some_and(|(a, b)| a == index || b == index);
        let style = if bracket { BRACKET } else { style(buffer, &tokens, index, vocabulary) };
        canvas.add(token.of(buffer), style);
        end = token.end;
    }
    canvas.add(&buffer[end..], Style::new());
    canvas.painted
}

const KEYWORD: Style = Style::new().magenta();
const NUMBER: Style = Style::new().cyan();
const TEXT: Style = Style::new().green();
const COMMENT: Style = Style::new().dimmed();
const TEMPLATE: Style = Style::new().yellow().bold();
const UNKNOWN: Style = Style::new().red();
const BRACKET: Style = Style::new().blue().bold().underline();
const DIM: Style = Style::new().dimmed();
const CALM: Style = Style::new().bold();
const ARMED: Style = Style::new().red().bold();

/// A text that stands back: a hint, a continuation prompt.
#[must_use]
pub fn dim(text: &str, color: bool) -> String {
    styled(text, DIM, color)
}

/// The prompt; it warns while something is enforced.
#[must_use]
pub fn prompt(text: &str, armed: bool, color: bool) -> String {
    styled(text, if armed { ARMED } else { CALM }, color)
}

fn styled(text: &str, style: Style, color: bool) -> String {
    if color && !text.is_empty() { style.style(text).to_string() } else { text.to_owned() }
}

struct Canvas {
    painted: String,
    color: bool,
}

impl Canvas {
    /// Line by line: a style must not reach over a newline into the margin.
    fn add(&mut self, piece: &str, style: Style) {
        for (index, line) in piece.split('\n').enumerate() {
            let mut shown = (false, line.into());
            if index > 0 {
                self.painted.push('\n');
                shown = margin::part(line);
            }
            if shown.0 {
                self.painted.push_str(&dim(margin::PROMPT, self.color));
            }
            let plain = style == Style::new();
            self.painted.push_str(&styled(&shown.1, style, self.color && !plain));
        }
    }
}

fn style(buffer: &str, tokens: &[Token], index: usize, vocabulary: &Vocabulary) -> Style {
    match tokens[index].kind {
        Kind::Keyword => KEYWORD,
        Kind::Number => NUMBER,
        Kind::Comment => COMMENT,
        Kind::Text if names_template(buffer, tokens, index) => {
            match vocabulary.template(tokens[index].content(buffer)) {
                Some(_) => TEMPLATE,
                // While it is being typed it is not wrong yet.
                None if tokens[index].closed => UNKNOWN,
                None => TEXT,
            }
        }
        Kind::Text => TEXT,
        Kind::Name | Kind::Symbol => Style::new(),
    }
}

fn names_template(buffer: &str, tokens: &[Token], index: usize) -> bool {
    index >= 2 && tokens[index - 1].of(buffer) == "(" && tokens[index - 2].of(buffer) == "probe"
}

/// The bracket under the cursor, or right before it, and its partner.
fn matched(buffer: &str, tokens: &[Token], cursor: usize) -> Option<(usize, usize)> {
    let bracket = |token: &Token| {
        token.kind == Kind::Symbol && matches!(token.of(buffer), "(" | ")" | "[" | "]" | "{" | "}" | "#{")
    };
    let under = tokens.iter().position(|t| bracket(t) && t.start <= cursor && cursor < t.end);
    let before = tokens.iter().position(|t| bracket(t) && t.end == cursor);
    under
        .into_iter()
        .chain(before)
        .find_map(|index| partner(buffer, tokens, index).map(|partner| (index, partner)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Catalogue;
    use proptest::prelude::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary::new(Catalogue::builtin().unwrap())
    }

    /// What a terminal shows: escape sequences taken away.
    fn shown(painted: &str) -> String {
        let mut plain = String::new();
        let mut escape = false;
        for c in painted.chars() {
            match (escape, c) {
                (false, '\x1b') => escape = true,
                (true, 'm') => escape = false,
                (true, _) => {}
                (false, c) => plain.push(c),
            }
        }
        plain
    }

    #[test]
    fn words_of_each_kind_have_a_colour_of_their_own() {
        let paint = |text: &str| paint(text, None, &vocabulary(), true);
        assert_eq!(paint("let"), KEYWORD.style("let").to_string());
        assert_eq!(paint("\"a\""), TEXT.style("\"a\"").to_string());
        assert!(paint("probe(\"exec\")").contains(&TEMPLATE.style("\"exec\"").to_string()));
        assert!(paint("probe(\"exce\")").contains(&UNKNOWN.style("\"exce\"").to_string()));
        assert!(!paint("probe(\"ex").contains(&UNKNOWN.style("\"ex").to_string()));
        assert_eq!(paint("name"), "name");
    }

    #[test]
    fn the_bracket_at_the_cursor_and_its_partner_stand_out() {
        let painted = paint("f(1)", Some(4), &vocabulary(), true);
        assert_eq!(painted.matches("\x1b[34;1;4m").count(), painted.matches('(').count() * 2, "{painted:?}");
        assert!(!paint("f(1)", None, &vocabulary(), true).contains("\x1b[34"));
    }

    #[test]
    fn without_colour_there_is_no_escape() {
        let text = format!("probe(\"exec\", `{}`)", margin::newline());
        assert!(!paint(&text, Some(3), &vocabulary(), false).contains('\x1b'));
    }

    proptest! {
        #[test]
        fn painting_keeps_the_text_and_its_width(text in "[ -~\n`\"'{}()éλ]{0,60}", cursor in 0usize..60) {
            let vocabulary = vocabulary();
            for color in [true, false] {
                let painted = paint(&text, Some(cursor), &vocabulary, color);
                prop_assert_eq!(shown(&painted), text.clone());
                let with_margins = margin::add(&text);
                let painted = shown(&paint(&with_margins, Some(cursor), &vocabulary, color));
                prop_assert_eq!(painted.chars().count(), with_margins.chars().count());
            }
        }
    }
}
