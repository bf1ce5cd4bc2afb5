//! Which questions about texts are answered by one walk over the text, instead of one comparison or search each.
//!
//! In: a filter as it was checked. Out: the same filter, in which what a walk answers is [`Bool::Asked`] or
//! [`Bool::Some`]; and, for the code, the walks with their tables. A pattern always takes a walk. Other questions do where many
//! texts are searched for in one text, and wherever the code would find no room otherwise.

use super::{
    automaton::{Ending, LARGEST, Outcome, QUESTIONS, Table, TooLarge},
    ir::{self, Binding, Bool, Decision, Filter, Formula, Int, Place, Test, Text, Texts, Value},
    questions, troubles,
    weight::{self, Weight},
    whole_globs::whole_globs,
};

/// Texts that are searched for in one text, one by one: a search looks at eight bytes at a time, a walk at one.
const SEARCHES: usize = 3;
/// Texts that are compared with one text, one by one.
const COMPARISONS: usize = 24;
/// Questions that one walk answers, where the tables of more have no room.
const FEWER: usize = 3;
/// A text shorter than this is searched in no time.
const SHORT: usize = 64;

/// Where a walk is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    WhereCheaper,
    Everywhere,
}

/// The filter with its walks in it. What cannot be told of a text that is cut matters less in the result: if one of
/// several tests joined by `||` is certain to hold, the others need not be told.
#[must_use]
pub fn lowered(filter: &Filter, plan: Plan) -> Filter {
    let mut lowering = Lowering { plan, asked: Vec::new() };
    lowering.count_decision(&filter.body);
    Filter { body: lowering.decision(&filter.body), slots: filter.slots }
}

struct Lowering {
    plan: Plan,
    /// What each text is asked: how many searches, how many comparisons.
    asked: Vec<(Text, usize, usize)>,
}

impl Lowering {
    fn wants(&self, text: &Text, test: &Test) -> bool {
        if matches!(test, Test::Matches(_)) || matches!(text.place, Place::Joined(_)) {
            return true;
        }
        // What is compared with an element that is cut, and longer, is not compared at all.
        if matches!(text.place, Place::Element(..)) {
            return false;
        }
        let known = self.asked.iter().find(|(other, ..)| other == text);
        let (searches, comparisons) =
            known.map_or((0, 0), |(_, searches, comparisons)| (*searches, *comparisons));
        self.plan == Plan::Everywhere
            || searches > SEARCHES && is_search(text, test)
            || searches + comparisons > COMPARISONS
    }

    // ---- counting ---------------------------------------------------------

    fn count_decision(&mut self, of: &Decision) {
        match of {
            Decision::Answer(_) => {}
            Decision::If(condition, then, otherwise) => {
                self.count(condition);
                self.count_decision(then);
                self.count_decision(otherwise);
            }
            Decision::Let(binding, body) => {
                self.count_binding(binding);
                self.count_decision(body);
            }
        }
    }

    fn count_binding(&mut self, binding: &Binding) {
        if let Value::Bool(value) = &binding.value {
            self.count(value);
        }
    }

    fn count(&mut self, of: &Bool) {
        match of {
            Bool::Text(text, test) => {
                let search = usize::from(is_search(text, test));
                match self.asked.iter_mut().find(|(known, ..)| known == text) {
                    Some((_, searches, comparisons)) => {
                        *searches += search;
                        *comparisons += 1 - search;
                    }
                    None => self.asked.push((text.clone(), search, 1 - search)),
                }
            }
            Bool::Not(inner) => self.count(inner),
            Bool::And(parts) | Bool::Or(parts) => parts.iter().for_each(|part| self.count(part)),
            Bool::If(condition, then, otherwise) => {
                [condition, then, otherwise].into_iter().for_each(|part| self.count(part));
            }
            Bool::Let(binding, body) => {
                self.count_binding(binding);
                self.count(body);
            }
            _ => {}
        }
    }

    // ---- the filter anew --------------------------------------------------

    fn decision(&self, of: &Decision) -> Decision {
        match of {
            Decision::Answer(answer) => Decision::Answer(*answer),
            Decision::If(condition, then, otherwise) => Decision::If(
                Box::new(self.bool(condition)),
                Box::new(self.decision(then)),
                Box::new(self.decision(otherwise)),
            ),
            Decision::Let(binding, body) => {
                Decision::Let(Box::new(self.binding(binding)), Box::new(self.decision(body)))
            }
        }
    }

    fn binding(&self, of: &Binding) -> Binding {
        let value = match &of.value {
            Value::Bool(value) => Value::Bool(self.bool(value)),
            Value::Int(value) => Value::Int(self.int(value)),
            other @ Value::Read(_) => other.clone(),
        };
        Binding { value, ..of.clone() }
    }

    fn int(&self, of: &Int) -> Int {
        let boxed = |part: &Int| Box::new(self.int(part));
        match of {
            Int::Negate(inner) => Int::Negate(boxed(inner)),
            Int::Binary(how, a, b) => Int::Binary(*how, boxed(a), boxed(b)),
            Int::If(condition, a, b) => Int::If(Box::new(self.bool(condition)), boxed(a), boxed(b)),
            Int::Let(binding, body) => Int::Let(Box::new(self.binding(binding)), boxed(body)),
            other => other.clone(),
        }
    }

