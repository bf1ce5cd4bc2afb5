//! `p.on_event(|e| p.detach())`: a closure that uses the variable that its method is called on. And every word that stands for something
//! else, since the engine asks one function about the words of a text.
//!
//! Rhai holds a variable while a method of it is called, and refuses a closure that shares it then. A probe is a handle, and so is a sequence:
//! its method may as well be called on a copy. So a text is parsed once to find such variables, and where there are any
//! once more, with a word for the copy in the place of each. Every position stays what it was.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use rhai::{AST, ASTNode, Dynamic, Engine, EvalContext, Expr, ParseError, Position, Scope, Stmt, Token};

use super::imports::{Mark, Marks};

/// Methods of a probe, a sequence or a threshold that keep the function they are given.
const METHODS: [&str; 7] = ["by", "of", "on_event", "on_match", "step", "when", "where_user"];

/// Where in the text that is parsed a copy is meant: line and column.
#[derive(Debug, Clone, Default)]
pub struct Receivers {
    places: Rc<RefCell<BTreeSet<(usize, usize)>>>,
    /// What words of the text stand for that are of imported files.
    marks: Rc<RefCell<Marks>>,
    known: BTreeSet<String>,
}

impl Receivers {
    /// Makes the engine look for such places.
    pub fn register(engine: &mut Engine) -> Self {
        let receivers = Receivers::default();
        let (places, marks) = (Rc::clone(&receivers.places), Rc::clone(&receivers.marks));
        #[allow(deprecated, reason = "volatile and not deprecated, as its documentation says")]
        engine.on_parse_token(move |token, position, _| {
            let marks = marks.borrow();
            // Most texts have none.
            let mark = if marks.is_empty() { None } else { marks.get(&place(position)) };
            match (token, mark) {
                (Token::Identifier(_), Some(Mark::Function(name))) => {
                    Token::Identifier(Box::new(name.as_str().into()))
                }
                (Token::Identifier(_), Some(Mark::Constant(word))) => {
                    Token::Custom(Box::new(word.as_str().into()))
                }
                (Token::StringConstant(_), Some(Mark::Text(name))) => {
                    Token::StringConstant(Box::new(name.as_str().into()))
                }
                (Token::Identifier(name), _) if places.borrow().contains(&place(position)) => {
                    Token::Custom(Box::new(copy_of(&name).into()))
                }
                (other, _) => other,
            }
        });
        receivers
    }

    /// Compiles a text, of which some words stand for something else.
    ///
    /// # Errors
    /// What does not parse.
    pub fn compile(
        &mut self,
        engine: &mut Engine,
        scope: &Scope,
        text: &str,
        marks: Marks,
    ) -> Result<AST, ParseError> {
        *self.marks.borrow_mut() = marks;
        let compiled = self.compiled(engine, scope, text);
        self.marks.borrow_mut().clear();
        compiled
    }

    fn compiled(&mut self, engine: &mut Engine, scope: &Scope, text: &str) -> Result<AST, ParseError> {
        let ast = engine.compile_with_scope(scope, text)?;
        let found = found(&ast);
        if found.is_empty() {
            return Ok(ast);
        }
        for (name, _) in &found {
            if self.known.insert(name.clone()) {
                register_copy(engine, name);
            }
        }
        *self.places.borrow_mut() = found.into_iter().map(|(_, position)| place(position)).collect();
        let ast = engine.compile_with_scope(scope, text);
        self.places.borrow_mut().clear();
        ast
    }
}

fn place(position: Position) -> (usize, usize) {
    (position.line().unwrap_or_default(), position.position().unwrap_or_default())
}

/// No script can write this word.
fn copy_of(name: &str) -> String {
    format!("copy${name}")
}

fn register_copy(engine: &mut Engine, name: &str) {
    let variable = name.to_owned();
    let value = move |context: &mut EvalContext, _: &[rhai::Expression], _: &Dynamic| {
        let found = context.scope().get(&variable).map(Dynamic::flatten_clone);
        found.ok_or_else(|| {
            rhai::EvalAltResult::ErrorVariableNotFound(variable.clone(), Position::NONE).into()
        })
    };
    engine.register_custom_syntax_with_state_raw(copy_of(name), |_, _, _| Ok(None), false, value);
}

/// The variables that are used by a closure which is given to a method of theirs, and where the method is called.
fn found(ast: &AST) -> Vec<(String, Position)> {
    let mut found = Vec::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::Dot(parts, ..))) = path.last()
            && let Expr::Variable(variable, ..) = &parts.lhs
            && chain_uses(&parts.rhs, &variable.1)
        {
            found.push((variable.1.to_string(), parts.lhs.position()));
        }
        true
    });
    found
}

/// Whether a call in `.a(…).b(…)` is given such a closure.
fn chain_uses(link: &Expr, variable: &str) -> bool {
    match link {
        Expr::MethodCall(call, _) => {
            METHODS.contains(&call.name.as_str()) && call.args.iter().any(|given| shares(given, variable))
        }
        Expr::Dot(parts, ..) => chain_uses(&parts.lhs, variable) || chain_uses(&parts.rhs, variable),
        _ => false,
    }
}

/// Whether this is a closure that shares the variable.
fn shares(given: &Expr, variable: &str) -> bool {
    let Expr::Stmt(block) = given else { return false };
    let Some(Stmt::Share(shared)) = block.statements().first() else { return false };
    shared.iter().any(|(name, _)| name.name == variable)
}
