//! Records with their members.

use std::collections::HashMap;

use pdb_addr2line::pdb::{self, FallibleIterator, TypeData, TypeIndex, TypeInformation};
use serde::Serialize;

/// A structure or union.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its name, as the compiler wrote it.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Its members.
    pub members: Vec<Member>,
}

/// A member of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Bytes from the beginning of the record.
    pub offset: u64,
    /// What it is.
    pub shape: Shape,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A structure or union of this name.
    Record(String),
    /// A pointer.
    Pointer(Box<Shape>),
    /// `count` elements, one behind the other.
    Array {
        /// Each of them.
        element: Box<Shape>,
        /// Their number.
        count: u64,
    },
    /// An integer, a character, a boolean or an enumeration, of so many bytes; 0: not known.
    Number(u8),
    /// Anything else, for example a function.
    Other,
}

/// The records of a PDB, by name.
#[derive(Debug, Clone, Default)]
pub struct Types {
    records: HashMap<String, Record>,
}

impl Types {
    /// Of records.
    pub fn new(records: impl IntoIterator<Item = Record>) -> Self {
        Self {
            records: records
                .into_iter()
                .map(|record| (record.name.clone(), record))
                .collect(),
        }
    }

    /// Reads all that are defined.
    pub(super) fn read(information: &TypeInformation<'_>) -> Result<Self, pdb::Error> {
        let mut reader = Reader::default();
        let mut items = information.iter();
        while let Some(item) = items.next()? {
            if let Ok(data) = item.parse() {
                reader.raw.insert(item.index().0, data);
            }
        }
        Ok(Self::new(reader.records()))
    }

    /// The record of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Record> {
        self.records.get(name)
    }

    /// The records whose name fits a natvis type name, in which `*` stands for anything; by name.
    #[must_use]
    pub fn matching(&self, pattern: &str) -> Vec<&Record> {
        let mut found: Vec<_> = self
            .records
            .values()
            .filter(|record| fits(&record.name, pattern))
            .collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }

    /// Bytes of a value; `None` if that is not known.
    #[must_use]
    pub fn size(&self, shape: &Shape) -> Option<u64> {
        match shape {
            Shape::Record(name) => self.get(name).map(|record| record.size),
            Shape::Pointer(_) => Some(8),
            Shape::Array { element, count } => self.size(element)?.checked_mul(*count),
            Shape::Number(0) | Shape::Other => None,
            Shape::Number(bytes) => Some(u64::from(*bytes)),
        }
    }

    /// These records and all that they contain, pointers not followed.
    #[must_use]
    pub fn with_contents<'names>(&self, names: impl IntoIterator<Item = &'names str>) -> Vec<&Record> {
        let mut wanted: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut found: HashMap<&str, &Record> = HashMap::new();
        while let Some(name) = wanted.pop() {
            let Some(record) = self.get(&name) else { continue };
            if found.insert(&record.name, record).is_none() {
                let inner = record
                    .members
                    .iter()
                    .filter_map(|member| contained(&member.shape));
                wanted.extend(inner.map(str::to_owned));
            }
        }
        let mut found: Vec<_> = found.into_values().collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }
}

/// The record that a value is, or is an array of.
fn contained(shape: &Shape) -> Option<&str> {
    match shape {
        Shape::Record(name) => Some(name),
        Shape::Array { element, .. } => contained(element),
        Shape::Pointer(_) | Shape::Number(_) | Shape::Other => None,
    }
}

