//! From syntax to the IR: which field, of which type, compared with what.
//!
//! In: the closure's tree, the template's fields, the values of captured variables. Out: a
//! [`Filter`], or a [`Refusal`] at the word that has no meaning in one.

use rhai::{AST, Dynamic, Position};

use super::{
    glob::Glob,
    ir::{
        self, Answer, Arithmetic, Binding, Bool, Comparison, Decision, Filter, Int, Length, Number, Test,
        Text, Value,
    },
    refusal::{Misfit, Refusal},
    syntax::{self, Function, Kind, Node, Statement},
};
use crate::{
    probe::{Errno, Signal},
    suggest::nearest,
    template::{Field, FieldKind, NamedValue, Template},
};

/// Members of a set that stand in the filter's code one by one.
const INLINE_MEMBERS: usize = 64;
/// Values that `let` may keep: each is 8 of the stack's 512 bytes.
pub(super) const SLOTS: usize = 16;
/// Functions that call functions, at most.
const DEPTH: usize = 16;

/// What an expression is, before anything is computed.
#[derive(Debug, Clone)]
enum Term {
    Event,
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
    /// Ends included; the last is less than the first if it is empty.
    Range(i64, i64),
}

impl Term {
    fn what(&self) -> &'static str {
        match self {
            Term::Event => "the event",
            Term::Int(_) => "a number",
            Term::Bool(_) => "true or false",
            Term::Decision(_) => "a verdict",
            Term::Text(_) | Term::Words(_) => "a text",
            Term::Flags(..) => "a set of flags",
            Term::Enum(..) => "a name",
            Term::Device(_) => "a device",
            Term::Array(_) => "an array",
            Term::Range(..) => "a range",
        }
    }
}

type Fallible<T> = Result<T, Refusal>;

/// Compiles the function `name` of `ast`, whose first parameters are `captured` and whose last is the event.
///
/// # Errors
/// What cannot be compiled, at its place.
pub fn check(ast: &AST, name: &str, captured: &[Dynamic], template: &Template) -> Fallible<Filter> {
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
    let mut checker =
        Checker { ast, template, scope: Vec::new(), functions: vec![name.to_owned()], slots: 0 };
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
        Some(body) => Ok(Filter { body, slots: checker.slots }),
        None => Err(Misfit::new(
            function.at,
            format!("this filter gives {what}; it must give true or false, or a verdict"),
        )
        .advise("compare it with something: `e.uid == 0`")
        .within(name)),
    }
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
    slots: usize,
}

/// Known only once the event struct is filled, or after the filter has decided.
const LATE: [&str; 6] = ["wall_ns", "seq", "verdict", "mode", "errno", "notes"];

