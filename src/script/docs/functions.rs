//! What can be called: read from the engine's metadata, in the words of scripts.
//!
//! In: an entry of the metadata, JSON with Rust's types and doc comments. Out: a [`Function`], or nothing for what
//! no script writes (operators, getters, the small integers).

use serde_json::Value;

/// One function or method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// `deny(probe: Probe, errno: string) -> Probe`
    pub signature: String,
    /// The type it is a method of, such as `Probe`; `None` for a plain function.
    pub of: Option<String>,
    /// Names and types of what stands in the parentheses.
    pub params: Vec<(String, String)>,
    pub doc: String,
}

impl Function {
    /// Returns where it belongs among the forms of its name: what sets something up first, then what takes it back, and
    /// what reads it.
    #[must_use]
    pub fn rank(&self) -> (bool, bool, usize, &str) {
        let takes_back = self.params.iter().any(|(_, kind)| kind == "()");
        (takes_back, self.returns() == "Summary", self.params.len(), &self.signature)
    }

    /// Returns the first sentence of its documentation.
    #[must_use]
    pub fn summary(&self) -> String {
        summary(&self.doc)
    }

    /// Returns a call of it, as its documentation shows one.
    #[must_use]
    pub fn example(&self) -> Option<&str> {
        let call = format!("{}(", self.name);
        self.doc.split('`').skip(1).step_by(2).find(|code| code.contains(&call) && !code.contains('…'))
    }

    /// The type of what it gives.
    #[must_use]
    pub fn returns(&self) -> &str {
        self.signature.rsplit_once(") -> ").map_or("()", |(_, of)| of)
    }

    /// Whether it is one of those that a filter ends with, and nothing else.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        self.signature.ends_with("-> Verdict")
    }
}

/// `None` for what no script calls by a name. A function whose first parameter is of one of these types is a
/// method of it.
pub fn function(entry: &Value, types: &[&str]) -> Option<Function> {
    let name = plain_name(entry)?;
    let doc = doc_of(entry);
    let params: Vec<(String, String)> = entry["params"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|p| {
            (
                p["name"].as_str().unwrap_or("_").trim_start_matches('_').to_owned(),
                plain_types(p["type"].as_str().unwrap_or("?")),
            )
        })
        // The first is the engine's own business.
        .filter(|(_, kind)| kind != "NativeCallContext")
        .collect();
    let of = params.first().map(|(_, kind)| kind.clone()).filter(|kind| types.contains(&kind.as_str()));
    let listed = |skip: usize| {
        params.iter().skip(skip).map(|(name, kind)| format!("{name}: {kind}")).collect::<Vec<_>>().join(", ")
    };
    let returns = plain_types(entry["returnType"].as_str().unwrap_or("()"));
    let returns = if returns == "()" { String::new() } else { format!(" -> {returns}") };
    let signature = match &of {
        Some(of) => format!("{}.{name}({}){returns}", of.to_lowercase(), listed(1)),
        None => format!("{name}({}){returns}", listed(0)),
    };
    let skipped = usize::from(of.is_some());
    let params = params.into_iter().skip(skipped).collect();
    Some(Function { name: name.to_owned(), signature, of, params, doc })
}

/// The first sentence, in one line.
#[must_use]
pub fn summary(doc: &str) -> String {
    let text = doc.split("\n\n").next().unwrap_or_default().lines().collect::<Vec<_>>().join(" ");
    let mut in_code = false;
    let mut ends = text.char_indices().filter(|(at, c)| {
        in_code ^= *c == '`';
        let next = text[at + c.len_utf8()..].chars().next();
        // `exit(0).`, but not e.g. `0.5` nor `e.uid`.
        !in_code && *c == '.' && next.is_none_or(char::is_whitespace)
    });
    let end = ends.next().map_or(text.len(), |(at, c)| at + c.len_utf8());
    text[..end].to_owned()
}

/// What is read of a value without a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The type it is a property of.
    pub of: String,
    pub name: String,
    /// The type of what it gives.
    pub kind: String,
    pub doc: String,
}

/// The property that an entry of the metadata reads.
pub fn property(entry: &Value) -> Option<Property> {
    let name = entry["name"].as_str()?.strip_prefix("get$")?;
    let receiver =
        entry["params"].as_array()?.iter().filter_map(|param| param["type"].as_str()).map(plain_types);
    // The first may be the engine's own business.
    let of = receiver.into_iter().find(|kind| kind != "NativeCallContext")?;
    let kind = plain_types(entry["returnType"].as_str().unwrap_or("()"));
    Some(Property { of, name: name.to_owned(), kind, doc: doc_of(entry) })
}

fn doc_of(entry: &Value) -> String {
    let doc = entry["docComments"].as_array().into_iter().flatten().filter_map(Value::as_str).map(plain_doc);
    without_sections(&doc.collect::<Vec<_>>().join("\n"))
}

