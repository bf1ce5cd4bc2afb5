//! docs/templates.md: what probes can be made of, from the catalogue.

use std::fmt::Write as _;

use krsi_sh::{
    event::origin::{ANCESTORS, ANCESTORS_DOC, RELATIVES},
    template::{Catalogue, Field, FieldKind, NamedValue, ParamKind, Template},
};

const HEAD: &str = "# Templates

The templates that probes are made from. `krsi-sh templates NAME` and `help(\"NAME\")` show the same; this page is generated from the objects
(`KRSI_BLESS=1 cargo test --release --test cli -- committed`).

Each is attached to its LSM hooks, or, where `bpf` is not among the active LSMs, by fmod_ret to the functions that call these hooks.
A hook that a kernel lacks is left out, and the probe reports that. **Denies**: whether the operation can be refused. **Asks**: whether it can be
held until it is decided. **Scope**: *required* where the
hooks run so often that a probe without a scope would slow the machine.
";

pub fn page() -> String {
    let catalogue = Catalogue::builtin().expect("the built-in catalogue");
    let mut page = String::from(HEAD);
    page.push_str(
        "\n| template | about | hooks | denies | asks | scope | ATT&CK |\n|---|---|---|---|---|---|---|\n",
    );
    for template in catalogue.iter() {
        let Template { name, summary, hooks, attack, .. } = &**template;
        let denies = if template.can_deny { "yes" } else { "no" };
        let asks = if template.can_deny && template.cannot_ask.is_none() { "yes" } else { "no" };
        let scope = if template.scope_required { "required" } else { "" };
        let (hooks, attack) = (hooks.join(", "), attack.join(", "));
        _ = writeln!(
            page,
            "| [{name}](#{name}) | {} | {hooks} | {denies} | {asks} | {scope} | {attack} |",
            cell(summary)
        );
    }
    if let Some(first) = catalogue.iter().next() {
        let common = first.fields.get(..first.layout.header).unwrap_or_default();
        let (origin, header): (Vec<_>, Vec<_>) = common.iter().partition(|field| field.is_of_origin());
        page.push_str("\n## Fields of every event\n\n");
        fields(&mut page, header);
        page.push_str(
            "\n## Where it comes from\n\nTold where something names it, and not gathered elsewhere.\n\n",
        );
        page.push_str("| part | meaning |\n|---|---|\n");
        for relative in &RELATIVES {
            _ = writeln!(page, "| `e.{}` | {} |", relative.name, cell(relative.doc));
        }
        _ = writeln!(page, "| `e.{ANCESTORS}` | {} |\n", cell(ANCESTORS_DOC));
        fields(&mut page, origin);
    }
    for one in catalogue.iter() {
        template(&mut page, one);
    }
    page
}

fn template(page: &mut String, template: &Template) {
    _ = writeln!(page, "\n## {}\n\n{}.\n", template.name, template.summary);
    _ = writeln!(page, "```rhai\n{}\n```\n", template.example);
    _ = writeln!(page, "Not seen: {}\n", template.not_seen);
    if let Some(why) = template.cannot_ask.as_ref().filter(|_| template.can_deny) {
        _ = writeln!(page, "Cannot ask: {why}.\n");
    }
    if !template.params.is_empty() {
        page.push_str("| param | type | default | meaning |\n|---|---|---|---|\n");
        for param in &template.params {
            let names =
                if let ParamKind::Flags(names) = &param.kind { listed("Any", names) } else { String::new() };
            let meaning = cell(&format!("{}{names}", param.doc));
            _ = writeln!(
                page,
                "| `{}` | {} | {} | {meaning} |",
                param.name,
                param.kind.type_name(),
                param.default
            );
        }
        page.push('\n');
    }
    fields(page, template.own_fields());
}

fn fields<'f>(page: &mut String, fields: impl IntoIterator<Item = &'f Field>) {
    page.push_str("| field | type | unit | meaning |\n|---|---|---|---|\n");
    for field in fields {
        let names = match &field.kind {
            FieldKind::Flags(names) => listed("Any", names),
            FieldKind::Enum(names) => listed("One", names),
            _ => String::new(),
        };
        let unit = field.unit.as_deref().unwrap_or_default();
        let meaning = cell(&format!("{}{names}", field.doc));
        _ = writeln!(
            page,
            "| `{}` | {} | {unit} | {meaning} |",
            field.name,
            field.kind.type_name(field.size)
        );
    }
}

fn listed(how_many: &str, names: &[NamedValue]) -> String {
    let names: Vec<_> = names.iter().map(|named| named.name.as_str()).collect();
    format!(" {how_many} of: {}.", names.join(", "))
}

/// A text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