impl Checker<'_> {
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
                return Ok(text.length.is_some().then_some(reading));
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
        match &node.kind {
            Kind::Constant(value) => constant(value).or_else(|what| {
                self.misfit(
                    at,
                    format!("{what} has no place in a filter"),
                    "numbers, texts in double quotes, true and false have",
                )
            }),
            Kind::Variable(name) => match self.scope.iter().rev().find(|(known, _)| known == name) {
                Some((_, term)) => Ok(term.clone()),
                None => self.refuse(Misfit::new(at, format!("there is no variable `{name}` here"))),
            },
            Kind::Field { of, name } => match self.term(of)? {
                Term::Event => self.field(name, at),
                other => self.no_method(&other, name, at),
            },
            Kind::Method { of, name, arguments } => {
                let of = self.term(of)?;
                self.method(of, name, arguments, at)
            }
            Kind::Call { name, arguments } => self.call(name, arguments, at),
            Kind::Unary(sign, inner) => self.unary(sign, inner, at),
            Kind::Binary(sign, left, right) => {
                let (left, right) = (self.term(left)?, self.term(right)?);
                self.binary(sign, left, right, at)
            }
            Kind::And(parts) => Ok(Term::Bool(ir::and(self.conditions(parts)?))),
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

    fn binary(&mut self, sign: &str, left: Term, right: Term, at: Position) -> Fallible<Term> {
        if let Some(how) = comparison(sign) {
            return self.compared(how, left, right, at).map(Term::Bool);
        }
        match (sign, left, right) {
            ("..", Term::Int(Int::Constant(first)), Term::Int(Int::Constant(end))) => {
                Ok(range(first, end, false))
            }
            ("..=", Term::Int(Int::Constant(first)), Term::Int(Int::Constant(last))) => {
                Ok(range(first, last, true))
            }
            (".." | "..=", ..) => self.misfit(
                at,
                "a range in a filter has ends that are known now",
                "write `e.uid >= a && e.uid < b`",
            ),
            ("+", Term::Words(left), Term::Words(right)) => Ok(Term::Words(left + right.as_str())),
            ("&" | "|" | "^", Term::Bool(_), Term::Bool(_)) => self.misfit(
                at,
                format!("`{sign}` on true and false has no place in a filter"),
                "write `&&`, `||` or `!=`",
            ),
            (_, Term::Int(left), Term::Int(right)) => self.arithmetic(sign, left, right, at).map(Term::Int),
            (sign, left, right) => self.refuse(Misfit::new(
                at,
                format!("`{sign}` does not join {} and {}", left.what(), right.what()),
            )),
        }
    }

    fn arithmetic(&mut self, sign: &str, left: Int, right: Int, at: Position) -> Fallible<Int> {
        let how = match sign {
            "+" => Arithmetic::Add,
            "-" => Arithmetic::Subtract,
            "*" => Arithmetic::Multiply,
            "/" => Arithmetic::Divide,
            "%" => Arithmetic::Remainder,
            "&" => Arithmetic::And,
            "|" => Arithmetic::Or,
            "^" => Arithmetic::Xor,
            "<<" | ">>" => return self.shifted(sign == "<<", left, right, at),
            other => {
                return self.misfit(
                    at,
                    format!("`{other}` has no place in a filter"),
                    "numbers are joined by + - * / % & | ^ << >>",
                );
            }
        };
        match (&left, &right) {
            (Int::Constant(a), Int::Constant(b)) => match how.apply(*a, *b) {
                Some(known) => Ok(Int::Constant(known)),
                None => self.refuse(Misfit::new(
                    at,
                    "this never gives a number: it divides by zero, or leaves 64 bits",
                )),
            },
            (_, Int::Constant(0)) if matches!(how, Arithmetic::Divide | Arithmetic::Remainder) => {
                self.refuse(Misfit::new(at, "this never gives a number: it divides by zero"))
            }
            _ => Ok(Int::Binary(how, Box::new(left), Box::new(right))),
        }
    }

    /// Rhai's shifts: the other way round for a negative distance, and past the end what a shift by
    /// one bit at a time would leave.
    fn shifted(&self, to_left: bool, of: Int, by: Int, at: Position) -> Fallible<Int> {
        let Int::Constant(by) = by else {
            return self.misfit(
                at,
                "a filter shifts by a number that is known now",
                "write the number of bits",
            );
        };
        let to_left = to_left == (by >= 0);
        let by = by.checked_abs().unwrap_or(i64::MAX);
        if to_left && by > 63 {
            // Still computed, for its troubles.
            return Ok(match of {
                Int::Constant(_) => Int::Constant(0),
                of => Int::Binary(Arithmetic::And, Box::new(of), Box::new(Int::Constant(0))),
            });
        }
        let how = if to_left { Arithmetic::ShiftLeft } else { Arithmetic::ShiftRight };
        let by = by.min(63);
        Ok(match of {
            Int::Constant(known) => Int::Constant(how.apply(known, by).unwrap_or_default()),
            of => Int::Binary(how, Box::new(of), Box::new(Int::Constant(by))),
        })
    }

    fn compared(&mut self, how: Comparison, left: Term, right: Term, at: Position) -> Fallible<Bool> {
        // Only equality is left for everything but numbers.
        let equal = match how {
            Comparison::Equal => true,
            Comparison::NotEqual => false,
            _ => {
                return match (left, right) {
                    (Term::Int(left), Term::Int(right)) => Ok(ir::compare(how, left, right)),
                    (left, right) => self.refuse(Misfit::new(
                        at,
                        format!(
                            "`{}` compares numbers, not {} and {}",
                            how.sign(),
                            left.what(),
                            right.what()
                        ),
                    )),
                };
            }
        };
        let same = match (left, right) {
            (Term::Int(left), Term::Int(right)) => return Ok(ir::compare(how, left, right)),
            (Term::Bool(left), Term::Bool(right)) => self.same_truth(left, right, at)?,
            (Term::Words(left), Term::Words(right)) => Bool::Constant(left == right),
            (Term::Text(text), Term::Words(words)) | (Term::Words(words), Term::Text(text)) => {
                Bool::Text(text, Test::Equals(self.needle(&words, at)?))
            }
            (Term::Enum(number, names), Term::Words(words))
            | (Term::Words(words), Term::Enum(number, names)) => ir::compare(
                Comparison::Equal,
                Int::Field(number.clone()),
                Int::Constant(self.value(&number, &names, &words, at)?),
            ),
            (Term::Device(number), Term::Words(words)) | (Term::Words(words), Term::Device(number)) => {
                ir::compare(Comparison::Equal, Int::Field(number), Int::Constant(self.device(&words, at)?))
            }
            (Term::Text(_), Term::Text(_)) => {
                return self.misfit(
                    at,
                    "a filter cannot compare two texts of the event",
                    "compare with a text in quotes, or in `.on_event(…)`",
                );
            }
            (Term::Flags(..), _) | (_, Term::Flags(..)) => {
                return self.misfit(
                    at,
                    "a set of flags is asked flag by flag",
                    "write `\"name\" in e.field`",
                );
            }
            (left, right) => {
                let text = format!("{} is never equal to {}", left.what(), right.what());
                return self.misfit(at, text, "compare things of the same kind");
            }
        };
        Ok(if equal { same } else { ir::not(same) })
    }

    fn same_truth(&mut self, left: Bool, right: Bool, at: Position) -> Fallible<Bool> {
        let depth = self.scope.len();
        let binding = self.bind("right side", Term::Bool(right), at)?;
        let right = self.scope.pop().map(|(_, term)| term);
        self.scope.truncate(depth);
        let Some(Term::Bool(right)) = right else {
            return self.refuse(Misfit::new(at, "this cannot be compared"));
        };
        let same = ir::choose(left, right.clone(), ir::not(right));
        Ok(match binding {
            Some(binding) => Bool::Let(Box::new(binding), Box::new(same)),
            None => same,
        })
    }

    // ---- fields -----------------------------------------------------------

    fn field(&self, name: &str, at: Position) -> Fallible<Term> {
        if name == "template" {
            return Ok(Term::Words(self.template.name.clone()));
        }
        if LATE.contains(&name) || name == "probe" {
            return self.misfit(
                at,
                format!("`{name}` is not known yet when the filter decides"),
                "ask for it in `.on_event(…)`",
            );
        }
        let Some(field) = self.template.field(name) else {
            let names = || self.template.fields.iter().map(|f| f.name.as_str()).filter(|n| !LATE.contains(n));
            let near = nearest(name, names()).map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
            let text = format!("an event of `{}` has no field `{name}`{near}", self.template.name);
            return self.misfit(at, text, &format!("it has: {}", names().collect::<Vec<_>>().join(", ")));
        };
        if self.packed(field) {
            return self.misfit(
                at,
                format!("`{name}` has no place of its own in the event, and a filter cannot look for it"),
                "ask for it in `.on_event(…)`",
            );
        }
        match &field.kind {
            FieldKind::Text => Ok(Term::Text(self.text(field))),
            FieldKind::Address => self.misfit(
                at,
                format!("`{name}` is an IP address, which a filter cannot look into"),
                "give the networks to a param of the probe (`address`, `not_address`), or ask in `.on_event(…)`",
            ),
            kind => {
                let number = Number {
                    name: field.name.clone(),
                    offset: field.offset,
                    size: field.size,
                    signed: *kind == FieldKind::Signed,
                };
                Ok(match kind {
                    FieldKind::Bool => {
                        Term::Bool(ir::compare(Comparison::NotEqual, Int::Field(number), Int::Constant(0)))
                    }
                    FieldKind::Flags(names) => Term::Flags(number, names.clone()),
                    FieldKind::Enum(names) => Term::Enum(number, names.clone()),
                    FieldKind::Device => Term::Device(number),
                    FieldKind::Unsigned | FieldKind::Signed => Term::Int(Int::Field(number)),
                    FieldKind::Text
                    | FieldKind::Address
                    | FieldKind::List { .. }
                    | FieldKind::Texts { .. } => {
                        return self.misfit(
                            at,
                            format!("`{name}` is a list, and a filter cannot look into it"),
                            "ask for it in `.on_event(…)`",
                        );
                    }
                })
            }
        }
    }

    /// Behind the first of the packed texts each begins where the one before ends.
    fn packed(&self, field: &Field) -> bool {
        let first = self.template.fields.get(self.template.layout.packed_from);
        first.is_some_and(|first| field.offset > first.offset)
    }

    fn text(&self, field: &Field) -> Text {
        let unreadable = |notes: &Field| match &notes.kind {
            FieldKind::Flags(names) => names.iter().find(|n| n.name == "no-path").map(|n| n.value),
            _ => None,
        };
        let length = self.template.field(&format!("{}_length", field.name)).and_then(|length| {
            let notes = self.template.field("notes")?;
            Some(Length {
                offset: length.offset,
                notes: notes.offset,
                unreadable: u32::try_from(unreadable(notes)?).ok()?,
            })
        });
        Text { name: field.name.clone(), offset: field.offset, size: field.size, length }
    }

    /// A name's value, if that is what the value is called.
    fn value(&self, field: &Number, names: &[NamedValue], name: &str, at: Position) -> Fallible<i64> {
        let called = |value: u64| names.iter().find(|n| n.value == value).map(|n| n.name.as_str());
        match names.iter().find(|n| n.name == name && called(n.value) == Some(name)) {
            Some(found) => Ok(found.value.cast_signed()),
            None => self.unknown_name(field, names, name, at),
        }
    }

    fn unknown_name<T>(&self, field: &Number, names: &[NamedValue], name: &str, at: Position) -> Fallible<T> {
        let known = || names.iter().map(|n| n.name.as_str());
        let near = nearest(name, known()).map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
        let allowed = known().collect::<Vec<_>>().join(", ");
        self.misfit(
            at,
            format!("`{}` is never \"{name}\"{near}", field.name),
            &format!("it can be: {allowed}"),
        )
    }

    /// `major:minor` in the kernel's own form (MKDEV, 20 bits for the minor).
    fn device(&self, words: &str, at: Position) -> Fallible<i64> {
        let parsed = words.split_once(':').and_then(|(major, minor)| {
            let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
            let fits = major < 1 << 12 && minor < 1 << 20 && format!("{major}:{minor}") == words;
            fits.then_some(i64::from(major) << 20 | i64::from(minor))
        });
        match parsed {
            Some(device) => Ok(device),
            None => self.misfit(
                at,
                format!("\"{words}\" is no device"),
                "a device is \"major:minor\", such as \"8:1\"",
            ),
        }
    }

    /// Bytes to look for. A replaced byte stands for any broken one, and NUL ends every text.
    fn needle(&self, words: &str, at: Position) -> Fallible<Vec<u8>> {
        if words.contains('\0') || words.contains(char::REPLACEMENT_CHARACTER) {
            return self.misfit(
                at,
                "this text has a NUL or a replacement character in it, and no text of the kernel's has",
                "ask for the part before it",
            );
        }
        Ok(words.as_bytes().to_vec())
    }

    // ---- methods and functions --------------------------------------------

    fn method(&mut self, of: Term, name: &str, arguments: &[Node], at: Position) -> Fallible<Term> {
        if syntax::arities(self.ast, name).contains(&arguments.len()) {
            return self.misfit(
                at,
                format!("`{name}` is a function of the script"),
                &format!("write `{name}(…)`, with what it is about as a parameter"),
            );
        }
        let [argument] = arguments else {
            return match (&of, name, arguments.len()) {
                (Term::Text(text), "is_empty", 0) => {
                    Ok(Term::Bool(Bool::Text(text.clone(), Test::Equals(vec![]))))
                }
                _ => self.no_method(&of, name, at),
            };
        };
        let at = argument.at;
        let argument = self.term(argument)?;
        match (of, name, argument) {
            (Term::Text(text), "starts_with", Term::Words(words)) => {
                Ok(Term::Bool(Bool::Text(text, Test::StartsWith(self.needle(&words, at)?))))
            }
            (Term::Text(text), "ends_with", Term::Words(words)) => {
                Ok(Term::Bool(Bool::Text(text, Test::EndsWith(self.needle(&words, at)?))))
            }
            (Term::Text(text), "contains", Term::Words(words)) => {
                Ok(Term::Bool(Bool::Text(text, containing(self.needle(&words, at)?, 0, 0))))
            }
            (Term::Text(text), "like", Term::Words(words)) => self.like(text, &words, at).map(Term::Bool),
            (Term::Flags(number, names), "contains", Term::Words(words)) => {
                match names.iter().find(|n| n.name == words && n.value != 0) {
                    Some(flag) => Ok(Term::Bool(has_flag(number, flag.value.cast_signed()))),
                    None => self.unknown_name(&number, &names, &words, at),
                }
            }
            (Term::Range(first, last), "contains", Term::Int(number)) => {
                Ok(Term::Bool(one_of(number, vec![(first, last)])))
            }
            (Term::Array(items), "contains", item) => self.member(&items, item, at).map(Term::Bool),
            (Term::Text(_), "starts_with" | "ends_with" | "contains" | "like", other) => self.misfit(
                at,
                format!("`{name}` looks for a text that is known now, not for {}", other.what()),
                "give a text in double quotes, or a variable from outside of the filter",
            ),
            (of, _, _) => self.no_method(&of, name, at),
        }
    }

    fn no_method<T>(&self, of: &Term, name: &str, at: Position) -> Fallible<T> {
        let advice = match (of, name) {
            (Term::Text(text), "len" | "bytes") if text.length.is_some() => {
                return self.misfit(
                    at,
                    format!("`{name}` counts characters, which a filter does not"),
                    &format!(
                        "`e.{}_length` is the length in bytes; `is_empty()` can be asked too",
                        text.name
                    ),
                );
            }
            (Term::Text(_), _) => {
                "a text can be asked: ==, !=, in, starts_with, ends_with, contains, like, is_empty"
            }
            (Term::Words(_), _) => "compute it before, outside of the filter",
            (Term::Flags(..), _) => "flags can be asked: `\"name\" in e.field`",
            (Term::Enum(..) | Term::Device(_), _) => "it can be asked: ==, !=, in",
            (Term::Int(_), _) => "a number can be asked: == != < <= > >=, in, + - * / % & | ^ << >>",
            (Term::Bool(_), _) => "it can be asked: && || ! == !=",
            (Term::Decision(_), _) => "a verdict is what a filter ends with, and nothing is asked of it",
            (Term::Array(_) | Term::Range(..), _) => "a set can be asked: `x in set`",
            (Term::Event, _) => "an event has fields: `e.uid`",
        };
        self.misfit(at, format!("a filter cannot ask `{name}` of {}", of.what()), advice)
    }

    fn like(&self, text: Text, pattern: &str, at: Position) -> Fallible<Bool> {
        let glob = match Glob::parse(pattern) {
            Ok(glob) => glob,
            Err(error) => return self.refuse(Misfit::new(at, error.to_string())),
        };
        let (prefix, middle, suffix) = match glob {
            Glob::Exact(whole) => return Ok(Bool::Text(text, Test::Equals(self.needle(&whole, at)?))),
            Glob::Parts { prefix, middle, suffix } => {
                (self.needle(&prefix, at)?, middle, self.needle(&suffix, at)?)
            }
        };
        if middle.len() > 1 {
            return self.misfit(
                at,
                "a glob in a filter has at most one part between two stars",
                "join several with `&&`",
            );
        }
        let (from, until) = (prefix.len(), suffix.len());
        let mut tests = vec![Test::StartsWith(prefix)];
        if until > 0 {
            if from > 0 {
                tests.push(Test::Reaches(from + until));
            }
            tests.push(Test::EndsWith(suffix));
        }
        if let Some(part) = middle.first() {
            tests.push(containing(self.needle(part, at)?, from, until));
        }
        if tests.len() > 1 && from == 0 {
            tests.remove(0);
        }
        Ok(ir::and(tests.into_iter().map(|test| Bool::Text(text.clone(), test))))
    }

    fn member(&mut self, items: &[Term], item: Term, at: Position) -> Fallible<Bool> {
        if items.len() > INLINE_MEMBERS {
            return self.misfit(
                at,
                format!(
                    "this set has {} members; a filter takes sets of up to {INLINE_MEMBERS}",
                    items.len()
                ),
                "give a range, or put them into a param of the probe",
            );
        }
        if let Term::Int(number) = item {
            let mut ranges = Vec::new();
            for member in items {
                match member {
                    Term::Int(Int::Constant(known)) => ranges.push((*known, *known)),
                    other => return self.mixed(&Term::Int(number), other, at),
                }
            }
            return Ok(one_of(number, ranges));
        }
        if let (Term::Text(text), []) = (&item, items) {
            // Reading the text may still be a trouble.
            return Ok(ir::and([Bool::Text(text.clone(), Test::StartsWith(vec![])), Bool::Constant(false)]));
        }
        let same: Fallible<Vec<_>> = items
            .iter()
            .map(|member| match (&item, member) {
                (Term::Text(_) | Term::Enum(..) | Term::Device(_) | Term::Words(_), Term::Words(_))
                | (Term::Bool(Bool::Constant(_)), Term::Bool(_)) => {
                    self.compared(Comparison::Equal, item.clone(), member.clone(), at)
                }
                (item, member) => self.mixed(item, member, at),
            })
            .collect();
        Ok(ir::or(same?))
    }

    fn mixed<T>(&self, item: &Term, member: &Term, at: Position) -> Fallible<T> {
        let text = format!("{} is never a member of a set that has {} in it", item.what(), member.what());
        self.misfit(at, text, "ask for numbers in a set of numbers, for texts in a set of texts")
    }

    fn call(&mut self, name: &str, arguments: &[Node], at: Position) -> Fallible<Term> {
        let Some(function) = syntax::function(self.ast, name, arguments.len())? else {
            return match arguments {
                [argument] if matches!(name, "deny" | "kill") => self.verdict(name, argument),
                [] if name == "allow" => Ok(Term::Decision(Decision::Answer(Answer::Allow))),
                [] if name == "deny" => Ok(Term::Decision(Decision::Answer(Answer::Deny(Errno::EPERM)))),
                [] if name == "kill" => Ok(Term::Decision(Decision::Answer(Answer::Kill(Signal::KILL)))),
                [of, rest @ ..] if matches!(name, "like" | "starts_with" | "ends_with" | "contains" | "is_empty") => {
                    let of = self.term(of)?;
                    self.method(of, name, rest, at)
                }
                _ => self.misfit(
                    at,
                    format!("`{name}` cannot run in the kernel"),
                    "compute it before, outside of the filter, or ask in `.on_event(…)`; functions of the script may be called if they would do as a filter themselves",
                ),
            };
        };
        if self.functions.iter().any(|f| f == name) {
            return self.misfit(
                at,
                format!("`{name}` calls itself, and a filter has no loops"),
                "write it without recursion",
            );
        }
        if self.functions.len() > DEPTH {
            return self.misfit(
                at,
                format!("functions of a filter call each other at most {DEPTH} deep"),
                "write fewer functions",
            );
        }
        let mut given = Vec::new();
        for argument in arguments {
            given.push((self.term(argument)?, argument.at));
        }
        let outside = std::mem::take(&mut self.scope);
        let term = self.inlined(name, &function, given);
        self.scope = outside;
        term
    }

    /// `deny("EACCES")`, `kill("SIGKILL")`
    fn verdict(&mut self, name: &str, argument: &Node) -> Fallible<Term> {
        let parsed = match (name, self.term(argument)?) {
            ("deny", Term::Words(name)) => Errno::from_name(&name).map(Answer::Deny),
            ("deny", Term::Int(Int::Constant(number))) => Errno::from_number(number).map(Answer::Deny),
            (_, Term::Words(name)) => Signal::from_name(&name).map(Answer::Kill),
            (_, Term::Int(Int::Constant(number))) => Signal::from_number(number).map(Answer::Kill),
            (_, other) => {
                return self.misfit(
                    argument.at,
                    format!("`{name}` does not take {}", other.what()),
                    "write the name: `deny(\"EACCES\")`, `kill(\"SIGKILL\")`",
                );
            }
        };
        match parsed {
            Ok(answer) => Ok(Term::Decision(Decision::Answer(answer))),
            Err(error) => self.refuse(Misfit::new(argument.at, error.to_string())),
        }
    }

    fn inlined(&mut self, name: &str, function: &Function, given: Vec<(Term, Position)>) -> Fallible<Term> {
        let mut bindings = Vec::new();
        for (param, (term, at)) in function.params.iter().zip(given) {
            bindings.push((self.bind(param, term, at)?, at));
        }
        self.functions.push(name.to_owned());
        let body = self.body(function);
        self.functions.pop();
        let mut term = body?;
        while let Some((binding, at)) = bindings.pop() {
            term = self.wrapped(binding, term, at)?;
        }
        Ok(term)
    }
}

