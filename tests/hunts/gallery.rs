//! docs/hunts.md and docs/guards.md: what each script says of itself, and what it said in the lab.

use std::{fmt::Write as _, fs};

use super::{Hunt, guards::guards, hunts, params};

const HUNTS: &str = "docs/hunts.md";
const ABOUT_HUNTS: &str = "\
# Hunts

Scripts that look for what an intruder does. Each is run by its name, watches until Ctrl-C (or for a time: `krsi-sh --for 1h run …`), and
raises an alert for what it finds. This page is generated from the scripts' headers
(`KRSI_BLESS=1 cargo test --release --test hunts`); the samples are what each has said in the lab.

```sh
sudo krsi-sh run hunts/ld-preload --since 1h                 # one of them, with a parameter
krsi-sh run hunts/ld-preload --help                          # what it looks for, and its parameters
krsi-sh scripts --tag T1055                                  # those that are about an id of ATT&CK
krsi-sh scripts ssh                                          # those that say this word
sudo krsi-sh --for 10m --quiet --format json run hunts/miner # as from cron
```

A hunt ends with exit code 4 if it has found something, with 0 if there was nothing, and with 5 if it has found nothing and cannot
be sure: events were lost, something was unreadable, or this kernel lacks a hook. What is expected on a machine is excluded by its
parameters, `--not-exe` mostly; your own version of a hunt goes to `~/.config/krsi-sh/scripts/hunts/` or `/etc/krsi-sh/scripts/hunts/`
and is then found first.

| hunt | looks for | severity | ATT&CK |
|---|---|---|---|
";

const GUARDS: &str = "docs/guards.md";
const ABOUT_GUARDS: &str = "\
# Guards and mitigations

Scripts that refuse. A guard keeps something from happening for as long as somebody wants that; a mitigation keeps a fault of the kernel's
from being reached until it is mended. This page is generated from the scripts' headers
(`KRSI_BLESS=1 cargo test --release --test hunts`); the samples are what each has said in the lab, where each refuses what is done and
lets a look-alike be.

```sh
sudo krsi-sh --for 1d run guards/logs --shadow             # first: who would be hit? Nothing is refused
sudo krsi-sh run guards/logs --lease 8h                    # refuses, for eight hours at the most
sudo krsi-sh run guards/logs --cgroup /sys/fs/cgroup/web.slice
sudo krsi-sh run mitigations/af-alg --rehearse 1h --lease 1d  # tells for an hour who would be hit, then refuses
sudo krsi-sh run -i guards/new-executables                 # asks you
```

All have `--shadow`, `--lease` and `--cgroup`; mitigations `--rehearse`, too. Refused is what any process does, or those of the
cgroups; never what this shell and its ancestors do, and `krsi-sh panic` ends all of it. Each refusal is an alert, and one that
has refused anything, or would have, ends with exit code 4.

| script | | severity | ATT&CK |
|---|---|---|---|
";

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
    for (path, page) in [(HUNTS, page(ABOUT_HUNTS, &hunts())), (GUARDS, page(ABOUT_GUARDS, &guards()))] {
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
