//! What was done, in the words of a profile.
//!
//! In: an event. Out: the list of a profile that it belongs to, and what stands there.

use std::net::IpAddr;

use crate::{
    event::{Event, Value},
    raw,
    values::nearest,
};

/// Templates of which a profile can have rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Exec,
    FileOpen,
    Create,
    Unlink,
    Connect,
    Sendto,
    Bind,
}

/// A template of which no profile has rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is nothing that can be learned{}; allowed, with commas: {}",
    .near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)")),
    Kind::ALL.map(Kind::template).join(", ")
)]
pub struct KindError {
    given: String,
    near: Option<&'static str>,
}

impl Kind {
    pub const ALL: [Kind; 7] =
        [Kind::Exec, Kind::FileOpen, Kind::Create, Kind::Unlink, Kind::Connect, Kind::Sendto, Kind::Bind];
    /// What is learned if nothing is said.
    pub const USUAL: [Kind; 3] = [Kind::Exec, Kind::FileOpen, Kind::Connect];

    /// Returns the template's name.
    #[must_use]
    pub fn template(self) -> &'static str {
        match self {
            Kind::Exec => "exec",
            Kind::FileOpen => "file_open",
            Kind::Create => "create",
            Kind::Unlink => "unlink",
            Kind::Connect => "connect",
            Kind::Sendto => "sendto",
            Kind::Bind => "bind",
        }
    }

    /// Returns the fields of its events that are looked at.
    #[must_use]
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Kind::Exec | Kind::Create | Kind::Unlink => &["pid", "ppid", "exe", "path"],
            Kind::FileOpen => &["pid", "ppid", "exe", "path", "access"],
            Kind::Connect | Kind::Sendto | Kind::Bind => {
                &["pid", "ppid", "exe", "path", "family", "address", "port"]
            }
        }
    }

    /// Whether it is about sockets.
    #[must_use]
    pub fn is_of_network(self) -> bool {
        matches!(self, Kind::Connect | Kind::Sendto | Kind::Bind)
    }

    fn of(template: &str) -> Option<Self> {
        Kind::ALL.into_iter().find(|kind| kind.template() == template)
    }

    /// Reads names of templates between commas: each once, in the order of [`ALL`](Self::ALL).
    ///
    /// # Errors
    /// If one is none of these.
    pub fn list(text: &str) -> Result<Vec<Self>, KindError> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let read = |name: &str| {
            Kind::of(name).ok_or_else(|| KindError {
                given: name.to_owned(),
                near: nearest(name, Kind::ALL.iter().map(|kind| kind.template())),
            })
        };
        let mut kinds = names.map(read).collect::<Result<Vec<_>, _>>()?;
        kinds.sort();
        kinds.dedup();
        Ok(kinds)
    }
}

/// A list of names in a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    Programs,
    Read,
    Written,
    Made,
    Removed,
    /// Names of unix sockets.
    Sockets(Kind),
}

impl List {
    /// Returns what its variable is called in a profile.
    pub fn variable(self) -> String {
        match self {
            List::Programs => "programs".to_owned(),
            List::Read => "read".to_owned(),
            List::Written => "written".to_owned(),
            List::Made => "made".to_owned(),
            List::Removed => "removed".to_owned(),
            List::Sockets(kind) => format!("{}_sockets", kind.template()),
        }
    }

    /// Returns the lists that a template has.
    pub fn of(kind: Kind) -> &'static [List] {
        match kind {
            Kind::Exec => &[List::Programs],
            Kind::FileOpen => &[List::Read, List::Written],
            Kind::Create => &[List::Made],
            Kind::Unlink => &[List::Removed],
            Kind::Connect => &[List::Sockets(Kind::Connect)],
            Kind::Sendto => &[List::Sockets(Kind::Sendto)],
            Kind::Bind => &[List::Sockets(Kind::Bind)],
        }
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// In the form of [`crate::raw`].
    Named {
        list: List,
        path: String,
    },
    Address {
        kind: Kind,
        address: IpAddr,
        port: u16,
    },
    /// Of another address family: its name.
    Family {
        kind: Kind,
        family: String,
    },
}

/// Why nothing can be learned from an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlearned {
    /// It is of another template.
    Stranger,
    /// What it is about could not be read, or is longer than the kernel tells.
    Unread,
}

/// What an open asks for if it is more than to read.
const WRITES: [&str; 4] = ["write", "append", "create", "truncate"];

impl Deed {
    /// Returns what an event has done.
    pub fn of(event: &Event) -> Result<Self, Unlearned> {
        let kind = Kind::of(&event.template().name).ok_or(Unlearned::Stranger)?;
        if kind.is_of_network() {
            return of_socket(event, kind);
        }
        let list = match kind {
            Kind::Exec => List::Programs,
            Kind::Create => List::Made,
            Kind::Unlink => List::Removed,
            _ => match event.get("access") {
                Some(Value::Flags(bits)) if bits.iter().any(|bit| WRITES.contains(&bit.as_str())) => {
                    List::Written
                }
                Some(Value::Flags(_)) => List::Read,
                _ => return Err(Unlearned::Unread),
            },
        };
        Ok(Deed::Named { list, path: name(event)? })
    }

    /// Returns the template that it is of.
    pub fn kind(&self) -> Kind {
        match self {
            Deed::Named { list, .. } => match list {
                List::Programs => Kind::Exec,
                List::Read | List::Written => Kind::FileOpen,
                List::Made => Kind::Create,
                List::Removed => Kind::Unlink,
                List::Sockets(kind) => *kind,
            },
            Deed::Address { kind, .. } | Deed::Family { kind, .. } => *kind,
        }
    }
}

fn name(event: &Event) -> Result<String, Unlearned> {
    let Some(Value::Text(bytes)) = event.get("path") else { return Err(Unlearned::Unread) };
    if event.unreadable("path") || event.may_go_on("path") {
        return Err(Unlearned::Unread);
    }
    Ok(raw::text(&bytes))
}

fn of_socket(event: &Event, kind: Kind) -> Result<Deed, Unlearned> {
    let family = match event.get("family") {
        Some(Value::Name(family)) => family,
        _ => return Err(Unlearned::Unread),
    };
    match family.as_str() {
        "inet" | "inet6" => match (event.get("address"), u16::try_from(event.number("port"))) {
            (Some(Value::Address(Some(address))), Ok(port)) => Ok(Deed::Address { kind, address, port }),
            _ => Err(Unlearned::Unread),
        },
        "unix" => Ok(Deed::Named { list: List::Sockets(kind), path: name(event)? }),
        _ => Ok(Deed::Family { kind, family }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_learned_is_named_once_and_a_slip_is_said() {
        assert_eq!(Kind::list("connect, exec,exec"), Ok(vec![Kind::Exec, Kind::Connect]));
        assert_eq!(Kind::list(""), Ok(vec![]));
        let refused = Kind::list("exec,file_opn").unwrap_err().to_string();
        assert!(refused.contains("did you mean `file_open`?") && refused.contains("sendto"), "{refused}");
    }

    #[test]
    fn every_template_has_the_fields_that_are_looked_at() {
        let catalogue = crate::template::Catalogue::builtin().unwrap();
        for kind in Kind::ALL {
            let template = catalogue.get(kind.template()).unwrap();
            for field in kind.fields() {
                assert!(template.field(field).is_some(), "{} has no {field}", kind.template());
            }
        }
    }
}
