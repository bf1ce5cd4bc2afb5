//! `krsi-sh templates`: what probes can be made of.
//!
//! In: the catalogue, as read from the objects themselves. Out: a table, one
//! template's page, or JSON. Nothing here knows any template by name.

use std::fmt::Write as _;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use owo_colors::OwoColorize;
use serde::Serialize;

use super::{answer, catalogue, complain, width};
use crate::{
    exit,
    globals::Globals,
    report::{Format, wrapped},
    template::{Catalogue, Field, FieldKind, NamedValue, Param, ParamKind, Template},
    values::nearest,
};

/// List the templates, or describe one: hooks, params, event fields
///
/// With --format json, one JSON array of the templates (or of the one that is named):
/// name, summary, attack, hooks, can_deny, can_ask, example, not_seen, scope_required, params (name, type, doc, default),
/// fields (name, type, unit, doc).
#[derive(Debug, Clone, clap::Args)]
pub struct TemplatesArgs {
    /// Template to describe; without one, all are listed
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &TemplatesArgs, globals: &Globals) -> i32 {
    let Some(catalogue) = catalogue(globals) else { return exit::ENVIRONMENT };
    let one = match &args.name {
        Some(name) => match catalogue.get(name) {
            Some(template) => Some(template),
            None => {
                complain(unknown(name, &catalogue));
                return exit::USAGE;
            }
        },
        None => None,
    };
    let style = Style::of(globals);
    match (globals.format.for_answer(), one) {
        (Format::Json, Some(template)) => json([&**template]),
        (Format::Json, None) => json(catalogue.iter().map(|template| &**template)),
        (Format::Text, Some(template)) => answer(&style.page(template)),
        (Format::Text, None) => answer(&style.overview(catalogue.iter().map(|template| &**template))),
    }
}

fn unknown(name: &str, catalogue: &Catalogue) -> String {
    let guess =
        nearest(name, catalogue.names()).map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
    let allowed = catalogue.names().collect::<Vec<_>>().join(", ");
    format!("there is no template `{name}`{guess}\nallowed: {allowed}")
}

/// The contract of `templates --format json`.
#[derive(Serialize)]
struct TemplateJson<'a> {
    name: &'a str,
    summary: &'a str,
    attack: &'a [String],
    hooks: &'a [String],
    can_deny: bool,
    can_ask: bool,
    example: &'a str,
    not_seen: &'a str,
    scope_required: bool,
    params: Vec<ParamJson<'a>>,
    fields: Vec<FieldJson<'a>>,
}

#[derive(Serialize)]
struct ParamJson<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    doc: &'a str,
    default: &'a str,
}

#[derive(Serialize)]
struct FieldJson<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: String,
    unit: Option<&'a str>,
    doc: &'a str,
}

impl<'a> From<&'a Template> for TemplateJson<'a> {
    fn from(template: &'a Template) -> Self {
        let param = |p: &'a Param| ParamJson {
            name: &p.name,
            kind: p.kind.type_name(),
            doc: &p.doc,
            default: &p.default,
        };
        let field = |f: &'a Field| FieldJson {
            name: &f.name,
            kind: f.kind.type_name(f.size),
            unit: f.unit.as_deref(),
            doc: &f.doc,
        };
        TemplateJson {
            name: &template.name,
            summary: &template.summary,
            attack: &template.attack,
            hooks: &template.hooks,
            can_deny: template.can_deny,
            can_ask: template.can_deny && template.cannot_ask.is_none(),
            example: &template.example,
            not_seen: &template.not_seen,
            scope_required: template.scope_required,
            params: template.params.iter().map(param).collect(),
            fields: template.fields.iter().map(field).collect(),
        }
    }
}

/// On one line, so that it is a line of NDJSON too.
fn json<'a>(templates: impl IntoIterator<Item = &'a Template>) -> i32 {
    let all: Vec<TemplateJson<'_>> = templates.into_iter().map(TemplateJson::from).collect();
    match serde_json::to_string(&all) {
        Ok(text) => answer(&format!("{text}\n")),
        Err(error) => {
            complain(error);
            exit::ENVIRONMENT
        }
    }
}

/// How text is laid out.
struct Style {
    color: bool,
    /// Columns of the terminal; none where lines are for a program to read.
    width: Option<u16>,
}

impl Style {
    fn of(globals: &Globals) -> Self {
        Style { color: globals.color(), width: width() }
    }

