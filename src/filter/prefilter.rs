//! What a callback asks first, answered without the interpreter.
//!
//! A callback mostly begins with whether an event is of interest at all: `|e| if e.uid == 0 && … { … }`. Where that
//! is something a filter may ask, it is computed on the event's bytes, by what filters mean ([`super::evaluate`]), and
//! Rhai evaluates what follows from it. That is a matter of time and of nothing else: what has no place in a filter, or
//! cannot be told of an event, is asked by the callback itself; and so is everything while a captured variable that the
//! question needs is not what it was.

use rhai::{AST, Dynamic, Expr, FnPtr};

use super::{Filter, check, syntax, uses};
use crate::{event::Event, template::Template, values::Networks};

/// Elements of a captured array that are looked at for each event, to see whether it is what it was.
const ELEMENTS: usize = 64;

/// The first question of a callback.
#[derive(Debug)]
pub struct Prefilter {
    filter: Filter,
    /// Names of the event's fields that it asks about.
    asked: Vec<String>,
    /// Captured variables that it needs: which they are, and their values.
    needs: Vec<(usize, Dynamic)>,
    params: Vec<String>,
    follows: Option<[Option<Expr>; 2]>,
}

/// What follows from the answer.
#[derive(Debug, Clone, Copy)]
pub enum Follows<'a> {
    /// The callback gives this, and does nothing.
    Value(bool),
    Nothing,
    /// This is evaluated, in the scope of the function.
    Body(&'a Expr),
}

impl Prefilter {
    /// Of a callback whose last parameter is the event; `None` if it asks nothing first that a filter may ask.
    #[must_use]
    pub fn of(ast: &AST, function: &FnPtr, template: &Template) -> Option<Self> {
        let captured = function.curry();
        let question = syntax::question(ast, function.fn_name(), captured.len() + 1)?;
        let ask = |captured: &[Option<Dynamic>]| {
            check::question(ast, function.fn_name(), &question, captured, template).ok()
        };
        let mut captured: Vec<_> = captured.iter().map(kept).collect();
        let filter = ask(&captured)?;
        let mut needs = Vec::new();
        for at in 0..captured.len() {
            let Some(value) = captured[at].take() else { continue };
            if ask(&captured).is_none() {
                needs.push((at, value.clone()));
            }
            captured[at] = Some(value);
        }
        let names = template.fields.iter().map(|field| field.name.as_str());
        let asked = names.filter(|name| uses::any_of(&filter, &[name])).map(ToOwned::to_owned).collect();
        Some(Prefilter { filter, asked, needs, params: question.params, follows: question.follows })
    }

    /// Names of the function's parameters.
    #[must_use]
    pub fn params(&self) -> &[String] {
        &self.params
    }

    /// The question.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What follows for this event, which is one of the template's, with these values of captured variables; `None` if
    /// only the callback itself can tell.
    #[must_use]
    pub fn follows(&self, event: &Event, captured: &[Dynamic]) -> Option<Follows<'_>> {
        if !self.needs.iter().all(|(at, was)| captured.get(*at).is_some_and(|is| is_same(is, was))) {
            return None;
        }
        if !self.asked.iter().all(|name| event.tells(name)) {
            return None;
        }
        let holds = self.filter.evaluate_from(event.record(), event.skipped()).ok()?.matches();
        let Some([so, not]) = &self.follows else { return Some(Follows::Value(holds)) };
        let body = if holds { so } else { not };
        Some(body.as_ref().map_or(Follows::Nothing, Follows::Body))
    }
}

/// A value that stays as it is, whatever becomes of the variable; `None` if [`is_same`] could not compare it.
fn kept(value: &Dynamic) -> Option<Dynamic> {
    if let Ok(items) = value.as_array_ref() {
        let items = if items.len() <= ELEMENTS { items.iter().map(kept) } else { return None };
        return items.collect::<Option<Vec<_>>>().map(Dynamic::from_array);
    }
    is_same(value, value).then(|| value.flatten_clone())
}

/// Of the kinds of value that a filter can be made of; what one has in it may be shared.
fn is_same(is: &Dynamic, was: &Dynamic) -> bool {
    fn same<T: Clone + PartialEq + 'static>(is: &Dynamic, was: &Dynamic) -> bool {
        matches!((is.read_lock::<T>(), was.read_lock::<T>()), (Some(is), Some(was)) if *is == *was)
    }
    if let (Ok(is), Ok(was)) = (is.as_array_ref(), was.as_array_ref()) {
        return is.len() == was.len() && is.iter().zip(was.iter()).all(|(is, was)| is_same(is, was));
    }
    same::<i64>(is, was)
        || same::<bool>(is, was)
        || same::<rhai::ImmutableString>(is, was)
        || same::<std::ops::Range<i64>>(is, was)
        || same::<std::ops::RangeInclusive<i64>>(is, was)
        || same::<Networks>(is, was)
}
