//! The part of Rhai's syntax that a filter may use, as a tree of our own.
//!
//! The only file that walks Rhai's AST (rhai's `internals`): whatever stands there and has
//! no place in a filter is refused here, at its position. Of a callback's first question it gives the question as
//! such a tree, and what follows as Rhai has it.

use std::collections::BTreeSet;

use rhai::{AST, ASTFlags, ASTNode, Dynamic, Expr, FnCallExpr, FnPtr, Position, Stmt, StmtBlock};

use super::refusal::{Misfit, Refusal};
use crate::system::accounts::Account;

/// A function of the script's.
#[derive(Debug)]
pub struct Function {
    pub params: Vec<String>,
    pub body: Vec<Statement>,
    /// Where the body begins.
    pub at: Position,
}

#[derive(Debug)]
pub enum Statement {
    Let {
        name: String,
        value: Node,
    },
    /// `return value;`
    Return(Node),
    Value(Node),
}

/// An expression and its place.
#[derive(Debug)]
pub struct Node {
    pub at: Position,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    Constant(Dynamic),
    Variable(String),
    /// `of.name`, `of["name"]`
    Field {
        of: Box<Node>,
        name: String,
    },
    /// `of.name(arguments)`, `contains` for `x in of`
    Method {
        of: Box<Node>,
        name: String,
        arguments: Vec<Node>,
    },
    /// `of[index]`
    Item {
        of: Box<Node>,
        index: Box<Node>,
    },
    Call {
        name: String,
        arguments: Vec<Node>,
    },
    /// `|x| …`
    Closure {
        name: String,
        captured: Vec<Node>,
    },
    Unary(String, Box<Node>),
    Binary(String, Box<Node>, Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Array(Vec<Node>),
    /// A text with `${…}` in it.
    Interpolated(Vec<Node>),
    If {
        condition: Box<Node>,
        then: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    Block(Vec<Statement>),
}

type Fallible<T> = Result<T, Misfit>;

/// The script's function of this name and number of parameters; `None` if it has none.
///
/// # Errors
/// The first thing in it that has no place in a filter.
pub fn function(ast: &AST, name: &str, arity: usize) -> Result<Option<Function>, Refusal> {
    let Some(found) = ast.shared_lib().get_script_fn(name, arity) else { return Ok(None) };
    let params = found.params.iter().map(ToString::to_string).collect();
    let at = found.body.start_position();
    statements(&body(ast, name, arity))
        .map(|body| Some(Function { params, body, at }))
        .map_err(|misfit| placed(misfit, at).within(name))
}

/// A function that begins with a question.
pub struct Question {
    pub params: Vec<String>,
    pub asked: Node,
    /// What is evaluated if it is so, and if not; `None`: nothing. A function that is a question and nothing else
    /// has neither.
    pub follows: Option<[Option<Expr>; 2]>,
}

/// The question that a function begins with: `if asked { … } else { … } …`, or all of it. `None` if it begins otherwise,
/// or asks what has no place in a filter.
pub fn question(ast: &AST, name: &str, arity: usize) -> Option<Question> {
    let params =
        ast.shared_lib().get_script_fn(name, arity)?.params.iter().map(ToString::to_string).collect();
    let body = body(ast, name, arity);
    let mut list = body.into_iter().filter(|s| !matches!(s, Stmt::Noop(_)));
    let first = list.next()?;
    let rest: Vec<Stmt> = list.collect();
    match first {
        Stmt::If(parts, _) => {
            let asked = node(&parts.expr).ok()?;
            let follows = [parts.body, parts.branch].map(|block| {
                let at = block.position();
                let block = (!block.is_empty()).then(|| Stmt::Block(Box::new(block)));
                let list: Vec<Stmt> = block.into_iter().chain(rest.iter().cloned()).collect();
                (!list.is_empty()).then(|| Expr::Stmt(Box::new(StmtBlock::new(list, at, at))))
            });
            Some(Question { params, asked, follows: Some(follows) })
        }
        statement if rest.is_empty() => {
            Some(Question { params, asked: value(&statement).ok()?, follows: None })
        }
        _ => None,
    }
}

/// The statements of a function; rhai names the type of a body nowhere in public, but walks it.
/// (Its `clone_functions_only_filtered` does not filter: 1.27.)
fn body(ast: &AST, name: &str, arity: usize) -> Vec<Stmt> {
    let mut only = ast.clone_functions_only();
    only.retain_functions(|_, _, other, params| other == name && params == arity);
    let mut list = Vec::new();
    only.walk(&mut |path| {
        if let [ASTNode::Stmt(statement)] = path {
            list.push((*statement).clone());
        }
        true
    });
    list
}

/// Where a function compares a field that holds ids of users or groups with a name, and which. A filter takes the name
/// for the id; Rhai itself would find the two unequal, and say nothing.
pub fn account_by_name(ast: &AST, name: &str, arity: usize) -> Option<(Position, String, String)> {
    let mut found = None;
    for statement in body(ast, name, arity) {
        statement.walk(&mut Vec::new(), &mut |path| {
            let asked = match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, at))) => named_account(call, *at),
                Some(ASTNode::Stmt(Stmt::FnCall(call, at))) => named_account(call, *at),
                _ => None,
            };
            found = found.take().or(asked);
            found.is_none()
        });
    }
    found
}