    fn bool(&self, of: &Bool) -> Bool {
        match of {
            Bool::Text(text, test) if self.wants(text, test) => Bool::Asked(text.clone(), vec![test.clone()]),
            Bool::Any(texts, tests)
                if tests.len() > SEARCHES
                    || self.plan == Plan::Everywhere
                    || tests.iter().any(|(_, test)| matches!(test, Test::Matches(_))) =>
            {
                let tests = tests.iter().map(|(case, test)| Formula::Test(*case, test.clone()));
                some(texts, &Formula::Or(tests.collect()))
            }
            Bool::Some(texts, formula) => some(texts, formula),
            Bool::Compare(how, a, b) => Bool::Compare(*how, self.int(a), self.int(b)),
            Bool::OneOf(of, ranges) => Bool::OneOf(self.int(of), ranges.clone()),
            Bool::Not(inner) => ir::not(self.bool(inner)),
            Bool::And(parts) => {
                let parts = whole_globs(parts, |text, test| self.wants(text, test));
                joined(parts.iter().map(|part| self.bool(part)), false)
            }
            Bool::Or(parts) => joined(parts.iter().map(|part| self.bool(part)), true),
            Bool::If(a, b, c) => {
                let [a, b, c] = [a, b, c].map(|part| Box::new(self.bool(part)));
                Bool::If(a, b, c)
            }
            Bool::Let(binding, body) => Bool::Let(Box::new(self.binding(binding)), Box::new(self.bool(body))),
            other => other.clone(),
        }
    }
}

/// Whether the test goes through the text, which is more than comparing a few bytes of it.
fn is_search(text: &Text, test: &Test) -> bool {
    let goes_through = match test {
        Test::Contains { .. } | Test::Matches(_) => true,
        Test::EndsWith(_) => !matches!(text.place, Place::Path(..)),
        Test::Equals(_) | Test::StartsWith(_) | Test::Reaches(_) => false,
    };
    goes_through && text.size > SHORT
}

/// Parts joined by `||` (`or`) or `&&`, in which all that is asked of one text is one question: there that one of them
/// holds, here that none does. Not beyond what may be in trouble by itself, which then comes first.
fn joined(parts: impl Iterator<Item = Bool>, or: bool) -> Bool {
    let mut list: Vec<Bool> = Vec::new();
    for mut part in parts {
        let Some((text, tests)) = asked_in(&mut part, or) else {
            list.push(part);
            continue;
        };
        // What may be cut is not asked ahead of anything: that it cannot be told must not keep that from settling all.
        let near = match can_be_cut(text) {
            true => 0,
            false => list.iter().rev().take_while(|known| !troubles::may_be_in(known, text)).count(),
        };
        // The one before those may be the one that is sought.
        let begin = list.len() - (near + 1).min(list.len());
        let is_same = |known: &mut Bool| asked_in(known, or).is_some_and(|(other, _)| *other == *text);
        let same = (begin..list.len()).find(|at| is_same(&mut list[*at]));
        match same.and_then(|at| Some(asked_in(&mut list[at], or)?.1)) {
            Some(known) => {
                tests.retain(|test| !known.contains(test));
                known.append(tests);
            }
            None => list.push(part),
        }
    }
    let list = list.into_iter().map(divided);
    if or { ir::or(list) } else { ir::and(list) }
}

/// Whether the answer may lie behind where the text is cut.
fn can_be_cut(text: &Text) -> bool {
    match &text.place {
        Place::Joined(texts) | Place::Element(texts, _) => texts.cut.is_some(),
        _ => text.cut.is_some(),
    }
}

/// The question that a part is, or (of parts joined by `&&`) denies.
fn asked_in(part: &mut Bool, or: bool) -> Option<(&Text, &mut Vec<Test>)> {
    match part {
        Bool::Asked(text, tests) if or => Some((text, tests)),
        Bool::Not(inner) if !or => asked_in(inner, true),
        _ => None,
    }
}

/// Whether the formula holds for one of the elements: in parts if one walk cannot answer it. Tests alone are apart from what
/// joins several, for which a walk keeps a bit for each test.
fn some(texts: &Texts, formula: &Formula) -> Bool {
    let tests = |part: &Formula| matches!(part, Formula::Test(..));
    let (tests, joined): (Vec<_>, Vec<_>) = formula.alternatives().into_iter().partition(tests);
    let parts = [tests, joined].into_iter().flat_map(|group| weight::parts(group, Weight::of_formula));
    ir::either(parts.map(|mut part| {
        let formula = if part.len() == 1 { part.remove(0) } else { Formula::Or(part) };
        Bool::Some(texts.clone(), formula)
    }))
}

/// A question about a text, in parts if one walk cannot answer it.
fn divided(part: Bool) -> Bool {
    match part {
        Bool::Asked(text, tests) => {
            let asked = |tests| Bool::Asked(text.clone(), tests);
            ir::either(weight::parts(tests, Weight::of).into_iter().map(asked))
        }
        Bool::Not(inner) if matches!(*inner, Bool::Asked(..)) => ir::not(divided(*inner)),
        other => other,
    }
}

