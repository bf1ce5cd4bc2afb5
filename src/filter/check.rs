//! From syntax to the IR: which field, of which type, compared with what.
//!
//! In: the closure's tree, the template's fields, the values of captured variables. Out: a
//! [`Filter`], or a [`Refusal`] at the word that has no meaning in one.

mod compare;
mod fields;
mod lists;
mod methods;
mod never;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use rhai::{AST, Dynamic, Position};

use self::compare::range;
use super::{
    asked::Asked,
    ir::{self, Address, Answer, Binding, Bool, Decision, Filter, Int, Number, Place, Text, Texts, Value},
    refusal::{Misfit, Refusal},
    syntax::{self, Function, Kind, Node, Question, Statement},
};
use crate::{
    event::origin::Relative,
    template::{Asks, NamedValue, Template},
    values::{Network, Networks},
};

/// Texts that a set may have: more find no room in a table, however short they are.
const INLINE_MEMBERS: usize = 10_000;
/// Values that `let` may keep: each is 8 of the stack's 512 bytes.
pub(super) const SLOTS: usize = 16;
/// What reading a filter may come to: far more than finds room in the code, however it is written. An expression counts
/// for this many, a member of a set for one.
const WORK: u64 = 10_000_000;
const EXPRESSION: u64 = 100;
/// Functions that call functions, at most.
const DEPTH: usize = 16;

/// What an expression is, before anything is computed.
#[allow(clippy::large_enum_variant, reason = "a term lives for one step of a compilation")]
#[derive(Debug, Clone)]
enum Term {
    Event,
    /// `e.parent`, `e.stdin` …
    Relative(&'static Relative),
    /// `e.ancestors`, and one of them.
    Ancestors,
    Ancestor(Ancestor),
    Int(Int),
    Bool(Bool),
    /// A verdict, or the choice of one.
    Decision(Decision),
    Text(Text),
    Flags(Number, Vec<NamedValue>),
    Enum(Number, Vec<NamedValue>),
    Device(Number),
    /// A text that is known now.
    Words(String),
    Array(Vec<Term>),
    Address(Address),
    Networks(Vec<Network>),
    Texts(Texts),
    List(List),
    /// A function of one parameter, behind captured values: what `any` asks.
    Closure(String, Vec<Term>),
    /// Ends included; the last is less than the first if it is empty.
    Range(i64, i64),
}

/// One of the processes above.
#[derive(Debug, Clone, Copy)]
struct Ancestor {
    index: usize,
    /// Whether it is known to be there, as what `any` asks of is.
    is_there: bool,
}

/// Elements at fixed places, of which the first `count` are in use.
#[derive(Debug, Clone)]
struct List {
    count: Number,
    elements: Vec<Element>,
}

#[allow(clippy::large_enum_variant, reason = "an element lives for one step of a compilation")]
#[derive(Debug, Clone)]
enum Element {
    Number(Number),
    Text(Text),
}

impl Term {
    fn what(&self) -> &'static str {
        match self {
            Term::Event => "the event",
            Term::Relative(_) => "what has fields of its own",
            Term::Ancestors => "a list",
            Term::Ancestor(_) => "a process",
            Term::Int(_) => "a number",
            Term::Bool(_) => "true or false",
            Term::Decision(_) => "a verdict",
            Term::Text(_) | Term::Words(_) => "a text",
            Term::Flags(..) => "a set of flags",
            Term::Enum(..) => "a name",
            Term::Device(_) => "a device",
            Term::Array(_) => "an array",
            Term::Address(_) => "an IP address",
            Term::Networks(_) => "networks",
            Term::Texts(_) | Term::List(_) => "a list",
            Term::Closure(..) => "a function",
            Term::Range(..) => "a range",
        }
    }
}

type Fallible<T> = Result<T, Refusal>;