fn named_account(call: &FnCallExpr, at: Position) -> Option<(Position, String, String)> {
    let [one, other] = &call.args[..] else { return None };
    let text = |expression: &Expr| match expression {
        Expr::StringConstant(text, ..) => Some(text.to_string()),
        Expr::Array(items, ..) if call.name == "contains" => items.iter().find_map(|item| match item {
            Expr::StringConstant(text, ..) => Some(text.to_string()),
            _ => None,
        }),
        _ => None,
    };
    let field = |expression: &Expr| match expression {
        Expr::Dot(parts, ..) => match &parts.rhs {
            Expr::Property(property, ..) => Some(property.2.to_string()),
            _ => None,
        },
        _ => None,
    };
    if !matches!(&*call.name, "==" | "!=" | "contains") {
        return None;
    }
    let (field, text) = match (field(one), text(other)) {
        (Some(field), Some(text)) => (field, text),
        _ => (field(other)?, text(one)?),
    };
    Account::of_field(&field)?;
    let place = [one.start_position(), other.start_position(), at].into_iter().find(|at| !at.is_none());
    Some((place.unwrap_or(at), field, text))
}

/// Numbers of parameters that functions of this name take.
pub fn arities(ast: &AST, name: &str) -> Vec<usize> {
    ast.iter_functions().filter(|f| f.name == name).map(|f| f.params.len()).collect()
}

/// Whether the function, or one of the script's that it calls, calls something of one of these names.
#[must_use]
pub fn calls_any(ast: &AST, function: &str, wanted: &[&str]) -> bool {
    let mut seen: Vec<String> = Vec::new();
    let mut open = vec![function.to_owned()];
    while let Some(name) = open.pop() {
        if wanted.contains(&name.as_str()) {
            return true;
        }
        if seen.contains(&name) {
            continue;
        }
        open.extend(called(ast, &name));
        seen.push(name);
    }
    false
}

/// What a function of the script's calls.
fn called(ast: &AST, name: &str) -> Vec<String> {
    let mut only = ast.clone_functions_only();
    only.retain_functions(|_, _, other, _| other == name);
    let mut names = Vec::new();
    only.walk(&mut |path| {
        if let Some(
            ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _))
            | ASTNode::Stmt(Stmt::FnCall(call, _)),
        ) = path.last()
        {
            names.push(call.name.to_string());
        }
        true
    });
    names
}

/// The names of fields that stand anywhere in a text: `x.name`, `x["name"]`.
#[must_use]
pub fn named_fields(ast: &AST) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Property(property, ..))) => drop(names.insert(property.2.to_string())),
            Some(ASTNode::Expr(Expr::Index(parts, ..))) => {
                if let Expr::StringConstant(text, ..) = &parts.rhs {
                    names.insert(text.to_string());
                }
            }
            _ => {}
        }
        true
    });
    names
}

fn block(block: &StmtBlock) -> Fallible<Vec<Statement>> {
    statements(block.statements())
}

fn statements(list: &[Stmt]) -> Fallible<Vec<Statement>> {
    list.iter().filter(|s| !matches!(s, Stmt::Noop(_) | Stmt::Share(_))).map(statement).collect()
}

