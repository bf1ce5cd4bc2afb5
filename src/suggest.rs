//! "Did you mean": the nearest of the allowed names, for every error that
//! refuses a name.

/// The candidate most like `given`, if any is like it enough to be a slip.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.75;
    // One letter is like everything that begins with it.
    if given.chars().count() < 2 {
        return None;
    }
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&given.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_none() {
        assert_eq!(nearest("exce", ["exec", "file_open"]), Some("exec"));
        assert_eq!(nearest("fileopen", ["exec", "file_open"]), Some("file_open"));
        assert_eq!(nearest("zzz", ["exec", "file_open"]), None);
    }
}
