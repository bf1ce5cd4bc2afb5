//! What a text imports, and where it uses that: found in the words that the parser reads, so that comments and texts are what they are
//! for it, and what stands in `${…}` is code.
//!
//! In: a text. Out: its imports, its uses of `name::word`, what it defines, or the first thing about its imports that is not as it has to be.

use std::{cell::RefCell, ops::Range, rc::Rc};

use rhai::{AST, ASTNode, Engine, Expr, FnAccess, Position, Stmt, Token};

use super::super::{diagnostics::offset, engine};

/// `import "path" as alias`
#[derive(Debug, Clone)]
pub struct Statement {
    pub path: String,
    /// Where the path stands.
    pub at: Position,
    pub alias: String,
    /// All of it but the semicolon.
    pub whole: Range<usize>,
}

/// `alias::name`
#[derive(Debug, Clone)]
pub struct Use {
    pub alias: String,
    /// Where the alias stands.
    pub at: Position,
    pub name: String,
    /// Where the name stands.
    pub name_at: Position,
    pub is_call: bool,
    /// What stands before the name.
    pub before: Range<usize>,
}

/// A function that a text defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub params: Vec<String>,
    pub is_private: bool,
    /// What its comments say, without their signs.
    pub about: String,
}

/// A constant that a text defines at its top level.
#[derive(Debug, Clone)]
pub struct Constant {
    pub name: String,
    pub at: Position,
    pub is_exported: bool,
}

/// What is wrong with how a text imports or defines, and where.
#[derive(Debug, Clone)]
pub struct Misplaced {
    pub text: String,
    pub advice: String,
    pub at: Position,
}

impl Misplaced {
    pub fn new(at: Position, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Misplaced { text: text.into(), advice: advice.into(), at }
    }
}

/// A text, as far as it is about imports.
#[derive(Debug)]
pub struct Scan {
    pub statements: Vec<Statement>,
    pub uses: Vec<Use>,
    words: Vec<(Token, Position)>,
    /// `None` if the text does not parse.
    ast: Option<AST>,
}

struct Reader {
    engine: Engine,
    heard: Rc<RefCell<Vec<(Token, Position)>>>,
}

thread_local! {
    static READER: Reader = {
        let mut engine = engine::bare();
        // Names are looked at where the text is compiled.
        engine.set_strict_variables(false);
        let heard: Rc<RefCell<Vec<(Token, Position)>>> = Rc::default();
        let hears = Rc::clone(&heard);
        #[allow(deprecated, reason = "volatile and not deprecated, as its documentation says")]
        engine.on_parse_token(move |token, position, _| {
            hears.borrow_mut().push((token.clone(), position));
            token
        });
        Reader { engine, heard }
    };
}

/// Whether a text may import something or use what is imported: most do not, and are left as they are.
#[must_use]
pub fn is_concerned(text: &str) -> bool {
    text.contains("import") || text.contains("::")
}

impl Scan {
    /// Reads a text. One that does not parse is read up to there.
    ///
    /// # Errors
    /// The first import that is not as it has to be.
    pub fn of(text: &str) -> Result<Self, Misplaced> {
        let (words, ast) = READER.with(|reader| {
            reader.heard.borrow_mut().clear();
            let ast = reader.engine.compile(text).ok();
            (reader.heard.take(), ast)
        });
        if let Some(at) = ast.as_ref().and_then(hidden_import) {
            return Err(Misplaced::new(
                at,
                "an import stands at the top level of a script, and in no function or block",
                "put it at the top: every function of the script can use what it imports",
            ));
        }
        let mut scan = Scan { statements: Vec::new(), uses: Vec::new(), words, ast };
        for index in 0..scan.words.len() {
            match &scan.words[index].0 {
                Token::Import => {
                    let statement = scan.statement(text, index)?;
                    scan.statements.push(statement);
                }
                Token::DoubleColon => scan.uses.extend(scan.used(text, index)),
                _ => {}
            }
        }
        Ok(scan)
    }

    fn word(&self, index: usize) -> Option<(&Token, Position)> {
        self.words.get(index).map(|(token, at)| (token, *at))
    }

    fn name(&self, index: usize) -> Option<(&str, Position)> {
        match self.word(index) {
            Some((Token::Identifier(name), at)) => Some((name.as_str(), at)),
            _ => None,
        }
    }

    /// The import whose word stands here.
    fn statement(&self, text: &str, index: usize) -> Result<Statement, Misplaced> {
        let from = self.words[index].1;
        let Some((Token::StringConstant(path), at)) = self.word(index + 1) else {
            let at = self.word(index + 1).map_or(from, |(_, at)| at);
            return Err(Misplaced::new(
                at,
                "what is imported is named by a text that stands there as it is",
                "import \"lib/net\" as net;",
            ));
        };
        let ends = |index: usize| matches!(self.word(index), None | Some((Token::SemiColon | Token::EOF, _)));
        match (self.word(index + 2), self.name(index + 3)) {
            (Some((Token::As, _)), Some((alias, alias_at))) if ends(index + 4) => Ok(Statement {
                path: path.to_string(),
                at,
                alias: alias.to_owned(),
                whole: offset(text, from)..offset(text, alias_at) + alias.len(),
            }),
            _ => {
                let last = path.rsplit('/').next().unwrap_or_default();
                let name: String =
                    last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
                Err(Misplaced::new(
                    at,
                    "an import needs a name by which it is used",
                    format!("import {path:?} as {name}; and then: {name}::…"),
                ))
            }
        }
    }