/// Compiles the function `name` of `ast`, whose first parameters are `captured` and whose last is the event.
///
/// With it goes what in it can never be, if there is something.
///
/// # Errors
/// What cannot be compiled, at its place.
pub fn check(
    ast: &AST,
    name: &str,
    captured: &[Dynamic],
    template: &Template,
) -> Fallible<(Filter, Option<Refusal>)> {
    let arity = captured.len() + 1;
    let Some(function) = syntax::function(ast, name, arity)? else {
        let takes = syntax::arities(ast, name).first().map(|n| n.saturating_sub(captured.len()));
        let text = match takes {
            Some(takes) => format!(
                "a filter takes the event and nothing else (`|e| …`); this one takes {takes} parameters"
            ),
            None => format!("`{name}` is no function of the script"),
        };
        return Err(Misfit::new(Position::NONE, text).within(name));
    };
    let mut checker = Checker::new(ast, template, name, Vec::new(), Accounts::Named);
    for (param, value) in function.params.iter().zip(captured) {
        let value = constant(&value.flatten_clone()).map_err(|what| {
            Misfit::new(
                function.at,
                format!("the captured variable `{param}` is {what}; allowed: numbers, texts, true and false, arrays of them, ranges"),
            )
            .within(name)
        })?;
        checker.scope.push((param.clone(), value));
    }
    if let Some(event) = function.params.last() {
        checker.scope.push((event.clone(), Term::Event));
    }
    let term = checker.body(&function)?;
    let what = term.what();
    match decision(term) {
        Some(body) => {
            checker.whole(&body, function.at);
            Ok((Filter { body, slots: checker.slots }, checker.never.into_inner()))
        }
        None => Err(Misfit::new(
            function.at,
            format!("this filter gives {what}; it must give true or false, or a verdict"),
        )
        .advise("compare it with something: `e.uid == 0`")
        .within(name)),
    }
}

/// Compiles a question that a function of `ast` asks before anything else. Of its parameters the last is the event;
/// the values of those before are given where they are known and stay.
///
/// # Errors
/// What cannot be compiled, at its place.
pub fn question(
    ast: &AST,
    name: &str,
    question: &Question,
    captured: &[Option<Dynamic>],
    template: &Template,
) -> Fallible<Filter> {
    let known = question.params.iter().zip(captured).filter_map(|(param, value)| {
        let value = constant(value.as_ref()?).ok()?;
        Some((param.clone(), value))
    });
    let mut scope: Vec<_> = known.collect();
    scope.extend(question.params.last().map(|event| (event.clone(), Term::Event)));
    // Rhai itself would find no number equal to a name.
    let mut checker = Checker::new(ast, template, name, scope, Accounts::Numbered);
    let condition = checker.condition(&question.asked)?;
    Ok(Filter { body: Decision::of(condition), slots: checker.slots })
}

/// Reads what params ask: whether one of all the texts is met.
///
/// # Errors
/// If the event has no such text, or a pattern is none.
pub fn asked(asked: &[Asked<'_>], template: &Template) -> Fallible<Bool> {
    let nothing = AST::empty();
    let checker = Checker::new(&nothing, template, "", Vec::new(), Accounts::Numbered);
    // All that is asked about one text is one question.
    let mut about: BTreeMap<&str, Vec<(Asks, &str)>> = BTreeMap::new();
    for Asked { question, texts } in asked {
        let sought = texts.iter().map(|text| (question.test, text.as_str()));
        about.entry(&question.of).or_default().extend(sought);
    }
    let mut parts = Vec::new();
    for (of, sought) in about {
        parts.push(checker.asked_of(&checker.field(of, Position::NONE)?, &sought)?);
    }
    Ok(ir::either(parts))
}

/// What may stand at the end of a filter.
fn decision(term: Term) -> Option<Decision> {
    match term {
        Term::Bool(condition) => Some(Decision::of(condition)),
        Term::Decision(decision) => Some(decision),
        _ => None,
    }
}

struct Checker<'a> {
    ast: &'a AST,
    template: &'a Template,
    scope: Vec<(String, Term)>,
    /// Being inlined, outermost first.
    functions: Vec<String>,
    /// Functions that have been read, by name and number of parameters.
    read: HashMap<(String, usize), Option<Rc<Function>>>,
    slots: usize,
    work: u64,
    accounts: Accounts,
    /// The first thing that can never be.
    never: OnceCell<Refusal>,
}

