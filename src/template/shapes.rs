//! Shapes and numbers of an object's C types, for tests that compare what Rust says of them itself.

use btf_rs::{Btf, BtfType, Type};
use object::{Object, ObjectSection, ObjectSymbol};

use super::Catalogue;

/// The types of one object.
pub struct Shapes {
    btf: Btf,
    /// Names of symbols, and their sizes.
    symbols: Vec<(String, u64)>,
}

impl Shapes {
    /// Of a template's object.
    pub fn of(template: &str) -> Self {
        let catalogue = Catalogue::builtin().unwrap();
        let elf = object::File::parse(catalogue.get(template).unwrap().object()).unwrap();
        let btf = Btf::from_bytes(elf.section_by_name(".BTF").unwrap().data().unwrap()).unwrap();
        let symbols = elf.symbols().map(|s| (s.name().unwrap().to_owned(), s.size())).collect();
        Shapes { btf, symbols }
    }

    fn named<T>(&self, name: &str, wanted: impl Fn(Type) -> Option<T>) -> T {
        let ids = self.btf.resolve_ids_by_name(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut found = ids.iter().filter_map(|id| wanted(self.btf.resolve_type_by_id(*id).ok()?));
        found.next().unwrap_or_else(|| panic!("{name}: no such type"))
    }

    fn structure(&self, name: &str) -> btf_rs::Struct {
        self.named(name, |found| match found {
            Type::Struct(found) => Some(found),
            _ => None,
        })
    }

    fn member(&self, of: &str, name: &str) -> btf_rs::Member {
        let members = self.structure(of).members;
        let mut found = members.into_iter().filter(|m| self.btf.resolve_name(m).is_ok_and(|n| n == name));
        found.next().unwrap_or_else(|| panic!("struct {of} has no `{name}`"))
    }

    /// Size of a struct in bytes.
    pub fn size(&self, of: &str) -> usize {
        self.structure(of).size()
    }

    /// Byte offset of a struct's member.
    pub fn offset(&self, of: &str, name: &str) -> usize {
        self.member(of, name).bit_offset() as usize / 8
    }

    /// How many elements a struct's array has.
    pub fn length(&self, of: &str, name: &str) -> usize {
        match self.btf.resolve_type_by_id(self.member(of, name).get_type_id().unwrap()).unwrap() {
            Type::Array(array) => array.len(),
            other => panic!("struct {of}: `{name}` is a {}", other.name()),
        }
    }

    /// The value of a member of an enum.
    pub fn number(&self, of: &str, name: &str) -> u64 {
        let members = self.named(of, |found| match found {
            Type::Enum(found) => Some(found.members),
            _ => None,
        });
        let found = members.iter().find(|m| self.btf.resolve_name(*m).is_ok_and(|n| n == name));
        u64::from(found.unwrap_or_else(|| panic!("enum {of} has no `{name}`")).val())
    }

    /// Size of what a symbol names in bytes.
    pub fn symbol(&self, name: &str) -> usize {
        let found = self.symbols.iter().find(|(known, _)| known == name);
        usize::try_from(found.unwrap_or_else(|| panic!("no symbol `{name}`")).1).unwrap()
    }
}
