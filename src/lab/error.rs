//! Why a guest gave no verdict, each with its cause and its fix.
//!
//! All of these are the environment's failures, never the script's: a caller
//! that sees one knows nothing of what the command would have come to.

use std::{fmt::Write as _, io, path::PathBuf, time::Duration};

#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error(
        "the lab needs qemu-system-x86_64, which is not in PATH; \
         install it with `scripts/setup lab`, or `apt install qemu-system-x86`"
    )]
    NoQemu,
    #[error("{}", no_kernel(.asked.as_deref(), .cached, .cache))]
    NoKernel { asked: Option<String>, cached: Vec<String>, cache: PathBuf },
    #[error(
        "the lab's guest needs a static busybox: {reason}; \
         install one with `scripts/setup lab`, or `apt install busybox-static`"
    )]
    NoBusybox { reason: String },
    #[error(
        "{path} is dynamically linked, and the lab's guest has no libraries; build it as this project does: \
         `cargo build --release` in its directory (see .cargo/config.toml), or with --target x86_64-unknown-linux-musl"
    )]
    NotStatic { path: PathBuf },
    #[error("the lab's guest is x86-64, and this machine is {0}: its krsi-sh cannot run in there")]
    ForeignMachine(&'static str),
    #[error("the guest's kernel panicked; the end of its log:\n{}", .log)]
    Panic { log: String },
    #[error(
        "the guest ended without a verdict: it neither finished the command nor panicked; the end of its log:\n{}{}",
        .log, .qemu
    )]
    NoVerdict { log: String, qemu: String },
    #[error(
        "the guest did not finish within {}; --timeout allows it more; the end of its log:\n{}",
        humantime::format_duration(*.after), .log
    )]
    Timeout { after: Duration, log: String },
    #[error("interrupted; the guest is gone")]
    Interrupted,
    /// Whoever read the guest's output stopped reading.
    #[error("the reader of the guest's output is gone")]
    OutputClosed,
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
}

impl LabError {
    pub(crate) fn io(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        LabError::Io { doing: doing.into(), source: source.into() }
    }
}

fn no_kernel(asked: Option<&str>, cached: &[String], cache: &std::path::Path) -> String {
    let mut text = match asked {
        Some(asked) => format!("no kernel `{asked}` in {}", cache.display()),
        None => format!("no kernel in {}", cache.display()),
    };
    if !cached.is_empty() {
        _ = write!(text, " (there are: {})", cached.join(", "));
    }
    if std::env::var_os("HOME").is_none_or(|home| home.is_empty()) {
        text.push_str(" (HOME is not set: KRSI_KERNELS names another directory)");
    }
    text.push_str("\nfix: ");
    if asked.is_none_or(|asked| !asked.contains('/')) {
        text.push_str("name an image of this machine: krsi-sh lab --kernel /boot/vmlinuz-… ; or, ");
    }
    match asked {
        Some(asked) if super::kernels::MATRIX.contains(&asked) => {
            _ = write!(
                text,
                "in krsi-sh's source directory, `scripts/kernels {asked}` (all five: `make kernels`)"
            );
        }
        _ => {
            text.push_str("in krsi-sh's source directory, `scripts/kernels 6.12` (all five: `make kernels`)")
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_kernel_of_the_matrix_names_the_command_that_fetches_it() {
        let error = LabError::NoKernel {
            asked: Some("6.12".into()),
            cached: vec!["5.10".into()],
            cache: "/cache".into(),
        };
        let text = error.to_string();
        assert!(text.starts_with("no kernel `6.12` in /cache (there are: 5.10)"), "{text}");
        assert!(text.contains("--kernel /boot/vmlinuz-") && text.contains("scripts/kernels 6.12"), "{text}");
    }

    #[test]
    fn an_empty_cache_names_the_command_that_fills_it() {
        let error = LabError::NoKernel { asked: None, cached: vec![], cache: "/cache".into() };
        assert!(error.to_string().contains("`make kernels`"), "{error}");
    }
}
