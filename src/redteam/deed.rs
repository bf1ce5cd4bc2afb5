//! What is attempted: one operation that a rule may refuse.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{
    attempt::FAMILY_NAMES,
    raw,
    values::{nearest, not_in_a_path},
};

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    Read,
    Write,
    Both,
}

impl Access {
    const ALL: [(&str, Access); 3] = [("r", Access::Read), ("w", Access::Write), ("rw", Access::Both)];

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, access)| access)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::ALL.iter().find(|(_, access)| access == self).map_or("r", |(word, _)| word);
        f.write_str(word)
    }
}

/// An operation. Paths are in the form of [`raw`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    Open { path: String, access: Access },
    Exec { path: String },
    Connect { address: IpAddr, port: u16 },
    Socket { family: String },
}

/// What a deed is about; ways belong to one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Open,
    Exec,
    Connect,
    Socket,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Open, Kind::Exec, Kind::Connect, Kind::Socket];

    /// Returns the first word of such a deed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Open => "open",
            Kind::Exec => "exec",
            Kind::Connect => "connect",
            Kind::Socket => "socket",
        }
    }

    /// Returns the template whose rules refuse such deeds.
    #[must_use]
    pub fn template(self) -> &'static str {
        match self {
            Kind::Open => "file_open",
            Kind::Exec => "exec",
            Kind::Connect => "connect",
            Kind::Socket => "socket",
        }
    }

    /// Returns the kind of deeds that rules of this template refuse, if there are ways round such.
    #[must_use]
    pub fn of_template(template: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.template() == template)
    }
}

/// What a text lacks to be a deed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeedError {
    #[error("`{given}` begins with no kind of deed{}; allowed: {FORMS}", .nearest.as_ref().map_or_else(String::new, |near| format!(" (did you mean `{near}`?)")))]
    Kind { given: String, nearest: Option<String> },
    #[error("`{given}`: {why}; allowed: {FORMS}")]
    Words { given: String, why: String },
}

const FORMS: &str = "open PATH [r|w|rw], exec PATH, connect ADDRESS PORT, socket FAMILY";

impl Deed {
    /// Reads one as it is written: `open /etc/shadow`, `open /etc/passwd w`, `exec /tmp/x`, `connect 127.0.0.1 80`, `socket alg`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, DeedError> {
        let text = text.trim();
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim();
        let refused = |why: String| DeedError::Words { given: text.to_owned(), why };
        match kind {
            "open" => {
                let (path, access) = match rest.rsplit_once(' ') {
                    Some((path, word)) => match Access::from_word(word) {
                        Some(access) => (path.trim_end(), access),
                        None => (rest, Access::Read),
                    },
                    None => (rest, Access::Read),
                };
                Ok(Deed::Open { path: path_of(path).map_err(refused)?, access })
            }
            "exec" => Ok(Deed::Exec { path: path_of(rest).map_err(refused)? }),
            "connect" => {
                let (address, port) =
                    rest.split_once(' ').ok_or_else(|| refused("it needs an address and a port".into()))?;
                let address = address
                    .parse()
                    .map_err(|_| refused(format!("`{address}` is no IP address, such as 127.0.0.1")))?;
                let port = port.trim();
                let port = port
                    .parse()
                    .map_err(|_| refused(format!("`{port}` is no port: a number from 0 to 65535")))?;
                Ok(Deed::Connect { address, port })
            }
            "socket" if FAMILY_NAMES.contains(&rest) => Ok(Deed::Socket { family: rest.to_owned() }),
            "socket" => {
                let near = nearest(rest, FAMILY_NAMES.iter().copied());
                let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
                Err(refused(format!("`{rest}` is none of {}{near}", FAMILY_NAMES.join(", "))))
            }
            other => {
                let near = nearest(other, Kind::ALL.map(Kind::name)).map(str::to_owned);
                Err(DeedError::Kind { given: text.to_owned(), nearest: near })
            }
        }
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Deed::Open { .. } => Kind::Open,
            Deed::Exec { .. } => Kind::Exec,
            Deed::Connect { .. } => Kind::Connect,
            Deed::Socket { .. } => Kind::Socket,
        }
    }

    /// Returns the file that it is about.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Deed::Open { path, .. } | Deed::Exec { path } => Some(path),
            Deed::Connect { .. } | Deed::Socket { .. } => None,
        }
    }

    /// Returns the same with a file of another name.
    #[must_use]
    pub fn at(&self, other: &str) -> Deed {
        let path = other.to_owned();
        match self {
            Deed::Open { access, .. } => Deed::Open { path, access: *access },
            Deed::Exec { .. } => Deed::Exec { path },
            other => other.clone(),
        }
    }
}

fn path_of(text: &str) -> Result<String, String> {
    let path = raw::from_os(text);
    match not_in_a_path(&path) {
        _ if !path.starts_with('/') => Err(format!("`{text}` is not an absolute path")),
        Some(part) => Err(format!("write the path without `{part}`")),
        None => Ok(path),
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deed::Open { path, access: Access::Read } => write!(f, "open {path}"),
            Deed::Open { path, access } => write!(f, "open {path} {access}"),
            Deed::Exec { path } => write!(f, "exec {path}"),
            Deed::Connect { address, port } => write!(f, "connect {address} {port}"),
            Deed::Socket { family } => write!(f, "socket {family}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "open /etc/shadow",
            "open /etc/pass wd rw",
            "open /etc/motd w",
            "exec /tmp/x",
            "connect 127.0.0.1 80",
            "connect ::1 443",
            "socket alg",
        ] {
            assert_eq!(Deed::parse(text).map(|deed| deed.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Deed::parse("open /a r").map(|deed| deed.to_string()), Ok("open /a".to_owned()));
    }

    #[test]
    fn what_is_none_is_told_what_would_be() {
        let refused = |text: &str| Deed::parse(text).map(|deed| deed.to_string()).unwrap_err().to_string();
        assert!(refused("opne /a").contains("did you mean `open`?"));
        assert!(refused("open a").contains("not an absolute path"));
        assert!(refused("exec /a/../b").contains("without `/../`"));
        assert!(refused("connect 127.0.0.1").contains("an address and a port"));
        assert!(refused("connect here 80").contains("`here` is no IP address"));
        assert!(refused("connect ::1 99999").contains("from 0 to 65535"));
        assert!(refused("socket agl").contains("did you mean `alg`?"));
        assert!(refused("").contains("allowed: open PATH"));
    }
}
