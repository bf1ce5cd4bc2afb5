//! What a fact is made of: a struct whose fields carry their documentation, for help and completion.
//!
//! [`record!`] declares one. Scripts have it as a map, with the field names as keys.

/// One field of a record, as help and completion show it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    kind: fn() -> String,
    pub doc: &'static str,
}

impl Field {
    pub const fn new(name: &'static str, kind: fn() -> String, doc: &'static str) -> Self {
        Field { name, kind, doc }
    }

    /// Returns its type in the words of scripts: `int`, `string or ()`.
    #[must_use]
    pub fn kind(&self) -> String {
        (self.kind)()
    }
}

/// A record and its fields.
pub trait Record {
    const FIELDS: &'static [Field];
}

/// A type and its name in scripts.
pub trait Kind {
    fn kind() -> String;
}

macro_rules! kinds {
    ($($rust:ty => $name:literal),* $(,)?) => {
        $(impl Kind for $rust {
            fn kind() -> String {
                $name.to_owned()
            }
        })*
    };
}

kinds! {
    String => "string", &str => "string", bool => "bool", u16 => "int", u32 => "int", u64 => "int", i32 => "int", i64 => "int",
    std::collections::BTreeMap<String, String> => "map of strings",
    serde_json::Map<String, serde_json::Value> => "map",
}

impl<T: Kind> Kind for Option<T> {
    fn kind() -> String {
        format!("{} or ()", T::kind())
    }
}

impl<T: Kind> Kind for Vec<T> {
    fn kind() -> String {
        match T::kind().as_str() {
            "map" => "array of maps".to_owned(),
            one => format!("array of {one}s"),
        }
    }
}

/// Declares a record: its fields, each with a sentence.
macro_rules! record {
    ($(#[doc = $about:literal])+ $name:ident { $($(#[doc = $doc:literal])+ $field:ident: $kind:ty,)+ }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $kind,)+
        }

        impl $crate::facts::record::Record for $name {
            const FIELDS: &'static [$crate::facts::record::Field] = &[
                $($crate::facts::record::Field::new(
                    stringify!($field),
                    <$kind as $crate::facts::record::Kind>::kind,
                    concat!($($doc),+),
                ),)+
            ];
        }

        impl $crate::facts::record::Kind for $name {
            fn kind() -> String {
                "map".to_owned()
            }
        }
    };
}

pub(crate) use record;