    /// The use whose `::` stands here.
    fn used(&self, text: &str, index: usize) -> Option<Use> {
        let (alias, at) = self.name(index.checked_sub(1)?)?;
        let (name, name_at) = self.name(index + 1)?;
        Some(Use {
            alias: alias.to_owned(),
            at,
            name: name.to_owned(),
            name_at,
            is_call: self.is_called(index + 1),
            before: offset(text, at)..offset(text, name_at),
        })
    }

    /// Whether arguments stand behind this word.
    fn is_called(&self, index: usize) -> bool {
        matches!(self.word(index + 1), Some((Token::LeftParen | Token::Unit | Token::Bang, _)))
    }

    /// Whether this word is a member of what stands before it.
    fn is_member(&self, index: usize) -> bool {
        let before = index.checked_sub(1).and_then(|index| self.word(index));
        matches!(before, Some((Token::Period | Token::Elvis | Token::DoubleColon, _)))
    }

    /// Where functions of these names are defined, called or named by `Fn("…")`; with the name.
    pub fn places_of_functions<'s>(
        &'s self,
        names: &'s [Function],
    ) -> impl Iterator<Item = (&'s str, Position, bool)> {
        let known = |name: &str| names.iter().find(|function| function.name == name).map(|f| f.name.as_str());
        self.words.iter().enumerate().filter_map(move |(index, (token, at))| match token {
            Token::Identifier(name) if !self.is_member(index) => {
                let is_defined = index > 0 && self.words[index - 1].0 == Token::Fn;
                let name = known(name).filter(|_| is_defined || self.is_called(index))?;
                Some((name, *at, false))
            }
            Token::StringConstant(name) => {
                let is = |back: usize, token: &Token| {
                    index.checked_sub(back).is_some_and(|index| self.words[index].0 == *token)
                };
                let named = is(1, &Token::LeftParen) && is(2, &Token::Reserved(Box::new("Fn".into())));
                Some((known(name).filter(|_| named)?, *at, true))
            }
            _ => None,
        })
    }

    /// Where constants of these names are used; with the name.
    pub fn places_of_constants<'s>(
        &'s self,
        names: &'s [Constant],
    ) -> impl Iterator<Item = (&'s str, Position)> {
        self.words.iter().enumerate().filter_map(move |(index, (token, at))| {
            let Token::Identifier(name) = token else { return None };
            let name = names.iter().find(|constant| constant.name == name.as_str())?;
            let before = index.checked_sub(1).map(|index| &self.words[index].0);
            let is_new =
                matches!(before, Some(Token::Const | Token::Let | Token::For | Token::As | Token::Fn));
            let is_key = matches!(self.word(index + 1), Some((Token::Colon, _)));
            let other = is_new || is_key || self.is_member(index) || self.is_called(index);
            (!other).then_some((name.name.as_str(), *at))
        })
    }

    /// The functions that the text defines.
    pub fn functions(&self) -> Vec<Function> {
        let Some(ast) = &self.ast else { return Vec::new() };
        let named = ast.iter_functions().filter(|function| !function.name.starts_with("anon$"));
        named
            .map(|function| Function {
                name: function.name.to_owned(),
                params: function.params.iter().map(|&param| param.to_owned()).collect(),
                is_private: function.access == FnAccess::Private,
                about: about(&function.comments),
            })
            .collect()
    }

    /// What the text defines as something that is imported has to: constants, and functions that are of no type.
    ///
    /// # Errors
    /// The first statement that does something else.
    pub fn constants(&self) -> Result<Vec<Constant>, Misplaced> {
        let Some(ast) = &self.ast else { return Ok(Vec::new()) };
        if let Some(function) = ast.iter_functions().find(|function| function.this_type.is_some()) {
            let at = ast.shared_lib().get_script_fn(function.name, function.params.len());
            return Err(Misplaced::new(
                at.map_or(Position::NONE, |found| found.body.start_position()),
                format!("`{}` is a method of a type, which an imported file cannot have", function.name),
                "write a function that takes the value as its first argument",
            ));
        }
        let mut constants: Vec<Constant> = Vec::new();
        for statement in ast.statements() {
            match statement {
                Stmt::Noop(..) | Stmt::Import(..) => {}
                Stmt::Var(parts, flags, at) if flags.intersects(rhai::ASTFlags::CONSTANT) => {
                    let at = if parts.0.pos.is_none() { *at } else { parts.0.pos };
                    let is_exported = flags.intersects(rhai::ASTFlags::EXPORTED);
                    constants.push(Constant { name: parts.0.name.to_string(), at, is_exported });
                }
                Stmt::Export(names, at) => {
                    let (name, alias) = &**names;
                    let renamed = !alias.name.is_empty() && alias.name != name.name;
                    match constants.iter_mut().find(|constant| constant.name == name.name.as_str()) {
                        Some(constant) if !renamed => constant.is_exported = true,
                        _ => {
                            return Err(Misplaced::new(
                                *at,
                                "only a constant of this file can be exported, by its own name",
                                "export const PORTS = [22, 80];",
                            ));
                        }
                    }
                }
                other => return Err(does_something(other)),
            }
        }
        Ok(constants)
    }
}

