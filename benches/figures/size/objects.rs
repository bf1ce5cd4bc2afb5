//! The objects that the binary carries: each as it is committed.

use std::{fs, io, path::Path};

use crate::figure::{Figure, Outcome};

const GOAL_MIB: f64 = 1.0;

pub fn figure() -> Figure {
    let (name, goal) = ("objects in the binary", format!("< {GOAL_MIB} MiB"));
    match sizes() {
        Ok(sizes) => {
            let mib = sizes.iter().sum::<u64>() as f64 / f64::from(1 << 20);
            let measured = format!("{mib:.2} MiB in {} objects", sizes.len());
            let method = "sizes of ebpf-templates/objects/*.bpf.o, which are embedded as they are";
            Figure::new(name, &goal, measured, Outcome::of(mib < GOAL_MIB), method)
        }
        Err(error) => Figure::failed(name, &goal, &error.to_string()),
    }
}

fn sizes() -> io::Result<Vec<u64>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("ebpf-templates/objects");
    let mut sizes = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".bpf.o") {
            sizes.push(entry.metadata()?.len());
        }
    }
    Ok(sizes)
}
