//! Puts the committed template objects into one compressed archive, so that adding a template touches no
//! Rust file, and that what all of them have in common is in the binary once. No compiler for eBPF is needed here: `make
//! templates` builds the objects, and they are committed.

#[path = "src/template/hash.rs"]
mod hash;

use std::{env, fmt::Write as _, fs, io, io::Write as _, path::Path};

/// What is alike in two objects is far apart: further than the usual window.
const WINDOW_LOG: u32 = 26;
const LEVEL: i32 = 19;

fn main() -> io::Result<()> {
    let directory = Path::new("ebpf-templates/objects");
    println!("cargo::rerun-if-changed={}", directory.display());
    println!("cargo::rerun-if-changed=src/template/hash.rs");

    let mut stems = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // An object whose name begins with an underscore is the kernel side's own, and no template.
        if let Some(stem) = name.strip_suffix(".bpf.o").filter(|stem| !stem.starts_with('_')) {
            stems.push(stem.to_owned());
        }
    }
    stems.sort();

    let mut places = String::from(
        "/// Where in the opened archive each object lies, by file stem.\npub const PLACES: &[(&str, std::ops::Range<usize>)] = &[\n",
    );
    let index = fs::read_to_string(directory.join("index.ndjson")).unwrap_or_default();
    println!("cargo::rerun-if-changed={}", directory.join("index.ndjson").display());
    let mut whole = Vec::new();
    let mut indexed = 0;
    for stem in &stems {
        let path = directory.join(format!("{stem}.bpf.o"));
        println!("cargo::rerun-if-changed={}", path.display());
        let start = whole.len();
        let object = fs::read(&path)?;
        indexed +=
            usize::from(index.contains(&format!("{{\"stem\":{stem:?},\"hash\":{},", hash::hash(&object))));
        whole.extend(object);
        let _ = writeln!(places, "    ({stem:?}, {start}..{}),", whole.len());
    }
    places.push_str("];\n");

    let is_fresh = indexed == stems.len() && index.lines().count() == stems.len();
    if !is_fresh {
        println!(
            "cargo::warning=the index of the templates is stale, so that each start reads all objects; renew it: \
             KRSI_BLESS=1 cargo test --release --test templates -- index"
        );
    }
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    let out = Path::new(&out);
    fs::write(out.join("index.zst"), compressed(if is_fresh { index.as_bytes() } else { b"" })?)?;
    fs::write(out.join("objects.zst"), compressed(&whole)?)?;
    fs::write(out.join("objects.rs"), places)
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.long_distance_matching(true)?;
    encoder.write_all(bytes)?;
    encoder.finish()
}
