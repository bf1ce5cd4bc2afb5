//! Which tasks a probe applies to; decided first, in the kernel.

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::Value;

use super::param::{describe, strings};
use crate::suggest::nearest;

/// Kinds are joined by *and*, the members of one kind by *or*. Empty: every task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Cgroup v2 folders; each stands for its whole subtree.
    pub cgroups: BTreeSet<PathBuf>,
    /// Real user ids, in the initial user namespace.
    pub uids: BTreeSet<u32>,
    /// Process ids; each stands for itself and all its descendants, those that
    /// exist at the attach and those to come, even after their parent is gone.
    pub pids: BTreeSet<u32>,
}

/// What `.scope(#{…})` refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    #[error("scope has no `{given}`{}; allowed: cgroup, uid, pid", nearest.as_ref().map_or_else(String::new, |n| format!(" (did you mean `{n}`?)")))]
    UnknownKey { given: String, nearest: Option<String> },
    #[error(
        "scope `{key}` must not be empty: an empty set would match no task; leave `{key}` out to match every task"
    )]
    Empty { key: &'static str },
    #[error("scope `{key}` takes {allowed}, not {given}")]
    Type { key: &'static str, allowed: &'static str, given: String },
    #[error(
        "scope cgroup `{0}` must be an absolute path of a cgroup v2 folder, such as /sys/fs/cgroup/system.slice"
    )]
    Relative(String),
}

impl Scope {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Scope::default()
    }

    /// Reads `#{cgroup: …, uid: …, pid: …}`; each value is one or an array.
    ///
    /// # Errors
    /// Unknown key, wrong type, empty set: each with what is allowed.
    pub fn parse(entries: &serde_json::Map<String, Value>) -> Result<Self, ScopeError> {
        let mut scope = Scope::default();
        for (key, value) in entries {
            match key.as_str() {
                "cgroup" => scope.cgroups = cgroups(value)?,
                "uid" => {
                    scope.uids = numbers("uid", "a user id or an array of them (0 to 4294967295)", value)?
                }
                "pid" => scope.pids = numbers("pid", "a process id or an array of them", value)?,
                other => {
                    return Err(ScopeError::UnknownKey {
                        given: other.to_owned(),
                        nearest: nearest(other, ["cgroup", "uid", "pid"]).map(str::to_owned),
                    });
                }
            }
        }
        Ok(scope)
    }
}

fn cgroups(value: &Value) -> Result<BTreeSet<PathBuf>, ScopeError> {
    let allowed = "a path or an array of paths";
    let texts = strings(value).ok_or(ScopeError::Type { key: "cgroup", allowed, given: describe(value) })?;
    if texts.is_empty() {
        return Err(ScopeError::Empty { key: "cgroup" });
    }
    if let Some(bad) = texts.iter().find(|t| !t.starts_with('/')) {
        return Err(ScopeError::Relative(bad.clone()));
    }
    Ok(texts.into_iter().map(PathBuf::from).collect())
}

fn numbers(key: &'static str, allowed: &'static str, value: &Value) -> Result<BTreeSet<u32>, ScopeError> {
    let refuse = |v: &Value| ScopeError::Type { key, allowed, given: describe(v) };
    let one = |v: &Value| v.as_i64().and_then(|n| u32::try_from(n).ok()).ok_or_else(|| refuse(v));
    let set = match value {
        Value::Array(items) => items.iter().map(one).collect::<Result<BTreeSet<_>, _>>()?,
        single => BTreeSet::from([one(single)?]),
    };
    if set.is_empty() {
        return Err(ScopeError::Empty { key });
    }
    Ok(set)
}

/// `uid 1000, 1001; cgroup /sys/fs/cgroup/web.slice`
impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |words: Vec<String>| words.join(", ");
        let kinds = [
            ("cgroup", list(self.cgroups.iter().map(|c| c.display().to_string()).collect())),
            ("uid", list(self.uids.iter().map(u32::to_string).collect())),
            ("pid", list(self.pids.iter().map(u32::to_string).collect())),
        ];
        let said: Vec<_> = kinds
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(kind, list)| format!("{kind} {list}"))
            .collect();
        f.write_str(&said.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<Scope, ScopeError> {
        Scope::parse(value.as_object().unwrap())
    }

    #[test]
    fn one_value_and_an_array_are_both_taken() {
        let scope = parse(json!({"uid": 1000, "pid": [7, 8], "cgroup": "/sys/fs/cgroup/a"})).unwrap();
        assert_eq!(scope.uids, BTreeSet::from([1000]));
        assert_eq!(scope.pids, BTreeSet::from([7, 8]));
        assert_eq!(scope.cgroups, BTreeSet::from([PathBuf::from("/sys/fs/cgroup/a")]));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(matches!(parse(json!({"uid": []})), Err(ScopeError::Empty { key: "uid" })));
        assert!(matches!(parse(json!({"uid": -1})), Err(ScopeError::Type { key: "uid", .. })));
        assert!(matches!(parse(json!({"cgroup": "web.slice"})), Err(ScopeError::Relative(_))));
        let error = parse(json!({"cgruop": "/x"})).unwrap_err().to_string();
        assert!(error.contains("did you mean `cgroup`?"), "{error}");
    }
}
