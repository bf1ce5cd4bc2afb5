//! docs/hunts.md and docs/guards.md: what each script says of itself, and what it said in the lab.

use std::{fmt::Write as _, fs};

use krsi_sh::{report::Purpose, script::defined_functions};

use super::{
    Hunt,
    guards::guards,
    hunts, params,
    reactions::{alias, imported},
};

const HUNTS: &str = "docs/hunts.md";
const ABOUT_HUNTS: &str = "\
# Hunts

Scripts that detect what intruders do. Run one by its name: it watches until Ctrl-C (or for a time: `krsi-sh --for 1h run …`) and
raises an alert for each finding. This page is generated from the scripts' headers
(`KRSI_BLESS=1 cargo test --release --test hunts`); the samples are output recorded in the lab.

```sh
sudo krsi-sh run hunts/ld-preload --since 1h                 # one of them, with a parameter
krsi-sh run hunts/ld-preload --help                          # what it looks for, and its parameters
krsi-sh scripts --tag T1055                                  # hunts for an ATT&CK technique
krsi-sh scripts ssh                                          # hunts that contain this word
sudo krsi-sh --for 10m --quiet --format json run hunts/miner # as from cron
```

A hunt ends with exit code 4 if it found something, with 0 if it found nothing, and with 5 if it found nothing but cannot
be sure: events were lost, something was unreadable, or this kernel lacks a hook. Exclude expected activity with its
parameters, mostly `--not-exe`. Put your own version of a hunt into `~/.config/krsi-sh/scripts/hunts/` or `/etc/krsi-sh/scripts/hunts/`;
it is then found first.

| hunt | looks for | severity | ATT&CK |
|---|---|---|---|
";

const GUARDS: &str = "docs/guards.md";
const ABOUT_GUARDS: &str = "\
# Guards and mitigations

Scripts that enforce. A guard refuses a kind of behaviour for as long as it runs; a mitigation keeps a kernel vulnerability
out of reach until the patch is installed. This page is generated from the scripts' headers
(`KRSI_BLESS=1 cargo test --release --test hunts`); the samples are output recorded in the lab, where each script refuses the behaviour and
allows a look-alike.

```sh
sudo krsi-sh --for 1d run guards/logs --shadow             # first: what would be refused? Nothing is
sudo krsi-sh run guards/logs --lease 8h                    # enforce, for eight hours at most
sudo krsi-sh run guards/logs --cgroup /sys/fs/cgroup/web.slice
sudo krsi-sh run mitigations/af-alg --rehearse 1h --lease 1d  # report for an hour what would be refused, then enforce
sudo krsi-sh run -i guards/new-executables                 # asks you
```

All have `--shadow`, `--lease` and `--cgroup`; mitigations have `--rehearse` too. They apply to every process, or to those of the given
cgroup, but never to this shell and its ancestors; `krsi-sh panic` ends them all. Each refusal raises an alert. A script that
refused something, or would have, ends with exit code 4.

| script | | severity | ATT&CK |
|---|---|---|---|
";

const REACTIONS: &str = "docs/reactions.md";
const ABOUT_REACTIONS: &str = "\
# Reactions and libraries

Modules that scripts import. A reaction acts on the process of an event, reports that in a record of type `emit` whose field `reaction` names it, and returns a map with
`undo()`. A library has functions and constants. This page is generated from their headers and comments (`KRSI_BLESS=1 cargo test --release --test hunts`). A claim in the lab
calls each reaction from a callback, sees its effect, undoes it, and checks that `--audit` only reports it.

```rhai
import \"reactions/freeze-tree\" as freeze_tree;
import \"reactions/snapshot-evidence\" as snapshot_evidence;
import \"lib/files\" as files;
probe(\"exec\").scope(#{ not_uid: 0 }).when(|e| files::is_world_writable(e.path)).on_event(|e| {
    let frozen = freeze_tree::stop(e, #{ why: \"runs from a place that everybody writes to\" });
    snapshot_evidence::snapshot(e, #{ why: \"the same\" });
    after(\"10m\", || frozen.undo());
}).attach();
```