fn does_something(statement: &Stmt) -> Misplaced {
    let (what, advice) = match statement {
        Stmt::Var(..) => {
            ("a variable", "`const` makes a constant; what changes is kept in a map that a function returns")
        }
        _ => ("a statement", "put it into a function, which the script that imports it calls"),
    };
    let at = match statement {
        Stmt::Expr(expression) => expression.start_position(),
        other => other.position(),
    };
    Misplaced::new(
        at,
        format!("what is imported only defines functions and constants, and this is {what}"),
        advice,
    )
}

/// Where a function or a block imports something.
fn hidden_import(ast: &AST) -> Option<Position> {
    let top: Vec<Position> = ast
        .statements()
        .iter()
        .filter_map(|statement| if let Stmt::Import(_, at) = statement { Some(*at) } else { None })
        .collect();
    let mut found = None;
    ast.walk(&mut |path| {
        if let Some(ASTNode::Stmt(Stmt::Import(parts, at))) = path.last()
            && !top.contains(at)
        {
            let named: &Expr = &parts.0;
            found = found.take().or_else(|| Some(if at.is_none() { named.position() } else { *at }));
        }
        found.is_none()
    });
    found
}

/// Comments without their signs.
fn about(comments: &[&str]) -> String {
    let lines = comments.iter().flat_map(|comment| comment.lines());
    let lines = lines.map(|line| line.trim().trim_start_matches('/').trim_matches('*').trim());
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        Scan::of(text).unwrap_err().text
    }

    #[test]
    fn imports_and_their_uses_are_found_as_the_parser_reads() {
        let text = "import \"lib/net\" as net; // import \"no\" as no;\nlet s = `${net::f(1)} net::no`;\nif true { net::PORTS; }";
        let scan = Scan::of(text).unwrap();
        assert_eq!(scan.statements.len(), 1);
        assert_eq!(&text[scan.statements[0].whole.clone()], "import \"lib/net\" as net");
        let uses: Vec<_> = scan.uses.iter().map(|used| (used.name.as_str(), used.is_call)).collect();
        assert_eq!(uses, [("f", true), ("PORTS", false)]);
        assert_eq!(&text[scan.uses[1].before.clone()], "net::");
    }

    #[test]
    fn what_is_no_import_is_refused() {
        assert!(why("import \"a\" + x as a;").contains("needs a name"));
        assert!(why("let n = \"a\"; import n as a;").contains("as it is"));
        assert!(why("import \"a\";").contains("needs a name"));
        assert!(why("fn f() { import \"a\" as a; }").contains("no function or block"));
        assert!(why("if true { import \"a\" as a; }").contains("no function or block"));
        assert!(why("let f = || { import \"a\" as a; };").contains("no function or block"));
    }

    #[test]
    fn what_only_defines_is_told_from_what_does_something() {
        let scan = Scan::of(
            "/// Says it.\nfn f(a) { a }\nprivate fn g() { A }\nexport const A = 1;\nconst B = #{ A: A };",
        )
        .unwrap();
        let functions = scan.functions();
        assert_eq!(functions.len(), 2);
        let f = functions.iter().find(|function| function.name == "f").unwrap();
        assert_eq!((f.about.as_str(), f.is_private, &f.params), ("Says it.", false, &vec!["a".to_owned()]));
        let constants = scan.constants().unwrap();
        let exported: Vec<_> = constants.iter().map(|c| (c.name.as_str(), c.is_exported)).collect();
        assert_eq!(exported, [("A", true), ("B", false)]);
        assert_eq!(scan.places_of_constants(&constants).count(), 2);
        for text in ["let a = 1;", "probe(\"exec\").attach();", "print(1)", "fn f() {} f();"] {
            let error = Scan::of(text).unwrap().constants().unwrap_err();
            assert!(error.text.contains("only defines"), "{text}: {}", error.text);
        }
    }

    #[test]
    fn functions_are_found_where_they_are_meant() {
        let scan =
            Scan::of("fn f() { 1 } fn g(l) { l.f(); f() + g(2); Fn(\"f\"); #{ f: 1 }; \"f\" }").unwrap();
        let functions = scan.functions();
        let places: Vec<_> = scan
            .places_of_functions(&functions)
            .map(|(name, at, text)| (name, at.position().unwrap(), text))
            .collect();
        assert_eq!(places.iter().filter(|(name, ..)| *name == "f").count(), 3, "{places:?}");
        assert_eq!(places.iter().filter(|(_, _, text)| *text).count(), 1, "{places:?}");
    }
}
