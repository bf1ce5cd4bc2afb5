//! Ports and ranges of them, as a script writes them: `443`, `8000..9000` (which ends with 8999, as in
//! Rhai), `8000..=9000`, `1024..`. A range of Rhai's arrives as that text.
//!
//! The kernel's table knows prefixes and no ranges, so each range is cut into the few that it is made of.

use serde_json::Value;

/// Neither empty nor beyond the last port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    first: u16,
    last: u16,
}

/// Why a value is not a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    #[error(
        "`{given}` is not a port; allowed: 0 to 65535, and ranges: 8000..9000 (which ends with 8999), 8000..=9000, 1024.."
    )]
    NoPort { given: String },
    #[error(
        "`{given}` has no port in it: a range goes from its first port upwards, and its end is 65536 at most"
    )]
    Empty { given: String },
}

impl std::fmt::Display for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}..={}", self.first, self.last) }
    }
}

impl Ports {
    /// A number, or a text with a number or a range. `None`: neither.
    pub fn read(value: &Value) -> Option<Result<Self, PortError>> {
        match value {
            Value::Number(number) => Some(Self::parse(&number.to_string())),
            Value::String(text) => Some(Self::parse(text)),
            _ => None,
        }
    }

    fn parse(given: &str) -> Result<Self, PortError> {
        const LAST: u32 = u16::MAX as u32;
        let no_port = || PortError::NoPort { given: given.to_owned() };
        // One more than the last port is an end that is not included.
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|n| *n <= LAST + 1);
        let (first, end) = match given.split_once("..") {
            None => {
                let port = number(given).ok_or_else(no_port)?;
                (port, port + 1)
            }
            Some((first, end)) => {
                let first = if first.is_empty() { Some(0) } else { number(first) };
                let end = match end.strip_prefix('=') {
                    Some(last) => number(last).map(|last| last + 1),
                    None if end.is_empty() => Some(LAST + 1),
                    None => number(end),
                };
                (first.ok_or_else(no_port)?, end.ok_or_else(no_port)?)
            }
        };
        if end > LAST + 1 {
            return Err(no_port());
        }
        let last = end.checked_sub(1).filter(|last| *last >= first);
        let port = |number: u32| u16::try_from(number).map_err(|_| no_port());
        let last = last.ok_or_else(|| PortError::Empty { given: given.to_owned() })?;
        Ok(Ports { first: port(first)?, last: port(last)? })
    }

    /// The prefixes that it is made of: a port, and how many of its 16 bits count.
    #[must_use]
    pub fn prefixes(&self) -> Vec<(u16, u8)> {
        let mut prefixes = Vec::new();
        let (mut at, last) = (u32::from(self.first), u32::from(self.last));
        while at <= last {
            let aligned = at.trailing_zeros().min(16);
            let left = (last - at + 1).ilog2();
            let free = aligned.min(left);
            // Both fit: `at` is a port, and `free` is at most 16.
            prefixes.push((at as u16, 16 - free as u8));
            at += 1 << free;
        }
        prefixes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<(u16, u16), PortError> {
        Ports::parse(text).map(|p| (p.first, p.last))
    }

    #[test]
    fn ranges_are_those_of_rhai() {
        assert_eq!(parse("443"), Ok((443, 443)));
        assert_eq!(parse("8000..9000"), Ok((8000, 8999)));
        assert_eq!(parse("8000..=9000"), Ok((8000, 9000)));
        assert_eq!(parse("1024.."), Ok((1024, 65535)));
        assert_eq!(parse("0..65536"), Ok((0, 65535)));
        assert_eq!(parse("..=79"), Ok((0, 79)));
        assert_eq!(parse("65535"), Ok((65535, 65535)));
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for bad in ["65536", "-1", "http", "", "1..65537", "1..=65536", "1.5", "8000-9000"] {
            assert!(matches!(parse(bad), Err(PortError::NoPort { .. })), "{bad}: {:?}", parse(bad));
        }
        for bad in ["9..8", "8..8", "0..0", "65536.."] {
            assert!(matches!(parse(bad), Err(PortError::Empty { .. })), "{bad}: {:?}", parse(bad));
        }
        assert_eq!(Ports::read(&json!(true)), None);
        assert!(matches!(Ports::read(&json!(-1)), Some(Err(_))));
    }

    #[test]
    fn prefixes_cover_a_range_and_nothing_else() {
        for range in ["443", "0..65536", "1..65535", "8000..9000", "8000..=9000", "1..=2", "65535"] {
            let ports = Ports::parse(range).unwrap();
            let prefixes = ports.prefixes();
            assert!(prefixes.len() <= 30, "{range}: {}", prefixes.len());
            for port in 0..=u16::MAX {
                let inside = |(start, bits): &(u16, u8)| {
                    u32::from(port) >> (16 - u32::from(*bits)) == u32::from(*start) >> (16 - u32::from(*bits))
                };
                let covered = prefixes.iter().filter(|p| inside(p)).count();
                let expected = usize::from((ports.first..=ports.last).contains(&port));
                assert_eq!(covered, expected, "{range}: {port}");
            }
        }
    }
}
