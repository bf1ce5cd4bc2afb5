//! Lists the committed template objects, so that adding a template touches no
//! Rust file. No compiler for eBPF is needed here: `make templates` builds the
//! objects, and they are committed.

use std::{env, fmt::Write as _, fs, io, path::Path};

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

    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let mut code =
        String::from("/// The templates' objects, by file stem.\nconst OBJECTS: &[(&str, &[u8])] = &[\n");
    // An object whose name begins with an underscore is the kernel side's own, and no template.
    for stem in stems.iter().filter(|stem| !stem.starts_with('_')) {
        let path = format!("{root}/ebpf-templates/objects/{stem}.bpf.o");
        println!("cargo::rerun-if-changed={path}");
        let _ = writeln!(code, "    ({stem:?}, include_bytes!({path:?})),");
    }
    code.push_str("];\n");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("objects.rs"), code)
}
