//! What no path of the kernel's has in it: its paths are absolute, and have each name once.

/// Returns what stands in a text that is in no path of the kernel's.
#[must_use]
pub fn not_in_a_path(text: &str) -> Option<&'static str> {
    ["//", "/./", "/../"].into_iter().find(|part| text.contains(part))
}
