//! A forgiving reading of Rhai: where its words, strings and comments begin and end.
//!
//! In: whatever stands in the line editor, finished or not. Out: [`Token`]s by
//! byte position, which highlighting and completion look at. Rhai's own
//! tokenizer gives no spans and stops at the first error, so it cannot serve
//! here; whether a text is *complete* is still for the engine's parser to say.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Keyword,
    Name,
    Number,
    /// A string, or a piece of one between two interpolations.
    Text,
    Comment,
    Symbol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    /// Whether a text or a block comment has its closing mark.
    pub closed: bool,
}

impl Token {
    #[must_use]
    pub fn of<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// What stands between a text's quotes, as far as it is there.
    #[must_use]
    pub fn content<'t>(&self, text: &'t str) -> &'t str {
        let whole = self.of(text).trim_start_matches('#');
        let inner = whole.strip_prefix(['"', '`', '\'']).unwrap_or(whole);
        if self.closed {
            inner.trim_end_matches('#').strip_suffix(['"', '`', '\'']).unwrap_or(inner)
        } else {
            inner
        }
    }

    /// Whether what is typed at `position` goes into this text or comment.
    #[must_use]
    pub fn surrounds(&self, position: usize) -> bool {
        self.start < position && (position < self.end || (position == self.end && !self.closed))
    }
}

/// Words that the language keeps for itself.
pub const KEYWORDS: [&str; 26] = [
    "as", "break", "catch", "const", "continue", "do", "else", "export", "false", "fn", "for", "global",
    "if", "import", "in", "let", "loop", "private", "return", "switch", "this", "throw", "true", "try",
    "until", "while",
];

/// Longest first: `..=` must not be read as `..` and `=`.
const SYMBOLS: [&str; 22] = [
    "..=", "**=", "<<=", ">>=", "#{", "=>", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "?[", "::", "..",
    "+=", "-=", "*=", "/=", "**",
];

/// Everything but white space, in order.
#[must_use]
pub fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), interpolations: Vec::new() };
    if text.starts_with("#!") {
        lexer.line_comment();
    }
    while lexer.step() {}
    lexer.tokens
}

