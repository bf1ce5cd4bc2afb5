//! What fuzzing has found stays mended: each target takes its corpus (`fuzz/corpus`), and what becomes of that by random changes.
//!
//! `scripts/fuzz` does it for longer, with coverage and a sanitizer. `KRSI_FUZZ_SECONDS` sets for how long each target is tried here,
//! `KRSI_FUZZ_SEED` from where the changes begin; a failure names its seed, and its input is in the file that it names.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use krsi_sh::fuzzing::TARGETS;

fn number(name: &str, fallback: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(fallback)
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Marsaglia's xorshift: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    /// Changes some bytes, takes some out, puts some in, or goes on with a part of another input.
    fn changed(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        const ODD: &[&[u8]] = &[
            b"\0",
            b"\xff",
            b"\x80",
            b"\x1b[",
            b"\n",
            b"\"",
            b"\\",
            b"'",
            b" ",
            b"=",
            b":",
            b"-1",
            b"99999999999999999999",
            b"\xc3",
            b"\xf0\x9f",
            b"{",
            b"}",
            b"[",
            b"]",
            b"(",
            b"*",
            b"password=",
            b"\xe2\x80\xae",
            b"\xee\xbe\x80",
            b"0",
            b"/../",
        ];
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 if !bytes.is_empty() => {
                    let at = at.min(bytes.len() - 1);
                    bytes[at] = self.below(256) as u8;
                }
                1 => {
                    let end = (at + self.below(16)).min(bytes.len());
                    bytes.drain(at..end);
                }
                2 if bytes.len() < 1 << 16 => {
                    let end = (at + self.below(64)).min(bytes.len());
                    let again: Vec<u8> = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                3 => {
                    let from = self.below(other.len() + 1);
                    let end = (from + self.below(64)).min(other.len());
                    bytes.splice(at..at, other[from..end].iter().copied());
                }
                4 => bytes.truncate(at),
                _ => {
                    let odd = ODD[self.below(ODD.len())];
                    bytes.splice(at..at, odd.iter().copied());
                }
            }
        }
        bytes
    }
}

/// Takes an input; keeps it in a file if it is a finding.
fn takes(name: &str, target: fn(&[u8]), input: &[u8], what: &dyn Fn() -> String) {
    if catch_unwind(AssertUnwindSafe(|| target(input))).is_ok() {
        return;
    }
    let kept = std::env::temp_dir().join(format!("krsi-sh-fuzz-{name}"));
    let _ = fs::write(&kept, input);
    panic!("target `{name}`, {}; the input is in {}", what(), kept.display());
}

#[test]
fn every_target_has_its_corpus_and_its_program() {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    for (directory, suffix) in [("fuzz/corpus", ""), ("fuzz/fuzz_targets", ".rs")] {
        let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).unwrap();
        let mut found: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        assert_eq!(
            found,
            names.iter().map(|name| format!("{name}{suffix}")).collect::<Vec<_>>(),
            "{directory}"
        );
    }
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml lacks `{name}`");
        assert!(!corpus(name).is_empty(), "fuzz/corpus/{name} is empty");
        for (path, input) in corpus(name) {
            assert!(input.len() <= 64 << 10, "{} is large", path.display());
        }
    }
}

#[test]
fn no_input_of_the_corpus_is_too_much() {
    for (name, target) in TARGETS {
        for (path, input) in corpus(name) {
            takes(name, *target, &input, &|| path.display().to_string());
        }
    }
}

#[test]
fn no_change_of_an_input_is_too_much() {
    let seed = number("KRSI_FUZZ_SEED", 20_261_130);
    let lasts = Duration::from_secs(number("KRSI_FUZZ_SECONDS", 3));
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        let mut random = Random(seed | 1);
        let begun = Instant::now();
        let mut count = 0_u64;
        while begun.elapsed() < lasts {
            let input = &inputs[random.below(inputs.len())].1;
            let other = &inputs[random.below(inputs.len())].1;
            let changed = random.changed(input, other);
            count += 1;
            takes(name, *target, &changed, &|| format!("change {count} from seed {seed}"));
        }
        println!("{name}: {count} inputs");
    }
}