/// Whether `name` fits `pattern`.
fn fits(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(place) = rest.find(part) else {
            return false;
        };
        rest = rest.get(place + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// Pointers to pointers, arrays of arrays: more than this is not followed.
const DEEPEST: u32 = 16;

#[derive(Default)]
struct Reader<'types> {
    raw: HashMap<u32, TypeData<'types>>,
}

impl Reader<'_> {
    fn records(&self) -> Vec<Record> {
        let defined = self.raw.values().filter_map(|data| match data {
            TypeData::Class(class) if !class.properties.forward_reference() => {
                Some((class.name, class.size, class.fields))
            }
            TypeData::Union(union) if !union.properties.forward_reference() => {
                Some((union.name, union.size, Some(union.fields)))
            }
            _ => None,
        });
        defined
            .map(|(name, size, fields)| Record {
                name: name.to_string().into_owned(),
                size,
                members: self.members(fields),
            })
            .collect()
    }

    fn members(&self, mut fields: Option<TypeIndex>) -> Vec<Member> {
        let mut found = Vec::new();
        while let Some(TypeData::FieldList(list)) = fields.and_then(|index| self.raw.get(&index.0)) {
            found.extend(list.fields.iter().filter_map(|field| match field {
                TypeData::Member(member) => Some(Member {
                    name: member.name.to_string().into_owned(),
                    offset: member.offset,
                    shape: self.shape(member.field_type, 0),
                }),
                _ => None,
            }));
            fields = list.continuation;
        }
        found
    }

    fn shape(&self, index: TypeIndex, depth: u32) -> Shape {
        if depth > DEEPEST {
            return Shape::Other;
        }
        let inner = |index| Box::new(self.shape(index, depth + 1));
        match self.raw.get(&index.0) {
            Some(TypeData::Class(class)) => Shape::Record(class.name.to_string().into_owned()),
            Some(TypeData::Union(union)) => Shape::Record(union.name.to_string().into_owned()),
            Some(TypeData::Pointer(pointer)) => Shape::Pointer(inner(pointer.underlying_type)),
            Some(TypeData::Modifier(modifier)) => self.shape(modifier.underlying_type, depth + 1),
            Some(TypeData::Enumeration(enumeration)) => self.shape(enumeration.underlying_type, depth + 1),
            Some(TypeData::Array(array)) => {
                let element = inner(array.element_type);
                let bytes = array.dimensions.last().copied().unwrap_or(0);
                let each = self.bytes(array.element_type, depth + 1);
                let count = u64::from(bytes).checked_div(each).unwrap_or(0);
                Shape::Array { element, count }
            }
            // Simple types have no record of their own.
            None => simple(index),
            Some(_) => Shape::Other,
        }
    }

    fn bytes(&self, index: TypeIndex, depth: u32) -> u64 {
        if depth > DEEPEST {
            return 0;
        }
        match self.raw.get(&index.0) {
            Some(TypeData::Class(class)) if class.properties.forward_reference() => self.defined(&class.name),
            Some(TypeData::Class(class)) => class.size,
            Some(TypeData::Union(union)) if union.properties.forward_reference() => self.defined(&union.name),
            Some(TypeData::Union(union)) => union.size,
            Some(TypeData::Pointer(_)) => 8,
            Some(TypeData::Modifier(modifier)) => self.bytes(modifier.underlying_type, depth + 1),
            Some(TypeData::Enumeration(enumeration)) => self.bytes(enumeration.underlying_type, depth + 1),
            Some(TypeData::Array(array)) => u64::from(array.dimensions.last().copied().unwrap_or(0)),
            _ => match self.shape(index, depth) {
                Shape::Number(bytes) => u64::from(bytes),
                Shape::Pointer(_) => 8,
                _ => 0,
            },
        }
    }

    /// Bytes of the record of this name, which was only announced where it is used.
    fn defined(&self, name: &pdb::RawString<'_>) -> u64 {
        let sizes = self.raw.values().filter_map(|data| match data {
            TypeData::Class(class) if class.name == *name && !class.properties.forward_reference() => {
                Some(class.size)
            }
            TypeData::Union(union) if union.name == *name && !union.properties.forward_reference() => {
                Some(union.size)
            }
            _ => None,
        });
        sizes.max().unwrap_or(0)
    }
}

/// A simple type: the low byte of its index says what, bits 8 to 11 whether it is a pointer to that.
fn simple(index: TypeIndex) -> Shape {
    let value = match index.0 & 0xFF {
        0x10 | 0x20 | 0x30 | 0x68 | 0x69 | 0x70 | 0x7C => Shape::Number(1),
        0x11 | 0x21 | 0x31 | 0x71 | 0x72 | 0x73 | 0x7A => Shape::Number(2),
        0x12 | 0x22 | 0x32 | 0x40 | 0x74 | 0x75 | 0x7B => Shape::Number(4),
        0x13 | 0x23 | 0x33 | 0x41 | 0x76 | 0x77 => Shape::Number(8),
        0x14 | 0x24 | 0x78 | 0x79 => Shape::Number(16),
        _ => Shape::Other,
    };
    if index.0 & 0xF00 == 0 {
        value
    } else {
        Shape::Pointer(Box::new(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (name, pattern, expected) in [
            ("a::B<c::D>", "a::B<*>", true),
            ("a::B<c::D>", "a::B<c::*>", true),
            ("a::B<c::D>", "*", true),
            ("a::B", "a::B", true),
            ("a::Bx", "a::B", false),
            ("a::B<c::D>x", "a::B<*>", false),
            ("a::B<c, d, e>", "a::B<*,*>", true),
            ("a::C<c::D>", "a::B<*>", false),
        ] {
            assert_eq!(fits(name, pattern), expected, "{name} as {pattern}");
        }
    }

    #[test]
    fn what_a_record_contains_comes_with_it() {
        let member = |name: &str, shape| Member {
            name: name.to_owned(),
            offset: 0,
            shape,
        };
        let record = |name: &str, members| Record {
            name: name.to_owned(),
            size: 1,
            members,
        };
        let types = Types::new([
            record(
                "outer",
                vec![member(
                    "array",
                    Shape::Array {
                        element: Box::new(Shape::Record("inner".to_owned())),
                        count: 3,
                    },
                )],
            ),
            record(
                "inner",
                vec![member(
                    "far",
                    Shape::Pointer(Box::new(Shape::Record("elsewhere".to_owned()))),
                )],
            ),
            record("elsewhere", vec![]),
        ]);
        let names: Vec<_> = types
            .with_contents(["outer"])
            .iter()
            .map(|record| record.name.as_str())
            .collect();
        assert_eq!(names, ["inner", "outer"]);
        let array = &types.get("outer").unwrap().members[0].shape;
        assert_eq!(types.size(array), Some(3));
    }
}
