//! Puts the committed template objects into one compressed archive, so that adding a template touches no
//! Rust file, and that what all of them have in common is in the binary once. No compiler for eBPF is needed here: `make
//! templates` builds the objects, and they are committed.

use std::{env, fmt::Write as _, fs, io, io::Write as _, path::Path};

/// What is alike in two objects is far apart: further than the usual window.
const WINDOW_LOG: u32 = 26;
const LEVEL: i32 = 19;

fn main() -> io::Result<()> {
    let directory = Path::new("ebpf-templates/objects");
    println!("cargo::rerun-if-changed={}", directory.display());

    let mut stems = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".bpf.o") {
            stems.push(stem.to_owned());
        }
    }
    stems.sort();

    let mut places = String::from(
        "/// Where in the opened archive each object lies, by file stem.\nconst PLACES: &[(&str, std::ops::Range<usize>)] = &[\n",
    );
    let mut whole = Vec::new();
    // An object whose name begins with an underscore is the kernel side's own, and no template.
    for stem in stems.iter().filter(|stem| !stem.starts_with('_')) {
        let path = directory.join(format!("{stem}.bpf.o"));
        println!("cargo::rerun-if-changed={}", path.display());
        let start = whole.len();
        whole.extend(fs::read(&path)?);
        let _ = writeln!(places, "    ({stem:?}, {start}..{}),", whole.len());
    }
    places.push_str("];\n");

    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.long_distance_matching(true)?;
    encoder.write_all(&whole)?;
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("objects.zst"), encoder.finish()?)?;
    fs::write(Path::new(&out).join("objects.rs"), places)
}
