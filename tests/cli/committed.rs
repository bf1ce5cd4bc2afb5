//! What is made from the clap table, and committed.

use super::*;

#[test]
fn completions_and_man_page_are_those_of_the_table() {
    for (path, fresh) in generated::files() {
        if std::env::var_os("KRSI_BLESS").is_some_and(|word| !word.is_empty()) {
            fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
            fs::write(path, &fresh).unwrap();
        }
        let committed = fs::read_to_string(path).unwrap_or_default();
        assert!(committed == fresh, "{path} is stale; renew it with: {RENEW}");
    }
}

#[test]
fn bash_completes_subcommands_and_their_flags() {
    assert_eq!(completed("krsi-sh templ"), ["templates"]);
    assert_eq!(completed("krsi-sh lab --ker"), ["--kernel"]);
    assert_eq!(completed("krsi-sh --audit templates --form"), ["--format"]);
    assert_eq!(completed("krsi-sh --color a"), ["auto", "always"]);
}

#[test]
fn bash_completes_templates_and_cached_kernels_by_name() {
    let catalogue = krsi_sh::template::Catalogue::builtin().unwrap();
    let names: Vec<String> = catalogue.iter().map(|template| template.name.clone()).collect();
    let offered = completed("krsi-sh templates ");
    assert_eq!(
        offered.iter().filter(|word| !word.starts_with('-')).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    assert_eq!(completed("krsi-sh templates file_o"), ["file_open"]);

    let directory = Directory::new();
    for (kernel, image) in [("6.1", "vmlinuz"), ("6.12", "vmlinux"), ("6.18", "half"), ("uml", "linux.uml")] {
        fs::create_dir_all(directory.path(kernel)).unwrap();
        directory.write(&format!("{kernel}/{image}"), "image");
    }
    let cache = directory.path("").display().to_string();
    let kernels = |line| completed_with(line, &[("KRSI_KERNELS", &cache)]);
    assert_eq!(kernels("krsi-sh lab --kernel 6"), ["6.1", "6.12"]);
    assert_eq!(kernels("krsi-sh lab --kernel u"), ["uml"]);
    assert_eq!(kernels("krsi-sh lab --kernel Cargo.t"), ["Cargo.toml"]);
}

#[test]
fn bash_leaves_scripts_to_its_own_completion_of_files() {
    assert!(completed("krsi-sh scripts/de").is_empty());
    let script = fs::read_to_string("completions/krsi-sh.bash").unwrap();
    assert!(script.contains("-o bashdefault -o default krsi-sh"));
}

/// What bash offers for the last word.
fn completed(line: &str) -> Vec<String> {
    completed_with(line, &[])
}

fn completed_with(line: &str, environment: &[(&str, &str)]) -> Vec<String> {
    const ASK: &str = r#"
        source completions/krsi-sh.bash
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _krsi__sh krsi-sh "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let directory = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{directory}:{}", std::env::var("PATH").unwrap());
    let output = process::Command::new("bash")
        .args(["--norc", "-c", ASK, "bash"])
        .args(line.split(' '))
        .env("PATH", path)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let offered = String::from_utf8(output.stdout).unwrap();
    offered.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
