//! Namespaces that processes are in.

use std::collections::BTreeMap;

use super::{
    FactError, Reader,
    processes::{self, KINDS, Stat},
    record::record,
};

record! {
    /// One namespace.
    Namespace {
        /// `cgroup`, `ipc`, `mnt`, `net`, `pid`, `time`, `user` or `uts`.
        kind: String,
        /// Its number.
        id: u64,
        /// Processes that are in it.
        pids: Vec<u32>,
        /// Name of the first of these.
        name: String,
        /// Process 1 is in it.
        initial: bool,
    }
}

/// # Errors
/// If there is no /proc.
pub fn namespaces(reader: Reader<'_>) -> Result<Vec<Namespace>, FactError> {
    let mut found: BTreeMap<(&str, u64), Vec<u32>> = BTreeMap::new();
    for pid in processes::pids(reader)? {
        reader.check()?;
        for kind in KINDS {
            if let Some(id) = processes::namespace(reader, pid, kind) {
                found.entry((kind, id)).or_default().push(pid);
            }
        }
    }
    let name = |pid: u32| {
        let stat = reader.root().bytes(format!("/proc/{pid}/stat")).ok()?;
        Some(Stat::parse(&stat)?.name)
    };
    let namespace = |((kind, id), pids): ((&str, u64), Vec<u32>)| Namespace {
        kind: kind.to_owned(),
        id,
        name: pids.first().and_then(|pid| name(*pid)).unwrap_or_default(),
        initial: pids.first() == Some(&1),
        pids,
    };
    Ok(found.into_iter().map(namespace).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Facts,
        testing::{reader, told},
    };

    #[test]
    fn they_are_those_that_lsns_lists() {
        let Some(text) = told("lsns", &["--json", "--output", "NS,TYPE"]) else { return };
        let said: serde_json::Value = serde_json::from_str(&text).unwrap();
        let facts = Facts::default();
        let found = namespaces(reader(&facts)).unwrap();
        for one in said["namespaces"].as_array().unwrap() {
            let (id, kind) = (&one["ns"], one["type"].as_str().unwrap());
            let id = id.as_u64().unwrap_or_else(|| id.as_str().unwrap().parse().unwrap());
            // What only a mount keeps is not a process's.
            let held = found.iter().any(|n| n.kind == kind && n.id == id);
            assert!(held, "{kind} {id}");
        }
        assert!(found.iter().any(|n| n.kind == "net" && n.pids.contains(&std::process::id())));
    }
}