/// One walk over a text or a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    pub subject: Subject,
    pub outcome: Outcome,
    pub table: Table,
}

/// What is walked over, and what is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    Text(Text, Vec<Vec<Test>>),
    List(Texts, Formula),
}

impl Walk {
    /// All walks of a filter.
    ///
    /// # Errors
    /// If a question is about more than a table can hold, or all tables are too large together.
    pub fn all(body: &Decision) -> Result<Vec<Walk>, TooLarge> {
        let mut sites = Sites::default();
        sites.decision(body);
        let mut lists = Vec::new();
        for (texts, formula) in &sites.lists {
            let table = questions::about_elements(formula).ok().and_then(|machine| Table::of(&machine));
            let subject = Subject::List(texts.clone(), formula.clone());
            lists.push(Walk { subject, outcome: Outcome::Elements, table: table.ok_or(TooLarge)? });
        }
        // Fewer questions a walk are more walks, and smaller ones.
        for most in [QUESTIONS, FEWER, 1] {
            let mut walks = Vec::new();
            for (text, questions, count) in &sites.texts {
                for part in questions.chunks(most) {
                    walks.extend(walks_over(text, part, *count)?);
                }
            }
            walks.extend(lists.iter().cloned());
            if walks.iter().map(|walk| walk.table.rows).sum::<usize>() <= LARGEST {
                return Ok(walks);
            }
        }
        Err(TooLarge)
    }
}

/// `count`: at how many places these questions are asked. Several walks if one's table were too large.
fn walks_over(text: &Text, asked: &[Vec<Test>], count: usize) -> Result<Vec<Walk>, TooLarge> {
    let ending = if matches!(text.place, Place::Joined(_)) { Ending::Length } else { Ending::Nul };
    let table = |outcome| {
        let machine = questions::about_text(text.case, asked, ending, outcome).ok()?;
        let subject = Subject::Text(text.clone(), asked.to_vec());
        Table::of(&machine).map(|table| Walk { subject, outcome, table })
    };
    let alone = asked.len() == 1;
    if alone || weight::is_bearable(asked.iter().flatten()) {
        let found = if alone && count == 1 { table(Outcome::One) } else { table(Outcome::Bits) };
        if let Some(walk) = found.or_else(|| table(Outcome::One).filter(|_| alone)) {
            return Ok(vec![walk]);
        }
    }
    if alone {
        return Err(TooLarge);
    }
    let (one, other) = asked.split_at(asked.len() / 2);
    Ok([walks_over(text, one, count)?, walks_over(text, other, count)?].concat())
}

/// What is asked, and where.
#[derive(Default)]
struct Sites {
    texts: Vec<(Text, Vec<Vec<Test>>, usize)>,
    lists: Vec<(Texts, Formula)>,
}

impl Sites {
    fn decision(&mut self, of: &Decision) {
        match of {
            Decision::Answer(_) => {}
            Decision::If(condition, then, otherwise) => {
                self.bool(condition);
                self.decision(then);
                self.decision(otherwise);
            }
            Decision::Let(binding, body) => {
                self.binding(binding);
                self.decision(body);
            }
        }
    }

    fn binding(&mut self, of: &Binding) {
        match &of.value {
            Value::Bool(value) => self.bool(value),
            Value::Int(value) => self.int(value),
            Value::Read(_) => {}
        }
    }

    fn int(&mut self, of: &Int) {
        match of {
            Int::Negate(inner) => self.int(inner),
            Int::Binary(_, a, b) => [a, b].into_iter().for_each(|part| self.int(part)),
            Int::If(condition, a, b) => {
                self.bool(condition);
                [a, b].into_iter().for_each(|part| self.int(part));
            }
            Int::Let(binding, body) => {
                self.binding(binding);
                self.int(body);
            }
            _ => {}
        }
    }

    fn bool(&mut self, of: &Bool) {
        match of {
            Bool::Asked(text, tests) => match self.texts.iter_mut().find(|(known, ..)| known == text) {
                Some((_, questions, count)) => {
                    *count += 1;
                    if !questions.contains(tests) {
                        questions.push(tests.clone());
                    }
                }
                None => self.texts.push((text.clone(), vec![tests.clone()], 1)),
            },
            Bool::Some(texts, formula)
                if !self.lists.iter().any(|(known, other)| known == texts && other == formula) =>
            {
                self.lists.push((texts.clone(), formula.clone()));
            }
            Bool::Compare(_, a, b) => [a, b].into_iter().for_each(|part| self.int(part)),
            Bool::OneOf(of, _) => self.int(of),
            Bool::Not(inner) => self.bool(inner),
            Bool::And(parts) | Bool::Or(parts) | Bool::Either(parts) => {
                parts.iter().for_each(|part| self.bool(part));
            }
            Bool::If(a, b, c) => [a, b, c].into_iter().for_each(|part| self.bool(part)),
            Bool::Let(binding, body) => {
                self.binding(binding);
                self.bool(body);
            }
            _ => {}
        }
    }
}