All ask the one policy: under `--audit` nothing is done, and what would be is told; `explain` goes as far as what is done; a replay has no effect; on a host that only observes (`/etc/krsi-sh/observe-only`)
what refuses or stops is an error. This shell, what it was started by and PID 1 are never hit. A process is known by its id and its start, so nothing is done to one that got the same id later.

`import` finds a name in `~/.config/krsi-sh/scripts`, in `/etc/krsi-sh/scripts`, in the program itself and in what was installed with it, and `\"./name\"` beside the script: a file of your own with functions
and `export const`s is a library. `krsi-sh scripts lib/net` tells what one has.

Nothing outlives a session, not one that is killed either: what is refused is let through again, and a second process continues what `freeze-tree` has stopped.

| file | | D3FEND |
|---|---|---|
";

/// What is imported, with the functions that each has.
fn page_of_imports(all: &[Hunt]) -> String {
    let mut page = ABOUT_REACTIONS.to_owned();
    for Hunt { name, header, .. } in all {
        let anchor = name.replace('/', "");
        writeln!(page, "| [{name}](#{anchor}) | {} | {} |", header.title, header.d3fend.join(", ")).unwrap();
    }
    for script in all {
        let header = &script.header;
        write!(page, "\n## {}\n\n{}. {}\n", script.name, header.title, header.about).unwrap();
        if header.purpose == Purpose::Reaction {
            let needs = if header.needs.is_empty() { "none".to_owned() } else { header.needs.join(", ") };
            write!(
                page,
                "\nD3FEND: {}. Probes: {needs}. Undone by {}.\n\n```json\n{}\n```\n",
                header.d3fend.join(", "),
                header.undo,
                header.sample.join("\n")
            )
            .unwrap();
        }
        write!(
            page,
            "\n```rhai\nimport \"{}\" as {};\n```\n\n| function | |\n|---|---|\n",
            script.name,
            alias(script)
        )
        .unwrap();
        for function in defined_functions(&script.source.text).iter().filter(|function| !function.is_private)
        {
            let about = function.about.replace('\n', " ").replace('|', "\\|");
            writeln!(page, "| `{}({})` | {about} |", function.name, function.params.join(", ")).unwrap();
        }
    }
    page
}

fn page(beginning: &str, hunts: &[Hunt]) -> String {
    let mut page = beginning.to_owned();
    for Hunt { name, header, .. } in hunts {
        let attack = header.attack.join(", ");
        let anchor = name.replace('/', "");
        writeln!(page, "| [{name}](#{anchor}) | {} | {} | {attack} |", header.title, header.severity)
            .unwrap();
    }
    for hunt in hunts {
        page.push_str(&section(hunt));
    }
    page
}

fn section(hunt: &Hunt) -> String {
    let header = &hunt.header;
    let kernel =
        header.kernel.as_ref().map_or_else(String::new, |kernel| format!(" Linux {kernel} or later."));
    let mut text = format!(
        "\n## {}\n\n{}. {}\n\nATT&CK: {}. Severity: {}. Probes: {}.{kernel}\n\nFalse positives: {}\n\n```text\n{}\n```\n\n\
         | parameter | default | |\n|---|---|---|\n",
        hunt.name,
        header.title,
        header.about,
        header.attack.join(", "),
        header.severity,
        header.needs.join(", "),
        header.false_positives,
        header.sample.join("\n"),
    );
    for param in params(hunt) {
        let default = param.default_text().replace(',', ", ").replace('|', "\\|");
        let default = if default.is_empty() { "nothing".to_owned() } else { format!("`{default}`") };
        writeln!(text, "| `{}` | {default} | {} |", param.usage().replace('|', "\\|"), param.about).unwrap();
    }
    text
}

#[test]
fn the_gallery_is_what_the_headers_say() {
    let pages = [
        (HUNTS, page(ABOUT_HUNTS, &hunts())),
        (GUARDS, page(ABOUT_GUARDS, &guards())),
        (REACTIONS, page_of_imports(&imported())),
    ];
    for (path, page) in pages {
        if std::env::var_os("KRSI_BLESS").is_some() {
            fs::write(path, page).unwrap();
        } else {
            assert!(
                fs::read_to_string(path).unwrap_or_default() == page,
                "{path} is stale; renew it: KRSI_BLESS=1 cargo test --release --test hunts"
            );
        }
    }
}