fn statement(statement: &Stmt) -> Fallible<Statement> {
    match statement {
        Stmt::Var(parts, _, _) => {
            let (name, value, _) = &**parts;
            Ok(Statement::Let { name: name.name.to_string(), value: node(value)? })
        }
        Stmt::Return(Some(value), flags, at) if !flags.intersects(ASTFlags::BREAK) => {
            node(value).map(Statement::Return).map_err(|misfit| placed(misfit, *at))
        }
        other => Ok(Statement::Value(value(other)?)),
    }
}

/// A statement that has a value.
fn value(statement: &Stmt) -> Fallible<Node> {
    match statement {
        Stmt::Expr(inner) => node(inner),
        Stmt::FnCall(call, at) => call_node(call, *at),
        Stmt::Block(inner) => Ok(Node { at: inner.position(), kind: Kind::Block(block(inner)?) }),
        Stmt::If(parts, at) => Ok(Node {
            at: *at,
            kind: Kind::If {
                condition: Box::new(node(&parts.expr)?),
                then: block(&parts.body)?,
                otherwise: block(&parts.branch)?,
            },
        }),
        other => Err(no_statement(other)),
    }
}

fn no_statement(statement: &Stmt) -> Misfit {
    let at = statement.position();
    let (what, advice) = match statement {
        Stmt::Assignment(assignment) => {
            return Misfit::new(assignment.0.position(), "a filter cannot assign")
                .advise("did you mean `==`? A new value is named by `let`");
        }
        Stmt::While(..) | Stmt::Do(..) | Stmt::For(..) | Stmt::BreakLoop(..) => (
            "a loop has no place in a filter",
            "ask with `in`, `contains` or `like`; everything else belongs into `.on_event(…)`",
        ),
        Stmt::Switch(..) => {
            ("`switch` has no place in a filter", "write `if … { … } else if … { … } else { … }`")
        }
        Stmt::TryCatch(..) => {
            ("`try` has no place in a filter", "an error in a filter means that it does not match")
        }
        Stmt::Return(None, ..) => {
            ("`return` without a value decides nothing", "write `return true;` or `return false;`")
        }
        Stmt::Return(..) => ("`throw` has no place in a filter", "write `return false;`"),
        _ => (
            "this statement has no place in a filter",
            "a filter is `let`, `if … else`, `return` and an expression",
        ),
    };
    Misfit::new(at, what).advise(advice)
}

/// Rhai knows no place for some nodes; that of what is around it is near enough.
fn placed(misfit: Misfit, at: Position) -> Misfit {
    if misfit.position.is_none() { Misfit { position: at, ..misfit } } else { misfit }
}

fn nodes<'a>(list: impl IntoIterator<Item = &'a Expr>) -> Fallible<Vec<Node>> {
    list.into_iter().map(node).collect()
}

fn node(expression: &Expr) -> Fallible<Node> {
    let at = expression.start_position();
    let kind = match expression {
        Expr::BoolConstant(..)
        | Expr::IntegerConstant(..)
        | Expr::StringConstant(..)
        | Expr::CharConstant(..)
        | Expr::FloatConstant(..)
        | Expr::DynamicConstant(..)
        | Expr::Unit(..) => {
            let value = expression.get_literal_value(None).unwrap_or_default();
            match value.read_lock::<FnPtr>() {
                Some(function) => Kind::Closure { name: function.fn_name().to_owned(), captured: Vec::new() },
                None => Kind::Constant(value.clone()),
            }
        }
        // A constant of a file that the script imports: its value is the state of the word that stands for it.
        Expr::Custom(custom, _) if custom.state.is_shared() => Kind::Constant(custom.state.flatten_clone()),
        Expr::InterpolatedString(parts, _) => Kind::Interpolated(nodes(parts)?),
        Expr::Array(items, _) => Kind::Array(nodes(items)?),
        Expr::Variable(parts, ..) => Kind::Variable(parts.1.to_string()),
        Expr::Stmt(inner) => match inner.statements() {
            [Stmt::If(..)] => return value(&inner.statements()[0]),
            // A closure that captures something.
            [Stmt::Share(..), Stmt::Expr(closure)] => return node(closure),
            list => Kind::Block(statements(list)?),
        },
        Expr::FnCall(call, at) => return call_node(call, *at),
        Expr::And(parts, _) => Kind::And(nodes(&**parts)?),
        Expr::Or(parts, _) => Kind::Or(nodes(&**parts)?),
        Expr::Dot(parts, flags, _) | Expr::Index(parts, flags, _) if !flags.intersects(ASTFlags::NEGATED) => {
            let base = node(&parts.lhs)?;
            return chained(base, expression);
        }
        other => return Err(no_expression(other)),
    };
    Ok(Node { at, kind })
}

