//! What is part of the program itself: the files of scripts/lib and scripts/reactions, so that they can be imported wherever it runs and are always
//! of its own version.

macro_rules! shipped {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../scripts/", $name, ".rhai"))),)*]
    };
}

/// By their names.
const SHIPPED: &[(&str, &str)] = shipped! {
    "lib/containers",
    "lib/files",
    "lib/net",
    "lib/processes",
    "lib/text",
    "lib/time",
    "reactions/block-address",
    "reactions/cut-network",
    "reactions/freeze-tree",
    "reactions/quarantine-file",
    "reactions/snapshot-evidence",
};

/// The text of the one of this name.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of all.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_file_that_can_be_imported_is_part_of_the_program() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
        let mut files: Vec<String> = ["lib", "reactions"]
            .iter()
            .flat_map(|directory| fs::read_dir(format!("{root}/{directory}")).into_iter().flatten())
            .map(|entry| entry.unwrap().path())
            .map(|path| path.strip_prefix(root).unwrap().with_extension("").to_str().unwrap().to_owned())
            .collect();
        files.sort();
        assert_eq!(files, names().collect::<Vec<_>>(), "src/source/shipped.rs lists them");
    }
}
