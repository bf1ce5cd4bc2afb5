//! Probes that go on without a session: those that are shown, and those that should not be there.

use std::collections::BTreeSet;

use super::{Check, Status};
use crate::kernel::{
    KernelError,
    pins::{self, PLACE, Pin},
    sessions::{self, Programs},
};

const NAME: &str = "pins";

/// What is pinned here, and what of it is not whole.
pub(super) fn check() -> Check {
    match found() {
        Ok(found) => judge(&found),
        Err(error) => Check {
            name: NAME,
            status: Status::Unknown,
            detail: error.to_string().lines().next().unwrap_or_default().to_owned(),
            remedy: String::new(),
        },
    }
}

/// What there is.
#[derive(Default)]
struct Found {
    whole: Vec<String>,
    /// Each with what is the matter.
    broken: Vec<(String, String)>,
    /// Empty directories.
    leftovers: usize,
    /// Programs of probes that no session holds and no pin shows.
    hidden: usize,
}

fn found() -> Result<Found, KernelError> {
    let all = pins::list()?;
    let pinned: BTreeSet<u32> = all.iter().flat_map(|pin| pin.programs.iter().copied()).collect();
    let mut others: Programs = sessions::programs()?;
    others.retain(|id, _| !pinned.contains(id));
    let held =
        |(id, settings): (&u32, &u32)| !sessions::keepers(&Programs::from([(*id, *settings)])).is_empty();
    let hidden = others.iter().filter(|program| !held(*program)).count();
    let mut found = Found { leftovers: pins::leftovers().len(), hidden, ..Found::default() };
    for Pin { name, manifest, missing, .. } in all {
        match manifest {
            Err(why) => found.broken.push((name, why)),
            Ok(_) if !missing.is_empty() => {
                found.broken.push((name, format!("somebody has removed {}", missing.join(", "))));
            }
            Ok(_) => found.whole.push(name),
        }
    }
    Ok(found)
}

fn judge(found: &Found) -> Check {
    let Found { whole, broken, leftovers, hidden } = found;
    let mut detail = match whole.is_empty() && broken.is_empty() {
        true => "nothing is pinned".to_owned(),
        false if whole.is_empty() => "none is whole".to_owned(),
        false => whole.join(", "),
    };
    let mut remedies = Vec::new();
    for (name, why) in broken {
        detail += &format!("; `{name}` is not whole: {why}");
        remedies.push(format!("krsi-sh pins remove {name}"));
    }
    if *leftovers > 0 {
        detail += &format!("; {leftovers} empty in {PLACE}, of a process that was killed");
        remedies.push("krsi-sh pins clean".to_owned());
    }
    if *hidden > 0 {
        detail += &format!("; {hidden} programs of probes that no session holds and no pin shows here");
        remedies.push("krsi-sh panic has them observe; a copy of the mount in another mount namespace keeps them (findmnt -N PID)".to_owned());
    }
    let status = if remedies.is_empty() { Status::Ok } else { Status::Warn };
    Check { name: NAME, status, detail, remedy: remedies.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_named_with_what_removes_it() {
        assert_eq!(judge(&Found::default()).status, Status::Ok);
        let whole = judge(&Found { whole: vec!["a".into(), "b".into()], ..Found::default() });
        assert_eq!((whole.status, &*whole.detail, &*whole.remedy), (Status::Ok, "a, b", ""));
        let broken =
            Found { broken: vec![("c".into(), "why".into())], leftovers: 2, hidden: 1, ..Found::default() };
        let broken = judge(&broken);
        assert_eq!(broken.status, Status::Warn);
        assert!(
            broken.detail.contains("`c` is not whole: why") && broken.detail.contains("2 empty"),
            "{broken:?}"
        );
        assert!(
            broken.remedy.contains("pins remove c") && broken.remedy.contains("pins clean"),
            "{broken:?}"
        );
    }
}
