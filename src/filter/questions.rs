//! Questions about texts as machines.

use regex_syntax::hir::{Hir, Look};

use super::{
    automaton::{Ending, Machine, Outcome, TooLarge, anything, factored, in_capitals_too, repeated},
    ir::{Case, Formula, Test},
};

/// A machine that answers for each question whether a text is as one of its tests says.
///
/// # Errors
/// If there are too many states, or questions.
pub fn about_text(
    case: Case,
    questions: &[Vec<Test>],
    ending: Ending,
    outcome: Outcome,
) -> Result<Machine, TooLarge> {
    let trees: Vec<Hir> = questions.iter().map(|tests| of_question(case, tests)).collect();
    Machine::about_text(&trees, outcome, questions.iter().map(Vec::len).sum(), ending)
}

/// A machine that answers whether the formula holds for one of a list's elements.
///
/// # Errors
/// If there are too many states, or tests.
pub fn about_elements(formula: &Formula) -> Result<Machine, TooLarge> {
    let tests = formula.tests();
    // What is asked of all of them alike needs no bit for each.
    if let Some(parts) = formula.any_of() {
        let of_case = |case| {
            let asked = parts.iter().filter(|(known, _)| *known == case).map(|(_, test)| test.clone());
            of_question(case, &asked.collect::<Vec<_>>())
        };
        let trees = [Hir::alternation(vec![of_case(Case::AsIs), of_case(Case::Lower)])];
        return Machine::of_elements(&trees, &|set| set != 0, tests.len());
    }
    let trees: Vec<Hir> =
        tests.iter().map(|(case, test)| of_question(*case, std::slice::from_ref(test))).collect();
    let holds = |set: u32| {
        let mut test = |case: Case, asked: &Test| {
            let at = tests.iter().position(|(known, test)| *known == case && test == asked);
            Some(at.is_some_and(|at| set & 1 << at != 0))
        };
        formula.answer(&mut test) == Some(true)
    };
    Machine::of_elements(&trees, &holds, tests.len())
}

/// The syntax tree of a question: that one of the tests holds. It is matched from the text's beginning on.
///
/// What is sought anywhere has one way to go on in the text for all, and words share their beginnings: so the
/// states that determinisation looks at stay few.
fn of_question(case: Case, tests: &[Test]) -> Hir {
    let mut words: [Vec<&[u8]>; 4] = Default::default();
    let [equal, at_begin, at_end, anywhere] = &mut words;
    let mut others = Vec::new();
    let mut sought = Vec::new();
    for test in tests {
        match test {
            Test::Equals(word) => equal.push(word),
            Test::StartsWith(word) => at_begin.push(word),
            Test::EndsWith(word) => at_end.push(word),
            Test::Contains { needle, from: 0, until: 0 } => anywhere.push(needle),
            Test::Contains { needle, from, until } => others.push(Hir::concat(vec![
                repeated(*from, None),
                Hir::literal(needle.clone()),
                repeated(*until, Some(*until)),
            ])),
            Test::Reaches(length) => others.push(repeated(*length, Some(*length))),
            Test::Matches(pattern) => match pattern.tree() {
                (tree, true) => sought.push(tree.clone()),
                (tree, false) => others.push(tree.clone()),
            },
        }
    }
    let end = || Hir::look(Look::End);
    let [equal, at_begin, at_end, anywhere] = words.map(|words| {
        let words = words.into_iter().map(Hir::literal).collect::<Vec<_>>();
        (!words.is_empty()).then(|| Hir::alternation(words))
    });
    others.extend(equal.map(|words| Hir::concat(vec![words, end()])));
    others.extend(at_begin);
    sought.extend(at_end.map(|words| Hir::concat(vec![words, end()])));
    sought.extend(anywhere);
    if !sought.is_empty() {
        others.push(Hir::concat(vec![anything(), Hir::alternation(sought)]));
    }
    let hir = factored(&Hir::alternation(others));
    if case == Case::Lower { in_capitals_too(&hir) } else { hir }
}

#[cfg(test)]
mod tests;
