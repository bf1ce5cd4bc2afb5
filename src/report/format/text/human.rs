//! Numbers as people read them: who a uid is, what an errno is called, how much so many bytes are.
//!
//! In: a number, and the field or the unit that says what it is. Out: a text, or nothing where the number says it all.
//! In text only: NDJSON has the numbers as they are. What names a thing ([`name`]) keeps the number that tells it from
//! others, so it may stand for a key; an amount ([`amount`]) is rounded, and may not.

use std::time::Duration;

use crate::{report::printable::printable, system::accounts::Account, values::Errno};

/// How the kernel says that a task has no login user and no audit session.
const UNSET: u32 = u32::MAX;

/// What a field's number stands for: `1000(alice)` as id(1) writes it, `EPERM`, `unset`.
pub(super) fn name(field: &str, number: u64) -> Option<String> {
    let id = u32::try_from(number).ok()?;
    let known = |name: Option<String>| Some(format!("{id}({})", printable(&name?)));
    match field {
        "loginuid" | "session" if id == UNSET => Some("unset".into()),
        "errno" => Errno::from_number(id.into()).ok().map(|errno| errno.to_string()),
        _ => known(Account::of_field(field)?.name(id)),
    }
}

/// An amount in its unit; `None` if people count in that unit themselves.
pub(super) fn amount(unit: Option<&str>, number: f64) -> Option<String> {
    match unit? {
        "bytes" => Some(size(number)),
        "ns" => Some(duration(Duration::from_secs_f64((number / 1e9).clamp(0.0, u64::MAX as f64 / 1e9)))),
        _ => None,
    }
}

/// `512 B`, `4.1 KiB`.
pub(super) fn size(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024.0 {
        // Only an average has a part of a byte.
        return if bytes.fract() == 0.0 { format!("{bytes:.0} B") } else { format!("{bytes:.1} B") };
    }
    let (mut number, mut unit) = (bytes / 1024.0, 0);
    // What would be rounded to 1024.0 is one of the next.
    while number >= 1023.95 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    format!("{number:.1} {}", UNITS[unit])
}

/// In the unit that has one to three digits before the point; from a minute on in minutes, hours, days.
#[must_use]
pub fn duration(time: Duration) -> String {
    match time.as_nanos() {
        ..1_000 => format!("{} ns", time.as_nanos()),
        1_000..1_000_000 => format!("{} µs", time.as_micros()),
        1_000_000..1_000_000_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        1_000_000_000..60_000_000_000 => format!("{:.1} s", time.as_secs_f64()),
        _ => humantime::format_duration(Duration::from_secs(time.as_secs())).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_thing_keeps_its_number() {
        // The one account that every machine has.
        for field in ["uid", "euid", "loginuid", "target_uid"] {
            assert_eq!(name(field, 0).as_deref(), Some("0(root)"), "{field}");
        }
        assert_eq!(name("gid", 0).as_deref(), Some("0(root)"));
        assert_eq!(name("errno", 13).as_deref(), Some("EACCES"));
        assert_eq!(name("session", u64::from(u32::MAX)).as_deref(), Some("unset"));
        let none =
            [("uid", u64::from(u32::MAX - 7)), ("uid", 1 << 32), ("errno", 0), ("pid", 0), ("liquid", 0)];
        for (field, number) in none {
            assert_eq!(name(field, number), None, "{field} {number}");
        }
    }

    #[test]
    fn a_size_has_one_to_four_digits_before_the_point() {
        let said = [0.0, 12.25, 1023.0, 1024.0, 4200.0, 1_048_570.0, 3.5 * 1_073_741_824.0, 1.8e19].map(size);
        assert_eq!(said, ["0 B", "12.2 B", "1023 B", "1.0 KiB", "4.1 KiB", "1.0 MiB", "3.5 GiB", "15.6 EiB"]);
    }

    #[test]
    fn a_duration_has_its_unit() {
        let said =
            [7, 12_000, 1_500_000, 2_500_000_000, 25_390_000_000_000].map(Duration::from_nanos).map(duration);
        assert_eq!(said, ["7 ns", "12 µs", "1.5 ms", "2.5 s", "7h 3m 10s"]);
    }

    #[test]
    fn only_what_has_such_a_unit_is_rounded() {
        assert_eq!(amount(Some("bytes"), 2048.0).as_deref(), Some("2.0 KiB"));
        assert_eq!(amount(Some("ns"), 1.5e9).as_deref(), Some("1.5 s"));
        assert_eq!(amount(Some("port"), 443.0), None);
        assert_eq!(amount(None, 443.0), None);
    }
}
