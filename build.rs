//! Compresses the committed template objects, so that adding a template touches no Rust file. Most of each is the same engine: one
//! object is compressed by itself, and every other one as what is different in it, so any can be opened without the rest. No
//! compiler for eBPF is needed here: `make templates` builds the objects, and they are committed.

#[path = "src/template/hash.rs"]
mod hash;

use std::{env, fmt::Write as _, fs, io, io::Write as _, path::Path};

/// The object that the others are compressed against. The archive is smallest with this one.
const REFERENCE: &str = "connect";
/// An object and the reference are in view at once.
const WINDOW_LOG: u32 = 21;
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

    let index = fs::read_to_string(directory.join("index.ndjson")).unwrap_or_default();
    println!("cargo::rerun-if-changed={}", directory.join("index.ndjson").display());
    let mut objects = Vec::new();
    let mut indexed = 0;
    for stem in stems {
        let path = directory.join(format!("{stem}.bpf.o"));
        println!("cargo::rerun-if-changed={}", path.display());
        let object = fs::read(&path)?;
        indexed +=
            usize::from(index.contains(&format!("{{\"stem\":{stem:?},\"hash\":{},", hash::hash(&object))));
        objects.push((stem, object));
    }
    let (archive, places) = archive(&objects)?;

    let is_fresh = indexed == objects.len() && index.lines().count() == objects.len();
    if !is_fresh {
        println!(
            "cargo::warning=the index of the templates is stale, so that each start reads all objects; renew it: \
             KRSI_BLESS=1 cargo test --release --test templates -- index"
        );
    }
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    let out = Path::new(&out);
    let index = if is_fresh { index.as_bytes() } else { b"" };
    fs::write(out.join("index.zst"), compressed(index, None)?)?;
    fs::write(out.join("objects.zst"), archive)?;
    fs::write(out.join("objects.rs"), places)
}

/// Compresses each object; returns all of them one after the other, and the Rust source that tells where each is.
fn archive(objects: &[(String, Vec<u8>)]) -> io::Result<(Vec<u8>, String)> {
    let reference = objects.iter().position(|(stem, _)| stem == REFERENCE);
    let reference = reference.ok_or_else(|| io::Error::other(format!("there is no object `{REFERENCE}`")))?;
    let prefix = objects.get(reference).map(|(_, object)| object.as_slice());
    let mut archive = Vec::new();
    let mut places = format!(
        "/// The object that the others are compressed against.\nconst REFERENCE: usize = {reference};\n\n\
         /// Each object by file stem: where it lies in the archive, and how long it is when it is opened.\n\
         pub const PLACES: &[(&str, std::ops::Range<usize>, usize)] = &[\n"
    );
    for (at, (stem, object)) in objects.iter().enumerate() {
        let start = archive.len();
        archive.extend(compressed(object, prefix.filter(|_| at != reference))?);
        let _ = writeln!(places, "    ({stem:?}, {start}..{}, {}),", archive.len(), object.len());
    }
    places.push_str("];\n");
    Ok((archive, places))
}

/// Compresses bytes as what is different in them from a prefix, without which they cannot be opened again.
fn compressed(bytes: &[u8], prefix: Option<&[u8]>) -> io::Result<Vec<u8>> {
    let mut encoder = match prefix {
        Some(prefix) => zstd::Encoder::with_ref_prefix(Vec::new(), LEVEL, prefix)?,
        None => zstd::Encoder::new(Vec::new(), LEVEL)?,
    };
    encoder.window_log(WINDOW_LOG)?;
    encoder.long_distance_matching(true)?;
    // Else whoever opens it makes room for a whole window.
    encoder.set_pledged_src_size(u64::try_from(bytes.len()).ok())?;
    encoder.write_all(bytes)?;
    encoder.finish()
}
