//! Globs that a walk takes whole, where the IR has them as several tests.

use super::{
    automaton::Pattern,
    glob::Glob,
    ir::{Bool, Test, Text},
};

/// Parts joined by `&&`, in which what is like a glob with a middle and an end ([`Test::all_of`]) is one pattern
/// instead of several tests, where `wanted` says so: a walk that looked for the middle alone would have to know of each
/// place where it has met it how far behind that is.
#[must_use]
pub fn whole_globs(parts: &[Bool], wanted: impl Fn(&Text, &Test) -> bool) -> Vec<Bool> {
    let mut list: Vec<Bool> = Vec::new();
    for part in parts {
        list.push(part.clone());
        let Bool::Text(text, middle @ Test::Contains { needle, from, until }) = part else { continue };
        if *until == 0 || !wanted(text, middle) {
            continue;
        }
        // Its tests stand side by side.
        let of_this = |part: &&Bool| matches!(part, Bool::Text(other, _) if other == text);
        let begin = list.len() - list.iter().rev().take_while(of_this).count();
        let tests = list[begin..].iter().filter_map(|part| match part {
            Bool::Text(_, test) => Some(test),
            _ => None,
        });
        let (mut prefix, mut suffix) = ((*from == 0).then_some(&[][..]), None);
        for test in tests {
            match test {
                Test::StartsWith(begins) if begins.len() == *from => prefix = Some(begins),
                Test::EndsWith(ends) if ends.len() == *until => suffix = Some(&ends[..]),
                _ => {}
            }
        }
        let (Some(prefix), Some(suffix)) = (prefix, suffix) else { continue };
        let glob = Glob::around(prefix, needle, suffix);
        let Ok(pattern) = Pattern::glob(&glob.written(), &glob) else { continue };
        // What the pattern says as well need not be asked beside it.
        let said = [
            Test::StartsWith(prefix.to_vec()),
            Test::EndsWith(suffix.to_vec()),
            Test::Reaches(from + until),
            middle.clone(),
        ];
        let mut run = list.split_off(begin);
        run.retain(|part| !matches!(part, Bool::Text(_, test) if said.contains(test)));
        list.append(&mut run);
        list.push(Bool::Text(text.clone(), Test::Matches(pattern)));
    }
    list
}
