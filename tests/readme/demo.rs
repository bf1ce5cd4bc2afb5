//! What `make demo` prints.

use std::process::Command;

use crate::{
    block,
    terminal::{KERNEL, lab},
};

#[test]
fn the_transcript_in_the_readme_is_what_the_demo_prints() {
    if !lab() {
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_krsi-sh"))
        .args(["--format=text", "lab", "--kernel", KERNEL, "scripts/demo.rhai"])
        .output()
        .expect("the shell starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the demo failed: {stderr}");
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    block::is("transcript", "make demo", shown.lines());
}
