//! Lists: how long they are, what is in them, and whether one of their elements is so.

use rhai::Position;

use super::{Ancestor, Checker, Element, Fallible, Kind, List, Node, Term};
use crate::event::origin::ANCESTOR_IDS;
use crate::filter::ir::{
    self, Bool, Case, Comparison, Counted, Formula, Int, Place, Test, Text, Texts, Value,
};
use crate::filter::whole_globs::whole_globs;
use crate::template::Asks;

/// What is asked about the elements of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    /// Whether one is so.
    Any,
    /// Whether one is not so.
    Unlike,
}

/// The index that an element has while it is asked whether any is so.
const ANY: usize = usize::MAX;

impl Checker<'_> {
    pub(super) fn length(list: Term) -> Int {
        match list {
            Term::Texts(texts) => Int::Elements(texts),
            Term::List(list) => {
                let room = Int::Constant(i64::try_from(list.elements.len()).unwrap_or(i64::MAX));
                let count = Int::Field(list.count);
                let fewer = ir::compare(Comparison::Less, count.clone(), room.clone());
                let length = Int::If(Box::new(fewer), Box::new(count), Box::new(room));
                match list.elements.first().and_then(readable) {
                    Some(readable) => {
                        Int::If(Box::new(readable), Box::new(length), Box::new(Int::Constant(0)))
                    }
                    None => length,
                }
            }

            _ => Int::Constant(0),
        }
    }

    /// `e.argv[1]`
    pub(super) fn item(&mut self, of: Term, index: &Node, at: Position) -> Fallible<Term> {
        let index = match (&index.kind, self.term(index)?) {
            (Kind::Constant(_) | Kind::Variable(_), Term::Int(Int::Constant(known))) if known >= 0 => {
                usize::try_from(known).unwrap_or(usize::MAX - 1)
            }
            (_, Term::Words(name)) if matches!(of, Term::Event) => return self.field(&name, at),
            _ => {
                return self.misfit(
                    at,
                    "a filter takes an element by a number that is known now, from 0 on",
                    "write `e.argv[1]`, or ask all of them: `e.argv.any(|a| …)`",
                );
            }
        };
        match of {
            Term::Texts(texts) if index < texts.size => Ok(Term::Text(element(texts, index))),
            Term::List(list) => self.element(list, index, at),
            Term::Ancestors => match self.field(ANCESTOR_IDS, at)? {
                Term::List(pids) if index >= pids.elements.len() => {
                    self.no_such_element(pids.elements.len(), at)
                }
                _ => Ok(Term::Ancestor(Ancestor { index, is_there: false })),
            },
            Term::Texts(_) => {
                self.misfit(at, "this list never has that many elements", "write a smaller index")
            }
            of => self.no_method(&of, "[…]", at),
        }
    }

    /// One element of those at fixed places; if there are not so many, the filter cannot tell.
    pub(super) fn element(&self, list: List, index: usize, at: Position) -> Fallible<Term> {
        let List { count, mut elements } = list;
        if index >= elements.len() {
            return self.no_such_element(elements.len(), at);
        }
        Ok(match elements.swap_remove(index) {
            Element::Number(number) => Term::Int(Int::Item { number, count, index }),
            Element::Text(text) => Term::Text(Text { counted: Some(Counted { count, index }), ..text }),
        })
    }

    pub(super) fn no_such_element<T>(&self, room: usize, at: Position) -> Fallible<T> {
        self.misfit(
            at,
            format!("this list never has that many elements; it has room for {room}"),
            "write a smaller index",
        )
    }

    /// `x in e.list`
    pub(super) fn has_element(&mut self, list: Term, item: Term, at: Position) -> Fallible<Bool> {
        match (list, item) {
            (Term::Texts(texts), Term::Words(words)) => {
                let test = Test::Equals(self.needle(&words, at)?);
                Ok(Bool::Any(texts, vec![(Case::AsIs, test)]))
            }
            (Term::List(list), item @ (Term::Words(_) | Term::Int(_))) => {
                let (mut parts, readable) = (Vec::new(), list.elements.first().and_then(readable));
                for (index, element) in list.elements.into_iter().enumerate() {
                    let same = self.compared(Comparison::Equal, term(element), item.clone(), at)?;
                    parts.push(ir::and([in_use(&list.count, index), same]));
                }
                Ok(ir::and(readable.into_iter().chain([ir::or(parts)])))
            }
            (_, item) => {
                let text = format!("{} is never in this list", item.what());
                self.misfit(at, text, "ask for a text that is known now in a list of texts")
            }
        }
    }

    /// `e.list.any(|x| …)`, or whether there is one for which it does not hold.
    pub(super) fn any(
        &mut self,
        list: Term,
        name: &str,
        captured: Vec<Term>,
        quantifier: Quantifier,
        at: Position,
    ) -> Fallible<Bool> {
        let as_wanted = |asked: Bool| if quantifier == Quantifier::Any { asked } else { ir::not(asked) };
        match list {
            Term::Texts(texts) => {
                let element = Term::Text(element(texts.clone(), ANY));
                let asked = as_wanted(self.closure(name, captured, element, at)?);
                let found = one_of_them(&texts, &asked);
                match found.or_else(|| formula(&asked).map(|formula| Bool::Some(texts, formula))) {
                    Some(any) => Ok(any),
                    None => self.misfit(
                        at,
                        "of the elements of a list a filter asks for their own text alone",
                        "ask an element with ==, in, starts_with, ends_with, contains, like, matches, joined by `&&`, `||`, `!`; join what is asked of the event with `&&` outside",
                    ),
                }
            }
            Term::List(list) => {
                let (mut parts, readable) = (Vec::new(), list.elements.first().and_then(readable));
                for (index, element) in list.elements.into_iter().enumerate() {
                    let asked = as_wanted(self.closure(name, captured.clone(), term(element), at)?);
                    parts.push(ir::and([in_use(&list.count, index), asked]));
                }
                Ok(ir::and(readable.into_iter().chain([ir::or(parts)])))
            }
            Term::Ancestors => {
                let Term::List(pids) = self.field(ANCESTOR_IDS, at)? else {
                    return self.no_method(&Term::Ancestors, "any", at);
                };
                let mut parts = Vec::new();
                for index in 0..pids.elements.len() {
                    let asked = self.closure(
                        name,
                        captured.clone(),
                        Term::Ancestor(Ancestor { index, is_there: true }),
                        at,
                    )?;
                    parts.push(ir::and([in_use(&pids.count, index), as_wanted(asked)]));
                }
                Ok(ir::or(parts))
            }
            // What is known now: the function with each.
            Term::Array(items) => {
                let mut parts = Vec::new();
                for item in items {
                    parts.push(as_wanted(self.closure(name, captured.clone(), item, at)?));
                }
                Ok(ir::or(parts))
            }
            of => self.no_method(&of, "any", at),
        }
    }

    /// Whether a text, or one of a list, is as one of these says.
    pub(in crate::filter) fn asked_of(&self, of: &Term, sought: &[(Asks, &str)]) -> Fallible<Bool> {
        let text = match of {
            Term::Texts(texts) => element(texts.clone(), ANY),
            Term::Text(text) => text.clone(),
            of => return self.no_method(of, "any", Position::NONE),
        };
        let mut parts = Vec::new();
        for (test, words) in sought {
            let needle = || self.sought(&text, words, Position::NONE);
            parts.push(match test {
                Asks::Equals => Bool::Text(text.clone(), Test::Equals(needle()?)),
                Asks::StartsWith => Bool::Text(text.clone(), Test::StartsWith(needle()?)),
                Asks::EndsWith => Bool::Text(text.clone(), Test::EndsWith(needle()?)),
                Asks::Contains => Bool::Text(text.clone(), Test::containing(needle()?, 0, 0)),
                Asks::Like => self.like(text.clone(), words, Position::NONE)?,
            });
        }
        let Term::Texts(texts) = of else { return Ok(ir::either(parts)) };
        let one = ir::or(parts);
        match one_of_them(texts, &one)
            .or_else(|| formula(&one).map(|formula| Bool::Some(texts.clone(), formula)))
        {
            Some(any) => Ok(any),
            None => self.no_method(of, "any", Position::NONE),
        }
    }

    fn closure(&mut self, name: &str, captured: Vec<Term>, element: Term, at: Position) -> Fallible<Bool> {
        let Some(function) = self.function(name, captured.len() + 1)? else {
            return self.misfit(at, "`any` asks each element", "write `e.argv.any(|a| a == \"-c\")`");
        };
        let outside = std::mem::take(&mut self.scope);
        self.scope = function.params.iter().cloned().zip(captured.into_iter().chain([element])).collect();
        self.functions.push(name.to_owned());
        let term = self.body(&function);
        self.functions.pop();
        self.scope = outside;
        match term? {
            Term::Bool(asked) => Ok(asked),
            other => self.misfit(
                at,
                format!("this function gives {}, and `any` asks for true or false", other.what()),
                "compare the element with something",
            ),
        }
    }
}

