//! Rates as people write them: `"100/s"`, `"5/m"`, `"1/10s"`.

use std::{fmt, time::Duration};

use super::duration;

/// The longest time of a rate: a day.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);
const SHORTEST: Duration = Duration::from_millis(1);

/// At most so many within that time, whenever it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At least 1.
    pub events: u32,
    /// From a millisecond to a day.
    pub within: Duration,
}

/// A text that is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is not a rate: {reason}; allowed: a number, a slash and a time from 1ms to 1d, such as \"100/s\", \"5/m\", \"1/10s\""
)]
pub struct RateError {
    pub given: String,
    pub reason: String,
}

impl Rate {
    /// Reads a rate.
    ///
    /// # Errors
    /// Says what is wrong with the text and what is allowed.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        let refuse = |reason: String| RateError { given: text.to_owned(), reason };
        let (events, within) = text
            .trim()
            .split_once('/')
            .ok_or_else(|| refuse("there is no `/` between a number and a time".into()))?;
        let number = events.trim();
        let events = number
            .parse()
            .ok()
            .filter(|events| *events > 0)
            .ok_or_else(|| refuse(format!("`{number}` is no whole number from 1 to {}", u32::MAX)))?;
        let within = within.trim();
        // A unit alone is one of it.
        let whole = if within.starts_with(|first: char| first.is_ascii_digit()) {
            within.to_owned()
        } else {
            format!("1{within}")
        };
        let within = duration::parse(&whole)
            .ok()
            .filter(|lasts| (SHORTEST..=LONGEST).contains(lasts))
            .ok_or_else(|| refuse(format!("`{within}` is no such time")))?;
        Ok(Rate { events, within })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = humantime::format_duration(self.within).to_string().replace(' ', "");
        let unit = within.strip_prefix('1').filter(|unit| unit.chars().all(|c| c.is_ascii_alphabetic()));
        write!(f, "{}/{}", self.events, unit.unwrap_or(&within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written_as_they_are_meant() {
        for (text, events, millis, shown) in [
            ("100/s", 100, 1_000, "100/s"),
            ("5/m", 5, 60_000, "5/m"),
            (" 1 / 10s ", 1, 10_000, "1/10s"),
            ("7/1h", 7, 3_600_000, "7/h"),
            ("2/90s", 2, 90_000, "2/1m30s"),
            ("3/100ms", 3, 100, "3/100ms"),
            ("9/day", 9, 86_400_000, "9/day"),
        ] {
            let rate = Rate::parse(text).unwrap();
            assert_eq!((rate.events, rate.within), (events, Duration::from_millis(millis)), "{text}");
            assert_eq!(rate.to_string(), shown, "{text}");
            assert_eq!(Rate::parse(&rate.to_string()), Ok(rate), "{text}");
        }
    }

    #[test]
    fn what_is_none_says_what_is_allowed() {
        for text in [
            "",
            "100",
            "100/",
            "/s",
            "0/s",
            "-1/s",
            "1.5/s",
            "x/s",
            "1/0s",
            "1/x",
            "1/2d",
            "1/1us",
            "5000000000/s",
        ] {
            let error = Rate::parse(text).unwrap_err().to_string();
            assert!(error.contains("allowed: a number, a slash and a time"), "{text}: {error}");
        }
    }
}
