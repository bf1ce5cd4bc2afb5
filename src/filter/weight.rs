//! How many states a question is likely to take, told without building them.
//!
//! Words add up: what they have in common is walked once. A gap between two parts of a pattern multiplies instead, since
//! for each of them the walk has to know whether it has been reached: ten globs with a gap each are a thousand times
//! the states of one. Questions that are too heavy together are better asked one after the other.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::{
    automaton::{Pattern, anything},
    ir::{Formula, Test},
};

/// States that the machine of several questions may be expected to have: more find no room in a table.
const HEAVIEST: usize = 1_500;
/// The same of one part of a question, in the order in which they are tried: fewer walks are quicker, smaller ones take
/// less room.
const BUDGETS: [usize; 4] = [1_000, 500, 250, 120];
/// States of all parts of a question with gaps that leave the other questions their room.
const ROOM: usize = 1_000;
/// Parts of one question: each is a walk of its own.
const PARTS: usize = 6;

/// What is sought, and the gaps between its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    bytes: usize,
    /// What the gaps multiply the states by.
    ways: usize,
}

impl Weight {
    const NOTHING: Weight = Weight { bytes: 0, ways: 1 };

    /// Weighs one test.
    #[must_use]
    pub fn of(test: &Test) -> Self {
        match test {
            Test::Equals(word) | Test::StartsWith(word) | Test::EndsWith(word) => Weight::word(word.len()),
            Test::Contains { needle, from: 0, until: 0 } => Weight::word(needle.len()),
            Test::Contains { needle, from, until } => Weight { bytes: needle.len() + from + until, ways: 2 },
            Test::Reaches(length) => Weight { bytes: *length, ways: 2 },
            Test::Matches(pattern) => Weight::of_pattern(pattern),
        }
    }

    /// Weighs what is asked of an element: unless it is one test, the walk keeps which of its tests have held.
    #[must_use]
    pub fn of_formula(formula: &Formula) -> Self {
        match formula {
            Formula::Test(_, test) => Weight::of(test),
            _ => {
                let kept = |test| Weight { ways: 2, ..Weight::NOTHING }.and(Weight::of(test));
                let tests = formula.tests();
                tests.iter().map(|(_, test)| kept(test)).fold(Weight::NOTHING, Weight::and)
            }
        }
    }

    fn of_pattern(pattern: &Pattern) -> Self {
        let gaps = gaps(pattern.tree().0);
        let ways = 1_usize.checked_shl(u32::try_from(gaps).unwrap_or(u32::MAX)).unwrap_or(usize::MAX);
        Weight { bytes: bytes(pattern.tree().0), ways }
    }

    fn word(length: usize) -> Self {
        Weight { bytes: length, ways: 1 }
    }

    fn and(self, other: Self) -> Self {
        Weight { bytes: self.bytes.saturating_add(other.bytes), ways: self.ways.saturating_mul(other.ways) }
    }

    fn states(self) -> usize {
        self.bytes.saturating_mul(self.ways)
    }
}

/// Whether it is worth trying to have these tests answered by one machine.
pub fn is_bearable<'t>(tests: impl Iterator<Item = &'t Test>) -> bool {
    let all = tests.map(Weight::of).fold(Weight::NOTHING, Weight::and);
    all.ways == 1 || all.states() <= HEAVIEST
}

/// Divides questions, of which one is enough, into parts that a machine can answer each. Words stay together.
pub fn parts<T>(items: Vec<T>, weight: impl Fn(&T) -> Weight) -> Vec<Vec<T>> {
    let weights: Vec<Weight> = items.iter().map(weight).collect();
    let (mut numbers, mut count) = numbered(&weights, BUDGETS[0]);
    for budget in &BUDGETS[1..] {
        let of = |part| weights.iter().zip(&numbers).filter(move |(_, number)| **number == part);
        let states = |part| of(part).map(|(weight, _)| *weight).fold(Weight::NOTHING, Weight::and);
        let gaps = (0..count).map(states).filter(|part| part.ways > 1);
        if gaps.map(Weight::states).fold(0, usize::saturating_add) <= ROOM {
            break;
        }
        match numbered(&weights, *budget) {
            (_, parts) if parts > PARTS => break,
            smaller => (numbers, count) = smaller,
        }
    }
    let mut parts: Vec<Vec<T>> = (0..count).map(|_| Vec::new()).collect();
    for (item, number) in items.into_iter().zip(numbers) {
        parts[number].push(item);
    }
    parts
}

