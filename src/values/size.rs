//! Sizes as people write them: `"100M"`, `"1G"`, `"512k"`, in bytes by powers of 1024.

/// A text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size; allowed: a number above 0 with a unit, such as \"512k\", \"100M\", \"1G\"")]
pub struct SizeError(String);

/// Reads a size of at least a byte.
///
/// # Errors
/// Says what is allowed.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let refuse = || SizeError(text.to_owned());
    let given = text.trim().trim_end_matches("iB").trim_end_matches(['B', 'b']);
    let digits = given.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match given[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(refuse()),
    };
    let number: u64 = digits.trim_end().parse().map_err(|_| refuse())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units_and_nothing_else_is_one() {
        let read = |text| parse(text).unwrap();
        assert_eq!([read("7"), read("512k"), read("100M"), read("1 G")], [7, 512 << 10, 100 << 20, 1 << 30]);
        assert_eq!([read("10MB"), read("10MiB"), read("10mb")], [10 << 20; 3]);
        for text in ["", "0", "M", "-1M", "1.5G", "1X", "99999999999T"] {
            assert!(parse(text).unwrap_err().to_string().contains("allowed"), "{text}");
        }
    }
}
