//! Compresses the committed template objects and what the index says of each, so that adding a template touches no Rust file. Most
//! of each is the same: one is compressed by itself, and every other one as what is different in it, so any can be opened without
//! the rest. No compiler for eBPF is needed here: `make templates` builds the objects, and they are committed.

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
    let (together, lines) = index.split_once('\n').unwrap_or_default();
    let mut objects = Vec::new();
    let mut descriptions = Vec::new();
    for stem in stems {
        let path = directory.join(format!("{stem}.bpf.o"));
        println!("cargo::rerun-if-changed={}", path.display());
        let object = fs::read(&path)?;
        let begin = format!("{{\"stem\":{stem:?},\"hash\":{},", hash::hash(&object));
        descriptions
            .extend(lines.lines().find(|line| line.starts_with(&begin)).map(|line| line.as_bytes().to_vec()));
        objects.push((stem, object));
    }
    let is_fresh = descriptions.len() == objects.len() && lines.lines().count() == objects.len();
    if !is_fresh {
        println!(
            "cargo::warning=the index of the templates is stale, so that each start reads all objects; renew it: \
             KRSI_BLESS=1 cargo test --release --test templates -- index"
        );
        descriptions.clear();
    }

    let reference = objects.iter().position(|(stem, _)| stem == REFERENCE);
    let reference = reference.ok_or_else(|| io::Error::other(format!("there is no object `{REFERENCE}`")))?;
    let (stems, objects): (Vec<_>, Vec<_>) = objects.into_iter().unzip();
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    let out = Path::new(&out);
    let mut source = format!(
        "/// The object, and the line of the index, that the others are compressed against.\n\
         const REFERENCE: usize = {reference};\n\n\
         /// The objects' file names without extension.\n\
         pub const STEMS: &[&str] = &{stems:?};\n\n"
    );
    for (name, doc, pieces) in [
        ("objects", "Where each object lies in the archive, and how long it is when it is opened.", &objects),
        ("descriptions", "The same of the lines of the index; none if it was stale.", &descriptions),
    ] {
        let (archive, places) = archive(pieces, reference)?;
        fs::write(out.join(format!("{name}.zst")), archive)?;
        let _ = writeln!(
            source,
            "/// {doc}\nconst {}: &[(std::ops::Range<usize>, usize)] = &{places:?};\n",
            name.to_uppercase()
        );
    }
    fs::write(out.join("together.json"), together)?;
    fs::write(out.join("archive.rs"), source)
}

/// Where a piece lies among the compressed ones, and how long it is.
type Place = (std::ops::Range<usize>, usize);

/// Compresses each piece; returns all of them one after the other, and where each is.
fn archive(pieces: &[Vec<u8>], reference: usize) -> io::Result<(Vec<u8>, Vec<Place>)> {
    let prefix = pieces.get(reference).map(Vec::as_slice);
    let mut archive = Vec::new();
    let mut places = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let start = archive.len();
        archive.extend(compressed(piece, prefix.filter(|_| at != reference))?);
        places.push((start..archive.len(), piece.len()));
    }
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