    fn overview<'a>(&self, templates: impl Iterator<Item = &'a Template>) -> String {
        let rows = templates
            .map(|template| [template.name.clone(), template.hooks.join(", "), template.summary.clone()]);
        self.table(["NAME", "HOOKS", "SUMMARY"], rows, "")
    }

    fn page(&self, template: &Template) -> String {
        let verdicts = if template.can_deny {
            if template.cannot_ask.is_none() {
                "observe, shadow, deny, kill, ask"
            } else {
                "observe, shadow, deny, kill"
            }
        } else {
            "observe only: its hook has no verdict"
        };
        let mut page = String::new();
        _ = writeln!(page, "{}  {}\n", self.bold(&template.name), template.summary);
        let hooks = format!("hooks     {}", template.hooks.join(", "));
        _ = writeln!(page, "{}", self.paragraph(&hooks));
        _ = writeln!(page, "  modes     {verdicts}");
        if let Some(why) = template.cannot_ask.as_ref().filter(|_| template.can_deny) {
            let why = format!("no ask    {why}");
            _ = writeln!(page, "{}", self.paragraph(&why));
        }
        if template.scope_required {
            _ = writeln!(page, "  scope     required, or `.everywhere()`: its hooks are hot");
        }
        _ = writeln!(page, "  ATT&CK    {}", template.attack.join(", "));

        _ = writeln!(page, "\n{}", self.bold("Params"));
        let params = template.params.iter().map(|param| {
            let doc = with_names(&param.doc, flags_of(&param.kind));
            [param.name.clone(), param.kind.type_name().to_owned(), param.default.clone(), doc]
        });
        page += &self.table(["NAME", "TYPE", "DEFAULT", "MEANING"], params, "  ");

        _ = writeln!(page, "\n{}", self.bold("Event fields"));
        let fields = template.fields.iter().map(|field| {
            let doc = with_names(&field.doc, names_of(&field.kind));
            let unit = field.unit.clone().unwrap_or_default();
            [field.name.clone(), field.kind.type_name(field.size), unit, doc]
        });
        page += &self.table(["NAME", "TYPE", "UNIT", "MEANING"], fields, "  ");

        _ = writeln!(page, "\n{}", self.bold("Not seen"));
        _ = writeln!(page, "{}", self.paragraph(&template.not_seen));

        _ = writeln!(page, "\n{}", self.bold("Example"));
        _ = writeln!(page, "  krsi-sh -e '{}'", template.example);
        _ = writeln!(page, "\n  the same in a throwaway virtual machine: krsi-sh lab -e …");
        page
    }

    /// Columns side by side, the last ones wrapped where there is a terminal.
    fn table<const N: usize>(
        &self,
        header: [&str; N],
        rows: impl Iterator<Item = [String; N]>,
        indent: &str,
    ) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(header);
        for row in rows {
            table.add_row(row);
        }
        // A name is copied whole.
        if let Some(names) = table.column_mut(0) {
            names.set_constraint(ColumnConstraint::ContentWidth);
        }
        if let Some(width) = self.width {
            let indent = u16::try_from(indent.len()).unwrap_or_default();
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width.saturating_sub(indent));
        }
        let mut text = String::new();
        for (index, line) in table.lines().enumerate() {
            // Without borders, what is left of the first column is its padding.
            let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
            let line = if index == 0 { self.bold(line) } else { line.to_owned() };
            _ = writeln!(text, "{indent}{line}");
        }
        text
    }

    /// A text, its lines no longer than the terminal.
    fn paragraph(&self, text: &str) -> String {
        const INDENT: &str = "  ";
        let indent = u16::try_from(INDENT.len()).unwrap_or_default();
        let lines = wrapped(text, self.width.map(|width| width.saturating_sub(indent)));
        lines.iter().map(|line| format!("{INDENT}{line}")).collect::<Vec<_>>().join("\n")
    }

    fn bold(&self, text: &str) -> String {
        if self.color { text.bold().to_string() } else { text.to_owned() }
    }
}

/// A doc, and the names its values are written with.
fn with_names(doc: &str, names: Option<(&str, &[NamedValue])>) -> String {
    let Some((how_many, names)) = names else { return doc.to_owned() };
    let names: Vec<_> = names.iter().map(|named| named.name.as_str()).collect();
    format!("{doc} {how_many} of: {}.", names.join(", "))
}

fn flags_of(kind: &ParamKind) -> Option<(&str, &[NamedValue])> {
    if let ParamKind::Flags(names) = kind { Some(("Any", names)) } else { None }
}

fn names_of(kind: &FieldKind) -> Option<(&str, &[NamedValue])> {
    match kind {
        FieldKind::Flags(names) => Some(("Any", names)),
        FieldKind::Enum(names) => Some(("One", names)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builtin() -> Catalogue {
        Catalogue::builtin().expect("the committed objects describe themselves")
    }

    #[test]
    fn every_example_is_a_script_and_one_word_of_a_shell() {
        let engine = rhai::Engine::new_raw();
        for template in builtin().iter() {
            let example = &template.example;
            engine.compile(example).unwrap_or_else(|error| panic!("{example}: {error}"));
            assert!(!example.contains('\''), "{example}");
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let style = Style { color: false, width: Some(80) };
        let catalogue = builtin();
        let overview = style.overview(catalogue.iter().map(|template| &**template));
        for line in overview.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for template in catalogue.iter() {
            let page = style.page(template);
            let (tables, _) = page.split_once("Example").expect("an example");
            for line in tables.lines().skip(1) {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }

    #[test]
    fn what_is_wrapped_stays_in_its_column() {
        let style = Style { color: false, width: Some(30) };
        let rows = [["a".to_owned(), "one two three four five six seven".to_owned()]];
        let table = style.table(["NAME", "MEANING"], rows.into_iter(), "  ");
        let column = table.find("MEANING");
        assert!(table.lines().count() > 2);
        for line in table.lines().skip(1) {
            assert_eq!(line.rfind("  ").map(|at| at + 2), column, "{table}");
        }
    }

    #[test]
    fn off_a_terminal_a_template_is_one_line() {
        let style = Style { color: false, width: None };
        let catalogue = builtin();
        let overview = style.overview(catalogue.iter().map(|template| &**template));
        assert_eq!(overview.lines().count(), 1 + catalogue.names().count());
    }

    #[test]
    fn a_page_has_every_param_and_every_field() {
        let style = Style { color: false, width: Some(60) };
        for template in builtin().iter() {
            let page = style.page(template);
            let names: Vec<_> = page.lines().filter_map(|line| line.split_whitespace().next()).collect();
            let params = template.params.iter().map(|param| param.name.as_str());
            let fields = template.fields.iter().map(|field| field.name.as_str());
            for name in params.chain(fields) {
                assert!(names.contains(&name), "{}: no line for {name}:\n{page}", template.name);
            }
        }
    }
}