/// Gives each weight the number of its part, the first that has room, and how many parts there are.
fn numbered(weights: &[Weight], budget: usize) -> (Vec<usize>, usize) {
    let words = weights.iter().filter(|weight| weight.ways == 1).copied().reduce(Weight::and);
    let mut parts: Vec<Weight> = words.into_iter().collect();
    let mut place = |weight: &Weight| {
        if weight.ways == 1 {
            return 0;
        }
        let room = |part: &Weight| part.and(*weight).states() <= budget;
        let number = parts.iter().position(room).unwrap_or(parts.len());
        match parts.get_mut(number) {
            Some(part) => *part = part.and(*weight),
            None => parts.push(*weight),
        }
        number
    };
    let numbers = weights.iter().map(&mut place).collect();
    (numbers, parts.len())
}

/// Parts that may be of any length, or of several, while the walk has to look for other things as well.
fn gaps(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => 0,
        HirKind::Class(class) => usize::from(!is_few(class)),
        HirKind::Repetition(repetition) if repetition.max.is_none_or(|most| most > 1) => {
            gaps(&repetition.sub).max(1)
        }
        HirKind::Repetition(repetition) => gaps(&repetition.sub),
        HirKind::Capture(capture) => gaps(&capture.sub),
        // A beginning of any length is the same for all that is sought.
        HirKind::Concat(parts) => {
            let parts = parts.strip_prefix(&[anything()]).unwrap_or(parts);
            parts.iter().map(gaps).sum()
        }
        HirKind::Alternation(parts) => parts.iter().map(gaps).sum(),
    }
}

/// Whether a class is no wider than a letter in both cases, or a few signs.
fn is_few(class: &Class) -> bool {
    const FEW: usize = 16;
    match class {
        Class::Bytes(class) => class.ranges().iter().map(|range| range.len()).sum::<usize>() <= FEW,
        Class::Unicode(class) => class.ranges().iter().map(|range| range.len()).sum::<usize>() <= FEW,
    }
}

fn bytes(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(_) => 1,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.max(1));
            bytes(&repetition.sub).saturating_mul(usize::try_from(times).unwrap_or(usize::MAX))
        }
        HirKind::Capture(capture) => bytes(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().map(bytes).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{glob::Glob, ir::Case};

    fn word(text: &str) -> Test {
        Test::containing(text.into(), 0, 0)
    }

    fn glob(text: &str) -> Test {
        Test::Matches(Pattern::glob(text, &Glob::parse(text).unwrap()).unwrap())
    }

    fn regex(text: &str) -> Test {
        Test::Matches(Pattern::regex(text).unwrap())
    }

    #[test]
    fn words_add_up_and_gaps_multiply() {
        assert_eq!(Weight::of(&word("curl")), Weight { bytes: 4, ways: 1 });
        assert_eq!(Weight::of(&regex("curl")), Weight { bytes: 4, ways: 1 });
        assert_eq!(Weight::of(&regex("(?i)curl")).ways, 1);
        assert_eq!(Weight::of(&regex("a.*b.*c")).ways, 4);
        assert_eq!(Weight::of(&regex("a.*b|c.*d")).ways, 4);
        assert_eq!(Weight::of(&glob("*curl*bash*")).ways, 2);
        let test = |text: &str| Formula::Test(Case::AsIs, word(text));
        assert_eq!(Weight::of_formula(&test("curl")).ways, 1);
        assert_eq!(Weight::of_formula(&Formula::And(vec![test("a"), test("b")])).ways, 4);
        assert_eq!(Weight::of(&glob("*curl*bash*")).and(Weight::of(&glob("*nc*sh*"))).ways, 4);
        let heavy: Vec<Test> = (0..64).map(|n| glob(&format!("*a{n}*b{n}*"))).collect();
        assert!(is_bearable(heavy[..4].iter()) && !is_bearable(heavy.iter()));
    }

    #[test]
    fn words_stay_together_and_patterns_are_divided() {
        let lengths = |tests: Vec<Test>| parts(tests, Weight::of).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(vec![]), [0; 0]);
        assert_eq!(lengths((0..5000).map(|n| word(&format!("word{n}"))).collect()), [5000]);
        assert_eq!(lengths(vec![word("curl"), glob("*wget*sh*"), regex("nc -e")]), [3]);
        let globs = |count| (0..count).map(|n| glob(&format!("*first{n}*second{n}*"))).collect::<Vec<_>>();
        let divided = lengths(globs(12));
        assert!(
            divided.len() > 1 && divided.len() <= PARTS && divided.iter().sum::<usize>() == 12,
            "{divided:?}"
        );
        // A pattern does not join thousands of words.
        let many = (0..5000).map(|n| word(&format!("word{n}"))).chain(globs(1)).collect();
        assert_eq!(lengths(many), [5000, 1]);
    }
}
