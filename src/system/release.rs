//! Which kernel is running.

use std::{fs, io};

/// Returns the kernel's release, as `uname -r` does.
///
/// # Errors
/// If /proc is not there.
pub fn release() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned())
}

/// Returns the running kernel as `KERNEL_VERSION(a, b, c)`: a byte for the patch level, one for the minor number.
///
/// # Errors
/// If /proc is not there.
pub fn version() -> io::Result<u32> {
    release().map(|release| parse_version(&release))
}

fn parse_version(release: &str) -> u32 {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    let (major, minor, patch) = (next(), next(), next());
    (major << 16) + (minor << 8) + patch.min(255)
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn releases_become_kernel_versions() {
        assert_eq!(parse_version("5.10.0-30-cloud-amd64"), 5 << 16 | 10 << 8);
        assert_eq!(parse_version("6.1.192"), 6 << 16 | 1 << 8 | 192);
        assert_eq!(parse_version("4.4.302-x"), 4 << 16 | 4 << 8 | 255);
        assert_eq!(parse_version("7.3-rc1"), 7 << 16 | 3 << 8);
    }
}
