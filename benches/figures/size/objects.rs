//! The objects that the binary carries, in one compressed archive.

use krsi_sh::template::{Catalogue, archive_size};

use crate::figure::{Figure, Outcome};

/// For forty templates, of which the first ones bring most of what all have in common.
const GOAL_MIB: f64 = 1.0;

pub fn figure() -> Figure {
    let (name, goal) = ("objects in the binary", format!("< {GOAL_MIB} MiB"));
    match Catalogue::builtin() {
        Ok(catalogue) => {
            let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
            let (archive, whole) = (archive_size(), catalogue.iter().map(|t| t.object().len()).sum());
            let measured = format!(
                "{:.2} MiB for {} templates; {:.2} MiB opened",
                mib(archive),
                catalogue.iter().count(),
                mib(whole)
            );
            let method = "size of the archive that build.rs makes of ebpf-templates/objects/";
            Figure::new(name, &goal, measured, Outcome::of(mib(archive) < GOAL_MIB), method)
        }
        Err(error) => Figure::failed(name, &goal, &error.to_string()),
    }
}
