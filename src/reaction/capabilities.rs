//! What a process may do besides what its user may: its effective capabilities, capabilities(7).

use caps::Capability;

use super::process::this_one;

/// Names and numbers of all there are, by number.
#[must_use]
pub fn capabilities() -> Vec<(String, u8)> {
    let mut all: Vec<_> = caps::all().into_iter().map(|each| (each.to_string(), each.index())).collect();
    all.sort_unstable_by_key(|(_, number)| *number);
    all
}

/// The number of a capability by its name (`CAP_SYS_ADMIN`), which may lack the `CAP_`, in any case.
#[must_use]
pub fn capability(name: &str) -> Option<(String, u8)> {
    let name = name.to_ascii_uppercase();
    let whole = if name.starts_with("CAP_") { name } else { format!("CAP_{name}") };
    let found: Capability = whole.parse().ok()?;
    Some((found.to_string(), found.index()))
}

/// The effective set of a process, a bit each; `None` if it has gone. For the start time see [`this_one`].
#[must_use]
pub fn effective(pid: i32, start_ns: Option<u64>) -> Option<u64> {
    // It may have gone in between, and then it is as good as gone before.
    this_one(pid, start_ns)?.status().ok().map(|status| status.capeff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kernel() {
        assert_eq!(capability("CAP_CHOWN"), Some(("CAP_CHOWN".into(), 0)));
        assert_eq!(capability("sys_admin"), Some(("CAP_SYS_ADMIN".into(), 21)));
        assert_eq!(capability("CAP_CHECKPOINT_RESTORE").unwrap().1, 40);
        assert_eq!(capability("CAP_FLY"), None);
        assert!(capabilities().iter().enumerate().all(|(at, (_, number))| at == usize::from(*number)));
    }

    #[test]
    fn the_set_is_the_one_of_that_process() {
        let own = std::process::id().cast_signed();
        let expected = caps::read(None, caps::CapSet::Effective).unwrap();
        let expected = expected.iter().fold(0, |all, each| all | each.bitmask());
        assert_eq!(effective(own, None), Some(expected));
        assert_eq!(effective(own, Some(1)), None);
        assert_eq!(effective(i32::MAX, None), None);
    }
}
