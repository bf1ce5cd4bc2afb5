//! Durations as people write them: `"10m"`, `"1h 30m"`, `"250ms"`.

use std::time::Duration;

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error(
        "`{given}` is not a duration: {reason}; allowed: a number with a unit, such as \"250ms\", \"10s\", \"5m\", \"1h 30m\""
    )]
    Malformed { given: String, reason: String },
    #[error("a duration must be longer than nothing; allowed: such as \"250ms\", \"10s\", \"5m\"")]
    Zero,
    #[error("`{given}` is longer than a year, the longest duration taken")]
    TooLong { given: String },
}

/// What anything here may last: a year.
pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads a duration that must be more than zero and at most a year.
///
/// # Errors
/// Says what is wrong with the text and what is allowed.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let duration = humantime::parse_duration(text.trim())
        .map_err(|error| DurationError::Malformed { given: text.to_owned(), reason: error.to_string() })?;
    if duration.is_zero() {
        return Err(DurationError::Zero);
    }
    if duration > LONGEST {
        return Err(DurationError::TooLong { given: text.to_owned() });
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("1h 30m"), Ok(Duration::from_secs(5400)));
    }

    #[test]
    fn nothing_nonsense_and_forever_are_refused() {
        assert_eq!(parse("0s"), Err(DurationError::Zero));
        assert!(matches!(parse("ten"), Err(DurationError::Malformed { .. })));
        assert!(matches!(parse("10"), Err(DurationError::Malformed { .. })));
        assert!(matches!(parse("99y"), Err(DurationError::TooLong { .. })));
    }
}