fn no_expression(expression: &Expr) -> Misfit {
    let (what, advice) = match expression {
        Expr::Map(..) => ("a map has no place in a filter", "ask for fields of the event one by one"),
        Expr::Coalesce(..) | Expr::Dot(..) | Expr::Index(..) => {
            ("a field of an event is never `()`", "write `e.field`")
        }
        Expr::ThisPtr(..) => ("`this` has no place in a filter", "give the event as a parameter: `|e| …`"),
        _ => ("this expression has no place in a filter", "help(\"when\") tells what has"),
    };
    Misfit::new(expression.position(), what).advise(advice)
}

/// `base.a.b(…)` is `base` with a chain that nests to the right.
fn chained(base: Node, link: &Expr) -> Fallible<Node> {
    let (parts, is_index, ends) = match link {
        Expr::Dot(parts, flags, _) => (parts, false, flags.intersects(ASTFlags::BREAK)),
        Expr::Index(parts, flags, _) => (parts, true, flags.intersects(ASTFlags::BREAK)),
        _ => return linked(base, link, false),
    };
    match &parts.rhs {
        next @ (Expr::Dot(inner, flags, _) | Expr::Index(inner, flags, _)) if !ends => {
            if flags.intersects(ASTFlags::NEGATED) {
                return Err(no_expression(next));
            }
            let base = linked(base, &inner.lhs, is_index)?;
            chained(base, next)
        }
        last => linked(base, last, is_index),
    }
}

/// One link of a chain.
fn linked(of: Node, link: &Expr, is_index: bool) -> Fallible<Node> {
    let at = link.start_position();
    let of = Box::new(of);
    let kind = match link {
        Expr::StringConstant(name, _) if is_index => Kind::Field { of, name: name.to_string() },
        Expr::Property(parts, _) if !is_index => Kind::Field { of, name: parts.2.to_string() },
        Expr::MethodCall(call, _) if !is_index => {
            Kind::Method { of, name: call.name.to_string(), arguments: nodes(&*call.args)? }
        }
        index if is_index => Kind::Item { of, index: Box::new(node(index)?) },
        other => {
            return Err(Misfit::new(other.position(), "a filter has no such field")
                .advise("the fields of an event are `e.name`; sets are asked with `in`"));
        }
    };
    Ok(Node { at, kind })
}

fn call_node(call: &FnCallExpr, at: Position) -> Fallible<Node> {
    let name = call.name.to_string();
    if call.is_qualified() {
        return Err(Misfit::new(at, "a module's function has no place in a filter"));
    }
    let mut arguments = nodes(&*call.args)?;
    let kind = match (call.is_operator_call(), arguments.len()) {
        (true, 2) if name == "contains" => {
            let item = arguments.pop();
            let of = arguments.pop().map(Box::new);
            match (of, item) {
                (Some(of), Some(item)) => Kind::Method { of, name, arguments: vec![item] },
                _ => return Err(Misfit::new(at, "`in` needs two sides")),
            }
        }
        (true, 1) => match arguments.pop() {
            Some(inner) => Kind::Unary(name, Box::new(inner)),
            None => return Err(Misfit::new(at, "an operator needs a value")),
        },
        (true, _) => match (arguments.pop(), arguments.pop()) {
            (Some(right), Some(left)) => Kind::Binary(name, Box::new(left), Box::new(right)),
            _ => return Err(Misfit::new(at, "an operator needs two values")),
        },
        (false, _)
            if name == "curry"
                && matches!(arguments.first(), Some(Node { kind: Kind::Closure { .. }, .. })) =>
        {
            let captured = arguments.split_off(1);
            match arguments.pop() {
                Some(Node { kind: Kind::Closure { name, .. }, .. }) => Kind::Closure { name, captured },
                _ => return Err(Misfit::new(at, "this is no function")),
            }
        }
        (false, _) => Kind::Call { name, arguments },
    };
    Ok(Node { at, kind })
}

/// Where a function begins.
pub fn begins(ast: &AST, name: &str, arity: usize) -> Position {
    let found = ast.shared_lib().get_script_fn(name, arity);
    found.map_or(Position::NONE, |function| function.body.start_position())
}