/// Whether the last thing in a text is a semicolon, comments aside.
#[must_use]
pub fn ends_statement(text: &str) -> bool {
    let tokens = lex(text);
    let last = tokens.iter().rfind(|token| token.kind != Kind::Comment);
    last.is_some_and(|token| token.kind == Kind::Symbol && token.of(text) == ";")
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token>,
    /// How many braces are open inside each `${` that is open.
    interpolations: Vec<usize>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, kind: Kind, length: usize, closed: bool) {
        self.tokens.push(Token { kind, start: self.at, end: self.at + length, closed });
        self.at += length;
    }

    /// Reads one token; false at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return false };
        if first.is_whitespace() {
            self.at += first.len_utf8();
        } else if rest.starts_with("//") {
            self.line_comment();
        } else if rest.starts_with("/*") {
            self.block_comment();
        } else if first.is_ascii_digit() {
            let length = number_length(rest);
            self.push(Kind::Number, length, true);
        } else if first.is_alphabetic() || first == '_' {
            self.word();
        } else if raw_hashes(rest).is_some() {
            self.raw_text();
        } else if matches!(first, '"' | '\'') {
            self.quoted(first);
        } else if first == '`' {
            self.template_text(1);
        } else {
            self.symbol(first);
        }
        true
    }

    fn line_comment(&mut self) {
        let length = self.rest().find('\n').unwrap_or(self.rest().len());
        self.push(Kind::Comment, length, false);
    }

    /// Block comments nest in Rhai.
    fn block_comment(&mut self) {
        let rest = self.rest();
        let (mut depth, mut at) = (0_usize, 0);
        while let Some(pair) = rest.as_bytes().get(at..at + 2) {
            match pair {
                b"/*" => (depth, at) = (depth + 1, at + 2),
                b"*/" => (depth, at) = (depth.saturating_sub(1), at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                return self.push(Kind::Comment, at, true);
            }
        }
        let length = rest.len();
        self.push(Kind::Comment, length, false);
    }

    fn word(&mut self) {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        // After a dot a keyword is a property's name.
        let property = self.tokens.last().is_some_and(|last| matches!(last.of(self.text), "." | "?."));
        let kind = if KEYWORDS.contains(&&rest[..length]) && !property { Kind::Keyword } else { Kind::Name };
        self.push(kind, length, true);
    }

    /// `#"…"#`, with any number of hashes.
    fn raw_text(&mut self) {
        let rest = self.rest();
        let hashes = raw_hashes(rest).unwrap_or(1);
        let close = format!("\"{}", "#".repeat(hashes));
        let from = hashes + 1;
        let end = rest.get(from..).and_then(|inner| inner.find(&close)).map(|at| from + at + close.len());
        let length = rest.len();
        self.push(Kind::Text, end.unwrap_or(length), end.is_some());
    }

    fn quoted(&mut self, quote: char) {
        let rest = self.rest();
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                // A string ends with its line unless the newline is escaped.
                '\n' => return self.push(Kind::Text, at, false),
                c if c == quote => return self.push(Kind::Text, at + 1, true),
                _ => {}
            }
        }
        let length = rest.len();
        self.push(Kind::Text, length, false);
    }

    /// From a backtick, or from the brace that ends an interpolation, to the
    /// next interpolation or the closing backtick.
    fn template_text(&mut self, skip: usize) {
        let rest = self.rest();
        let mut at = skip;
        while let Some(&byte) = rest.as_bytes().get(at) {
            if byte == b'`' {
                // Two backticks stand for one.
                if rest.as_bytes().get(at + 1) != Some(&b'`') {
                    return self.push(Kind::Text, at + 1, true);
                }
                at += 1;
            } else if rest[at..].starts_with("${") {
                self.interpolations.push(0);
                return self.push(Kind::Text, at + 2, true);
            }
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
        let length = rest.len();
        self.push(Kind::Text, length, false);
    }

    fn symbol(&mut self, first: char) {
        let known = SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol));
        let length = known.map_or(first.len_utf8(), |symbol| symbol.len());
        if let Some(open) = self.interpolations.last_mut() {
            match known.copied().unwrap_or_default() {
                "#{" => *open += 1,
                "" if first == '{' => *open += 1,
                "" if first == '}' && *open == 0 => {
                    self.interpolations.pop();
                    return self.template_text(1);
                }
                "" if first == '}' => *open -= 1,
                _ => {}
            }
        }
        self.push(Kind::Symbol, length, true);
    }
}

/// How many hashes open a raw string here, if one does.
fn raw_hashes(rest: &str) -> Option<usize> {
    let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
    (hashes > 0 && rest.as_bytes().get(hashes) == Some(&b'"')).then_some(hashes)
}

/// `1`, `1_000`, `0xff`, `1.5`, `2e-3`; not the dots of `1..5` or `1.max(2)`.
fn number_length(rest: &str) -> usize {
    let digits = |from: usize| {
        rest[from..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(rest.len(), |at| from + at)
    };
    let whole = digits(0);
    let fraction =
        rest[whole..].strip_prefix('.').is_some_and(|tail| tail.starts_with(|c: char| c.is_ascii_digit()));
    let end = if fraction { digits(whole + 1) } else { whole };
    let exponent = !rest.starts_with("0x") && rest[..end].ends_with(['e', 'E']);
    let signed = exponent && rest[end..].starts_with(['+', '-']);
    if signed { digits(end + 1) } else { end }
}

/// The brackets that are open at the end of `tokens`, outermost first.
#[must_use]
pub fn open_brackets(text: &str, tokens: &[Token]) -> Vec<usize> {
    let mut open = Vec::new();
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Symbol) {
        match token.of(text) {
            "(" | "[" | "?[" | "{" | "#{" => open.push(index),
            ")" | "]" | "}" => {
                open.pop();
            }
            _ => {}
        }
    }
    open
}