/// Whether a user's or group's name may stand for its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accounts {
    Named,
    Numbered,
}

impl<'a> Checker<'a> {
    fn new(
        ast: &'a AST,
        template: &'a Template,
        name: &str,
        scope: Vec<(String, Term)>,
        accounts: Accounts,
    ) -> Self {
        let (functions, read) = (vec![name.to_owned()], HashMap::new());
        let never = OnceCell::new();
        Checker { ast, template, scope, functions, read, slots: 0, work: 0, accounts, never }
    }
}

impl Checker<'_> {
    /// The script's function of this name, read once.
    fn function(&mut self, name: &str, arity: usize) -> Fallible<Option<Rc<Function>>> {
        if let Some(known) = self.read.get(&(name.to_owned(), arity)) {
            return Ok(known.clone());
        }
        let found = syntax::function(self.ast, name, arity)?.map(Rc::new);
        self.read.insert((name.to_owned(), arity), found.clone());
        Ok(found)
    }

    /// Counts what is read or copied: functions are read again wherever they are called.
    fn spend(&mut self, work: u64, at: Position) -> Fallible<()> {
        self.work = self.work.saturating_add(work);
        if self.work <= WORK {
            return Ok(());
        }
        self.misfit(
            at,
            "this filter is too large: each call of a function and each use of a variable puts its whole text there",
            "use fewer calls of functions that call others, or two probes",
        )
    }

    /// What a copy of a term comes to.
    fn weight(&self, term: &Term) -> u64 {
        let many = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        match term {
            Term::Array(items) => many(items.len()),
            Term::Networks(networks) => many(networks.len()),
            Term::List(list) => many(list.elements.len()),
            Term::Words(text) => many(text.len()),
            Term::Closure(_, captured) => captured.iter().map(|term| self.weight(term)).sum(),
            Term::Decision(Decision::Answer(_)) => 1,
            // It may be all that there is so far.
            Term::Decision(_) => self.work,
            _ => 1,
        }
    }

    fn refuse<T>(&self, misfit: Misfit) -> Fallible<T> {
        Err(misfit.within(self.functions.last().map_or("", String::as_str)))
    }

    fn misfit<T>(&self, at: Position, text: impl Into<String>, advice: &str) -> Fallible<T> {
        self.refuse(Misfit::new(at, text).advise(advice))
    }

    // ---- statements -------------------------------------------------------

    fn body(&mut self, function: &Function) -> Fallible<Term> {
        self.statements(&function.body.iter().collect::<Vec<_>>(), function.at, Tail::Returns)
    }

    fn block(&mut self, list: &[Statement], at: Position, tail: Tail) -> Fallible<Term> {
        let depth = self.scope.len();
        let term = self.statements(&list.iter().collect::<Vec<_>>(), at, tail);
        self.scope.truncate(depth);
        term
    }

    fn statements(&mut self, list: &[&Statement], at: Position, tail: Tail) -> Fallible<Term> {
        let Some((first, rest)) = list.split_first() else {
            return self.misfit(at, "nothing is decided here", "end with an expression: `|e| e.uid == 0`");
        };
        match first {
            Statement::Let { name, value } => {
                let at = value.at;
                let value = self.term(value)?;
                let binding = self.bind(name, value, at)?;
                let body = self.statements(rest, at, tail)?;
                self.wrapped(binding, body, at)
            }
            Statement::Return(value) if tail == Tail::Returns => self.term(value),
            Statement::Return(value) => self.misfit(
                value.at,
                "`return` in the middle of an expression",
                "put the condition around it: `if … { return true; }`",
            ),
            Statement::Value(node) if rest.is_empty() => self.tail_term(node, tail),
            Statement::Value(Node { at, kind: Kind::If { condition, then, otherwise } })
                if tail == Tail::Returns && then.last().is_some_and(returns) =>
            {
                let condition = self.condition(condition)?;
                let then = self.block(then, *at, tail)?;
                let after: Vec<&Statement> = otherwise.iter().chain(rest.iter().copied()).collect();
                let depth = self.scope.len();
                let otherwise = self.statements(&after, *at, tail)?;
                self.scope.truncate(depth);
                self.chosen(condition, then, otherwise, *at)
            }
            Statement::Value(node) => self.misfit(
                node.at,
                "this has no effect",
                "a filter is `let`, `if … else`, `return` and one expression at its end",
            ),
        }
    }

    fn tail_term(&mut self, node: &Node, tail: Tail) -> Fallible<Term> {
        match &node.kind {
            Kind::If { condition, then, otherwise } => {
                self.decision(node.at, condition, then, otherwise, tail)
            }
            Kind::Block(list) => self.block(list, node.at, tail),
            _ => self.term(node),
        }
    }

    fn decision(
        &mut self,
        at: Position,
        condition: &Node,
        then: &[Statement],
        otherwise: &[Statement],
        tail: Tail,
    ) -> Fallible<Term> {
        let condition = self.condition(condition)?;
        if otherwise.is_empty() {
            return self.misfit(
                at,
                "an `if` without `else` gives nothing when its condition is false",
                "add `else { false }`",
            );
        }
        let then = self.block(then, at, tail)?;
        let otherwise = self.block(otherwise, at, tail)?;
        self.chosen(condition, then, otherwise, at)
    }

    fn chosen(&self, condition: Bool, then: Term, otherwise: Term, at: Position) -> Fallible<Term> {
        match (condition, then, otherwise) {
            (Bool::Constant(true), then, _) => Ok(then),
            (Bool::Constant(false), _, otherwise) => Ok(otherwise),
            (condition, Term::Bool(a), Term::Bool(b)) => Ok(Term::Bool(ir::choose(condition, a, b))),
            (condition, Term::Int(a), Term::Int(b)) => {
                Ok(Term::Int(Int::If(Box::new(condition), Box::new(a), Box::new(b))))
            }
            (condition, a @ (Term::Decision(_) | Term::Bool(_)), b @ (Term::Decision(_) | Term::Bool(_))) => {
                match (decision(a), decision(b)) {
                    (Some(a), Some(b)) => Ok(Term::Decision(ir::decide(condition, a, b))),
                    _ => self.misfit(at, "this decides nothing", "let both branches give a verdict"),
                }
            }
            (_, a, b) if a.what() == b.what() => self.misfit(
                at,
                format!("an `if` in a filter cannot choose between two of this kind ({})", a.what()),
                "let both branches give true or false",
            ),
            (_, a, b) => self.misfit(
                at,
                format!("one branch gives {}, the other {}", a.what(), b.what()),
                "let both branches give true or false or a verdict, or both a number",
            ),
        }
    }

    /// Names a term. What costs something is computed once.
    fn bind(&mut self, name: &str, term: Term, at: Position) -> Fallible<Option<Binding>> {
        let (value, named) = match term {
            Term::Int(value) if !matches!(value, Int::Constant(_) | Int::Slot(_) | Int::Field(_)) => {
                (Value::Int(value), Term::Int(Int::Slot(self.slots)))
            }
            Term::Bool(value) if !matches!(value, Bool::Constant(_) | Bool::Slot(_)) => {
                (Value::Bool(value), Term::Bool(Bool::Slot(self.slots)))
            }
            Term::Text(text) => {
                let value = Value::Read(text.clone());
                self.scope.push((name.to_owned(), Term::Text(text.clone())));
                let reading = Binding { slot: 0, name: name.to_owned(), value };
                let may_fail = matches!(text.place, Place::Path(..) | Place::Element(..))
                    || text.note().is_some()
                    || text.counted.is_some();
                return Ok(may_fail.then_some(reading));
            }
            Term::Ancestor(which @ Ancestor { is_there: false, .. }) => {
                // Its name, since that can always be told of one that is there.
                let Term::Text(comm) = self.of_ancestor(which, "comm", at)? else { return Ok(None) };
                self.scope.push((name.to_owned(), Term::Ancestor(which)));
                return Ok(Some(Binding { slot: 0, name: name.to_owned(), value: Value::Read(comm) }));
            }
            other => {
                self.scope.push((name.to_owned(), other));
                return Ok(None);
            }
        };
        if self.slots == SLOTS {
            return self.misfit(
                at,
                format!("a filter keeps at most {SLOTS} computed values"),
                "write the expression where it is used",
            );
        }
        let binding = Binding { slot: self.slots, name: name.to_owned(), value };
        self.slots += 1;
        self.scope.push((name.to_owned(), named));
        Ok(Some(binding))
    }

    fn wrapped(&self, binding: Option<Binding>, body: Term, at: Position) -> Fallible<Term> {
        let Some(binding) = binding else { return Ok(body) };
        match body {
            Term::Bool(body) => Ok(Term::Bool(Bool::Let(Box::new(binding), Box::new(body)))),
            Term::Int(body) => Ok(Term::Int(Int::Let(Box::new(binding), Box::new(body)))),
            Term::Decision(body) => Ok(Term::Decision(Decision::Let(Box::new(binding), Box::new(body)))),
            other => self.misfit(
                at,
                format!("what is computed here leads to {}", other.what()),
                "let the block or function give true or false, a verdict, or a number",
            ),
        }
    }

    // ---- expressions ------------------------------------------------------

    fn term(&mut self, node: &Node) -> Fallible<Term> {
        let at = node.at;
        self.spend(EXPRESSION, at)?;
        match &node.kind {
            Kind::Constant(value) => constant(value).or_else(|what| {
                self.misfit(
                    at,
                    format!("{what} has no place in a filter"),
                    "numbers, texts in double quotes, true and false have",
                )
            }),
            Kind::Variable(name) => match self.scope.iter().rev().find(|(known, _)| known == name) {
                Some((_, term)) => {
                    let (work, term) = (self.weight(term), term.clone());
                    self.spend(work, at).map(|()| term)
                }
                None => self.refuse(Misfit::new(at, format!("there is no variable `{name}` here"))),
            },
            Kind::Field { of, name } => match self.term(of)? {
                Term::Event => self.field(name, at),
                Term::Relative(relative) => self.of_relative(relative, name, at),
                Term::Ancestor(which) => self.of_ancestor(which, name, at),
                other => self.no_method(&other, name, at),
            },
            Kind::Method { of, name, arguments } => {
                let of = self.term(of)?;
                self.method(of, name, arguments, at)
            }
            Kind::Item { of, index } => {
                let of = self.term(of)?;
                self.item(of, index, at)
            }
            Kind::Closure { name, captured } => {
                let captured = captured.iter().map(|node| self.term(node)).collect::<Fallible<_>>()?;
                Ok(Term::Closure(name.clone(), captured))
            }
            Kind::Call { name, arguments } => self.call(name, arguments, at),
            Kind::Unary(sign, inner) => self.unary(sign, inner, at),
            Kind::Binary(sign, left, right) => {
                let (left, right) = (self.term(left)?, self.term(right)?);
                self.binary(sign, left, right, at)
            }
            Kind::And(parts) => {
                let all = ir::and(self.conditions(parts)?);
                self.together(&all, at);
                Ok(Term::Bool(all))
            }
            Kind::Or(parts) => Ok(Term::Bool(ir::or(self.conditions(parts)?))),
            Kind::Array(items) => self.array(items),
            Kind::Interpolated(parts) => self.interpolated(parts),
            Kind::If { condition, then, otherwise } => {
                self.decision(at, condition, then, otherwise, Tail::Continues)
            }
            Kind::Block(list) => self.block(list, at, Tail::Continues),
        }
    }

    fn conditions(&mut self, parts: &[Node]) -> Fallible<Vec<Bool>> {
        parts.iter().map(|part| self.condition(part)).collect()
    }

    fn condition(&mut self, node: &Node) -> Fallible<Bool> {
        match self.term(node)? {
            Term::Bool(condition) => Ok(condition),
            other => self.misfit(
                node.at,
                format!("this is {}, and a condition is true or false", other.what()),
                "compare it with something: `e.uid == 0`",
            ),
        }
    }

    fn array(&mut self, items: &[Node]) -> Fallible<Term> {
        let mut known = Vec::new();
        for item in items {
            match self.term(item)? {
                term @ (Term::Words(_) | Term::Int(Int::Constant(_)) | Term::Bool(Bool::Constant(_))) => {
                    known.push(term)
                }
                _ => {
                    return self.misfit(
                        item.at,
                        "a set in a filter is made of values that are known now",
                        "compare with `==`, joined by `||`",
                    );
                }
            }
        }
        Ok(Term::Array(known))
    }

    fn interpolated(&mut self, parts: &[Node]) -> Fallible<Term> {
        let mut text = String::new();
        for part in parts {
            match self.term(part)? {
                Term::Words(words) => text.push_str(&words),
                Term::Int(Int::Constant(number)) => text.push_str(&number.to_string()),
                Term::Bool(Bool::Constant(known)) => text.push_str(&known.to_string()),
                _ => {
                    return self.misfit(
                        part.at,
                        "a filter cannot make texts of an event's fields",
                        "ask with starts_with, ends_with, contains, like, ==, in",
                    );
                }
            }
        }
        Ok(Term::Words(text))
    }

    fn unary(&mut self, sign: &str, inner: &Node, at: Position) -> Fallible<Term> {
        match (sign, self.term(inner)?) {
            ("!", Term::Bool(condition)) => Ok(Term::Bool(ir::not(condition))),
            ("+", number @ Term::Int(_)) => Ok(number),
            ("-", Term::Int(Int::Constant(number))) => match number.checked_neg() {
                Some(number) => Ok(Term::Int(Int::Constant(number))),
                None => self.refuse(Misfit::new(at, "this never gives a number: it leaves 64 bits")),
            },
            ("-", Term::Int(number)) => Ok(Term::Int(Int::Negate(Box::new(number)))),
            (sign, other) => {
                self.refuse(Misfit::new(at, format!("`{sign}` cannot be asked of {}", other.what())))
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    Returns,
    Continues,
}

/// Whether nothing behind this statement is reached.
fn returns(statement: &Statement) -> bool {
    match statement {
        Statement::Return(_) => true,
        Statement::Let { .. } => false,
        Statement::Value(Node { kind: Kind::If { then, otherwise, .. }, .. }) => {
            then.last().is_some_and(returns) && otherwise.last().is_some_and(returns)
        }
        Statement::Value(Node { kind: Kind::Block(list), .. }) => list.last().is_some_and(returns),
        Statement::Value(_) => false,
    }
}

/// A value that is known now; `Err` says what it is instead.
fn constant(value: &Dynamic) -> Result<Term, &'static str> {
    if let Ok(number) = value.as_int() {
        Ok(Term::Int(Int::Constant(number)))
    } else if let Ok(known) = value.as_bool() {
        Ok(Term::Bool(Bool::Constant(known)))
    } else if let Ok(text) = value.as_immutable_string_ref() {
        Ok(Term::Words(text.to_string()))
    } else if let Some(found) = value.read_lock::<Answer>() {
        Ok(Term::Decision(Decision::Answer(*found)))
    } else if let Some(found) = value.read_lock::<Networks>() {
        Ok(Term::Networks(found.0.clone()))
    } else if let Some(found) = value.read_lock::<std::ops::Range<i64>>() {
        Ok(range(found.start, found.end, false))
    } else if let Some(found) = value.read_lock::<std::ops::RangeInclusive<i64>>() {
        Ok(range(*found.start(), *found.end(), true))
    } else if let Ok(items) = value.as_array_ref() {
        items.iter().map(|item| constant(&item.flatten_clone())).collect::<Result<_, _>>().map(Term::Array)
    } else if value.is_char() {
        Err("a single character")
    } else if value.is_float() {
        Err("a number with a fraction")
    } else if value.is_unit() {
        Err("nothing (`()`)")
    } else if value.is_map() {
        Err("a map")
    } else if value.is_fnptr() {
        Err("a function")
    } else {
        Err("something that the kernel does not know")
    }
}
