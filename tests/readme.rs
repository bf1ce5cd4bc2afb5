//! The README's transcript is what `make demo` prints, in a real kernel.
//!
//! Times, process ids and the kernel's release differ from run to run; they are put in a
//! common form on both sides. `KRSI_BLESS=1` writes the transcript anew.

use std::{fs, process::Command};

use krsi_sh::lab::kernels;

const KERNEL: &str = "6.12";
const BEGIN: &str = "<!-- transcript -->\n```text\n";
const END: &str = "```\n<!-- /transcript -->";

#[test]
fn the_transcript_in_the_readme_is_what_the_demo_prints() {
    if kernels::find(&kernels::cache(), Some(KERNEL)).is_err() {
        assert!(
            std::env::var_os("KRSI_REQUIRE_LAB").is_none(),
            "kernel {KERNEL} is not cached; run: make kernels"
        );
        println!("skipped: kernel {KERNEL} is not cached; run: make kernels");
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_krsi-sh"))
        .args(["--format=text", "lab", "--kernel", KERNEL, "scripts/demo.rhai"])
        .output()
        .expect("the shell starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the demo failed: {stderr}");
    let shown = settled(&String::from_utf8(output.stdout).expect("UTF-8"));

    let readme = fs::read_to_string("README.md").expect("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("a transcript");
    let (told, after) = rest.split_once(END).expect("the transcript's end");
    let fresh = format!("$ make demo\n{shown}");
    if std::env::var_os("KRSI_BLESS").is_some() {
        fs::write("README.md", format!("{before}{BEGIN}{fresh}{END}{after}")).expect("README.md is written");
        return;
    }
    assert_eq!(told, fresh, "renew it with: KRSI_BLESS=1 cargo test --release --test readme");
}

/// Process ids count from 100, in the order they appear.
fn settled(text: &str) -> String {
    let mut known: Vec<String> = Vec::new();
    let mut out = String::new();
    for line in text.lines() {
        let mut line = line.trim_end().to_owned();
        if let Some((head, tail)) = line.clone().split_once("pid ") {
            let digits: String = tail.chars().take_while(char::is_ascii_digit).collect();
            let position = known.iter().position(|k| *k == digits).unwrap_or_else(|| {
                known.push(digits.clone());
                known.len() - 1
            });
            line = format!("{head}pid {}{}", 100 + position, &tail[digits.len()..]);
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}