fn element(texts: Texts, index: usize) -> Text {
    Text {
        name: texts.name.clone(),
        size: texts.size,
        place: Place::Element(texts, index),
        case: Case::AsIs,
        counted: None,
        unreadable: None,
        cut: None,
    }
}

/// Whether there is one at all, which is known of a list that is cut, too.
pub(super) fn is_any(texts: Texts) -> Bool {
    Bool::Any(texts, vec![(Case::AsIs, Test::StartsWith(vec![]))])
}

pub(super) fn term(element: Element) -> Term {
    match element {
        Element::Number(number) => Term::Int(Int::Field(number)),
        Element::Text(text) => Term::Text(text),
    }
}

/// Holds; and cannot be told, if the list of this element could not be read.
fn readable(element: &Element) -> Option<Bool> {
    match element {
        Element::Text(text) if text.unreadable.is_some() => {
            Some(Bool::Text(text.clone(), Test::StartsWith(vec![])))
        }
        _ => None,
    }
}

fn in_use(count: &ir::Number, index: usize) -> Bool {
    let index = i64::try_from(index).unwrap_or(i64::MAX);
    ir::compare(Comparison::Greater, Int::Field(count.clone()), Int::Constant(index))
}

/// That a condition holds for one of the texts, where a search can find that out.
fn one_of_them(texts: &Texts, asked: &Bool) -> Option<Bool> {
    match asked {
        Bool::Constant(false) => Some(Bool::Constant(false)),
        Bool::Constant(true) => Some(is_any(texts.clone())),
        Bool::Text(text, Test::Reaches(_) | Test::Matches(_)) if is_element(text) => None,
        Bool::Text(text, Test::Contains { from, until, .. }) if is_element(text) && from + until > 0 => None,
        Bool::Text(text, test) if is_element(text) => {
            Some(Bool::Any(texts.clone(), vec![(text.case, test.clone())]))
        }
        // One question: of a list that is cut, what one part does not find another may.
        Bool::Or(parts) => {
            let parts = parts.iter().map(|part| one_of_them(texts, part)).collect::<Option<Vec<_>>>()?;
            let mut all = Vec::new();
            for part in parts {
                match part {
                    Bool::Any(_, tests) => all.extend(tests),
                    Bool::Constant(false) => {}
                    _ => return None,
                }
            }
            Some(Bool::Any(texts.clone(), all))
        }
        // A text of the list is always there to be looked at.
        Bool::Let(binding, body) => match &binding.value {
            Value::Read(text) if is_element(text) => one_of_them(texts, body),
            _ => None,
        },
        _ => None,
    }
}

