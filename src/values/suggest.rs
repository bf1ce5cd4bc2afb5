//! "Did you mean": the nearest of the allowed names, for every error that
//! refuses a name.

use std::cmp::Reverse;

/// A beginning of a name that is long enough to stand for it.
const BEGINNING: usize = 4;

/// Returns the candidate that `given` is a slip of, if there is one: some letters are missing, too many, wrong or
/// exchanged, few of them for the length of the name, or it is the name's beginning.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let near = candidates.into_iter().filter_map(|candidate| Some((far(&given, candidate)?, candidate)));
    near.min_by_key(|(far, candidate)| (*far, Reverse(alike(&given, candidate))))
        .map(|(_, candidate)| candidate)
}

/// How far it is from one to the other; `None` if it is too far.
fn far(given: &str, candidate: &str) -> Option<usize> {
    let candidate = candidate.to_lowercase();
    let length = given.chars().count();
    if length < 2 {
        return None;
    }
    let most = match length {
        ..8 => 1,
        8..12 => 2,
        _ => 3,
    };
    let begins = length >= BEGINNING && candidate.starts_with(given);
    // The distance is no less than the difference of the lengths, and takes long to find for a text that is no name.
    if candidate.chars().count().abs_diff(length) > most && !begins {
        return None;
    }
    let distance = strsim::damerau_levenshtein(given, &candidate);
    // Of three letters one that is wrong makes another word, and so does one that is added to two.
    let letters = candidate.chars().count();
    let another = letters < 3 || (length < 4 && letters == length && !same_letters(given, &candidate));
    if distance <= most && !(distance > 0 && another) {
        return Some(distance);
    }
    begins.then_some(distance)
}

fn same_letters(a: &str, b: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    sorted(a) == sorted(b)
}

/// A measure for the choice among equals.
fn alike(given: &str, candidate: &str) -> u64 {
    (strsim::jaro_winkler(given, &candidate.to_lowercase()) * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_none() {
        assert_eq!(nearest("exce", ["exec", "file_open"]), Some("exec"));
        assert_eq!(nearest("Exec", ["exec", "file_open"]), Some("exec"));
        assert_eq!(nearest("fileopen", ["exec", "file_open"]), Some("file_open"));
        assert_eq!(nearest("file", ["exec", "file_open"]), Some("file_open"));
        assert_eq!(nearest("pth", ["pid", "path"]), Some("path"));
        assert_eq!(nearest("zzz", ["exec", "file_open"]), None);
    }

    #[test]
    fn another_word_is_no_slip() {
        for (given, other) in [
            ("foo", "floor"),
            ("open", "append"),
            ("man", "max"),
            ("load", "log"),
            ("stats", "starts_with"),
            ("pim", "PI"),
        ] {
            assert_eq!(nearest(given, [other]), None, "{given}");
        }
    }
}