/// Whether `return` ends the function here, or a block's own value.
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

fn comparison(sign: &str) -> Option<Comparison> {
    Some(match sign {
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// `first..end` or `first..=last`, with its ends included.
fn range(first: i64, end: i64, inclusive: bool) -> Term {
    match (inclusive, end.checked_sub(1)) {
        (true, _) => Term::Range(first, end),
        (false, Some(last)) => Term::Range(first, last),
        // Nothing is less than the least number.
        (false, None) => Term::Range(1, 0),
    }
}

fn one_of(number: Int, mut ranges: Vec<(i64, i64)>) -> Bool {
    ranges.retain(|(first, last)| first <= last);
    ranges.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(before) if before.1 == i64::MAX || first <= before.1 + 1 => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    match number {
        Int::Constant(known) => {
            Bool::Constant(merged.iter().any(|(first, last)| (*first..=*last).contains(&known)))
        }
        number => Bool::OneOf(number, merged),
    }
}

fn has_flag(field: Number, bits: i64) -> Bool {
    let masked = Int::Binary(Arithmetic::And, Box::new(Int::Field(field)), Box::new(Int::Constant(bits)));
    ir::compare(Comparison::Equal, masked, Int::Constant(bits))
}

/// Every text has the empty text in it.
fn containing(needle: Vec<u8>, from: usize, until: usize) -> Test {
    if needle.is_empty() { Test::StartsWith(vec![]) } else { Test::Contains { needle, from, until } }
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