/// The token that pairs with the bracket at `index`.
#[must_use]
pub fn partner(text: &str, tokens: &[Token], index: usize) -> Option<usize> {
    let mut open: Vec<usize> = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Symbol) {
        let close = token.of(text);
        match close {
            "(" | "[" | "?[" | "{" | "#{" => open.push(at),
            ")" | "]" | "}" => {
                let opened = open.pop()?;
                let fits = matches!(
                    (tokens[opened].of(text), close),
                    ("(", ")") | ("[" | "?[", "]") | ("{" | "#{", "}")
                );
                if opened == index || at == index {
                    return fits.then_some(if at == index { opened } else { at });
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<(Kind, &str)> {
        lex(text).iter().map(|token| (token.kind, token.of(text))).collect()
    }

    #[test]
    fn words_numbers_and_symbols_are_told_apart() {
        use Kind::*;
        assert_eq!(
            words("let x = 1.5 + y.max(0x_ff)"),
            [
                (Keyword, "let"),
                (Name, "x"),
                (Symbol, "="),
                (Number, "1.5"),
                (Symbol, "+"),
                (Name, "y"),
                (Symbol, "."),
                (Name, "max"),
                (Symbol, "("),
                (Number, "0x_ff"),
                (Symbol, ")"),
            ]
        );
    }

    #[test]
    fn a_range_or_a_method_is_no_fraction() {
        use Kind::*;
        assert_eq!(words("1..5"), [(Number, "1"), (Symbol, ".."), (Number, "5")]);
        assert_eq!(words("1.abs"), [(Number, "1"), (Symbol, "."), (Name, "abs")]);
        assert_eq!(words("2e-3"), [(Number, "2e-3")]);
    }

    #[test]
    fn an_interpolation_is_code_inside_text() {
        use Kind::*;
        assert_eq!(
            words("`a ${#{b: 1}.b} c`"),
            [
                (Text, "`a ${"),
                (Symbol, "#{"),
                (Name, "b"),
                (Symbol, ":"),
                (Number, "1"),
                (Symbol, "}"),
                (Symbol, "."),
                (Name, "b"),
                (Text, "} c`"),
            ]
        );
    }

    #[test]
    fn comments_nest_and_brackets_in_them_do_not_count() {
        let text = "f( /* ( /* [ */ { */ // )\n";
        let tokens = lex(text);
        assert_eq!(open_brackets(text, &tokens).len(), 1);
        assert_eq!(words("/* a */ b"), [(Kind::Comment, "/* a */"), (Kind::Name, "b")]);
    }

    #[test]
    fn a_semicolon_ends_a_statement_where_it_is_the_last_code() {
        for ended in ["1 + 1;", "f(); // why", "x; /* a */", "if a { 1 };\n"] {
            assert!(ends_statement(ended), "{ended}");
        }
        for open in ["1 + 1", "`a;`", "x // ;", "if a { 1; }", "", "// a;"] {
            assert!(!ends_statement(open), "{open}");
        }
    }

    #[test]
    fn an_unfinished_string_surrounds_the_cursor() {
        let text = r#"probe("ex"#;
        let last = *lex(text).last().unwrap();
        assert!(!last.closed && last.surrounds(text.len()));
        assert_eq!(last.content(text), "ex");
        let closed = r#""ex""#;
        assert!(!lex(closed)[0].surrounds(closed.len()));
        assert_eq!(lex(closed)[0].content(closed), "ex");
        assert_eq!(lex(r###"##"a"#b"##"###)[0].content(r###"##"a"#b"##"###), "a\"#b");
    }

    #[test]
    fn a_bracket_finds_its_partner_across_strings() {
        let text = "f(\")\", [1])";
        let tokens = lex(text);
        let (open, close) = (1, tokens.len() - 1);
        assert_eq!(partner(text, &tokens, open), Some(close));
        assert_eq!(partner(text, &tokens, close), Some(open));
        assert_eq!(partner("(]", &lex("(]"), 0), None);
    }

    proptest! {
        #[test]
        fn any_text_is_covered_in_order_and_without_overlap(text in "[ -~\n`\"'#${}éλ*/]{0,60}") {
            let mut end = 0;
            for token in lex(&text) {
                prop_assert!(token.start >= end && token.end > token.start && token.end <= text.len());
                prop_assert!(text.is_char_boundary(token.start) && text.is_char_boundary(token.end));
                prop_assert!(text[end..token.start].chars().all(char::is_whitespace));
                end = token.end;
            }
            prop_assert!(text[end..].chars().all(char::is_whitespace));
        }
    }
}