fn is_element(text: &Text) -> bool {
    matches!(text.place, Place::Element(_, ANY))
}

/// A condition about an element's text alone.
fn formula(asked: &Bool) -> Option<Formula> {
    let all = |parts: &[Bool]| parts.iter().map(formula).collect::<Option<Vec<_>>>();
    match asked {
        Bool::Constant(known) => Some(Formula::Constant(*known)),
        Bool::Text(text, test) if is_element(text) => Some(Formula::Test(text.case, test.clone())),
        Bool::Not(inner) => Some(Formula::Not(Box::new(formula(inner)?))),
        Bool::And(parts) => all(&whole_globs(parts, |_, _| true)).map(Formula::And),
        Bool::Or(parts) => all(parts).map(Formula::Or),
        Bool::If(condition, then, otherwise) => {
            let (condition, then, otherwise) = (formula(condition)?, formula(then)?, formula(otherwise)?);
            let unless = Formula::Not(Box::new(condition.clone()));
            Some(Formula::Or(vec![
                Formula::And(vec![condition, then]),
                Formula::And(vec![unless, otherwise]),
            ]))
        }
        Bool::Let(binding, body) => match &binding.value {
            Value::Read(text) if is_element(text) => formula(body),
            _ => None,
        },
        _ => None,
    }
}