/// Operators, and what `x.property` and `x[i]` become, have names that no script writes.
pub fn plain_name(entry: &Value) -> Option<&str> {
    entry["name"].as_str().filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

/// Whether functions whose first parameter is of this type are methods of it.
#[must_use]
pub fn is_method_type(name: &str) -> bool {
    METHOD_TYPES.contains(&name)
}

/// What krsi-sh adds to the language.
pub const METHOD_TYPES: [&str; 14] = [
    "Probe",
    "Event",
    "EventPart",
    "Ancestor",
    "Summary",
    "Sequence",
    "Threshold",
    "State",
    "Set",
    "Timer",
    "Files",
    "Scratch",
    "Child",
    "Pin",
];
/// Types of the language; what its library does with a value of one is written as a method.
pub const LANGUAGE_TYPES: [&str; 9] =
    ["string", "array", "map", "int", "float", "char", "blob", "range", "function"];

/// Whether a function of the library is for scripts as they are written today: what is deprecated is not, nor what is
/// about numbers that scripts do not have.
pub fn is_for_scripts(entry: &Value) -> bool {
    const FOREIGN: [&str; 11] =
        ["i8", "i16", "i32", "i128", "u8", "u16", "u32", "u64", "u128", "f32", "FLOAT"];
    let of = |param: &Value| param["type"].as_str().unwrap_or_default().to_owned();
    let foreign = |kind: String| {
        let inner = kind.rsplit_once('<').map_or(&*kind, |(_, inner)| inner.trim_end_matches('>'));
        FOREIGN.contains(&inner)
    };
    let doc = entry["docComments"].to_string();
    !doc.contains("# Deprecated") && !entry["params"].as_array().into_iter().flatten().map(of).any(foreign)
}

/// What is said before the first heading: examples and lists of parameters are the book's.
fn without_sections(doc: &str) -> String {
    let end = if doc.starts_with("# ") { 0 } else { doc.find("\n# ").unwrap_or(doc.len()) };
    doc.get(..end).unwrap_or(doc).trim_end().to_owned()
}

/// Types by the names scripts know them by.
#[must_use]
pub fn plain_types(types: &str) -> String {
    let mut out = Vec::new();
    let types =
        types.strip_prefix("Result<").and_then(|t| t.strip_suffix(", Box<EvalAltResult>>")).unwrap_or(types);
    // As Rhai writes the type of a text that finds no function.
    let types = types.replace("&str | ImmutableString | String", "string");
    for one in types.split(", ") {
        let mut one = one.trim();
        while let Some(inner) = one
            .strip_prefix("Result<")
            .or_else(|| one.strip_prefix("RhaiResultOf<"))
            .or_else(|| one.strip_prefix("Fallible<"))
        {
            one = inner.trim_end_matches('>').split(',').next().unwrap_or(inner);
        }
        let one = one.trim_start_matches('&').trim_start_matches("mut ");
        let one = one.rsplit("::").next().unwrap_or(one);
        out.push(match one {
            "ImmutableString" | "str" | "String" => "string",
            "INT" | "i64" => "int",
            "FLOAT" | "f64" => "float",
            "FnPtr" | "Fn" => "function",
            "Array" => "array",
            "Map" => "map",
            "Blob" => "blob",
            "Instant" => "timestamp",
            "Range<i64>" | "RangeInclusive<i64>" | "range=" => "range",
            "Dynamic" => "any",
            "ProbeHandle" => "Probe",
            "Answer" => "Verdict",
            "ScriptEvent" => "Event",
            "ScriptRelative" => "EventPart",
            "ScriptAncestor" => "Ancestor",
            "ScriptSummary" => "Summary",
            "SequenceHandle" => "Sequence",
            "ThresholdHandle" => "Threshold",
            "StateHandle" => "State",
            "SetHandle" => "Set",
            "PinHandle" => "Pin",
            "TimerHandle" => "Timer",
            "ScriptFile" => "File",
            "ScratchHandle" => "Scratch",
            "ChildHandle" => "Child",
            "FrozenHandle" => "Frozen",
            "EvidenceHandle" => "Evidence",
            "CharsStream" | "BitRange" => "iterator",
            other if other.starts_with("StepRange") => "iterator",
            other => other,
        });
    }
    out.join(", ")
}

fn plain_doc(comment: &str) -> String {
    let lines = comment.lines().map(|line| line.trim_start().trim_start_matches("///"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_a_whole_sentence() {
        let doc = "Ends it, 0 to 255:\n`exit(2)`. Then all is over.";
        assert_eq!(summary(doc), "Ends it, 0 to 255: `exit(2)`.");
        assert_eq!(summary("Waits 0.5 seconds"), "Waits 0.5 seconds");
    }

    #[test]
    fn types_have_the_names_that_scripts_know() {
        for (rust, script) in [
            ("&mut ImmutableString", "string"),
            ("Result<i64, Box<EvalAltResult>>", "int"),
            ("krsi_sh::script::handle::ProbeHandle", "Probe"),
            ("std::ops::RangeInclusive<i64>", "range"),
            ("Fallible<ProbeHandle>", "Probe"),
        ] {
            assert_eq!(plain_types(rust), script, "{rust}");
        }
    }
}
