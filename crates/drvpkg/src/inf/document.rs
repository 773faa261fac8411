//! A lossless INF document.
//!
//! The file is cut into items: runs of lines that belong together (one line, or several joined by `\`). Each
//! keeps its text as it was, line ending included, beside what it means; fields say where in that text they
//! stand. Printing joins the texts; an edit replaces one field's part and reads that item again.

use std::ops::Range;

use super::{
    scan,
    text::{self, Encoding, TextError},
};

/// An INF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inf {
    encoding: Encoding,
    items: Vec<Item>,
}

/// A line of an INF file, or several joined by continuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Number of its first line, from 1.
    pub line: usize,
    text: String,
    kind: ItemKind,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// White space and comments.
    Blank,
    /// `[name]`.
    Section(Field),
    /// `key = value, value` or `value, value`.
    Entry(Entry),
    /// A section header without its closing bracket.
    BrokenSection,
}

/// An entry of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What stands before `=`, if there is one.
    pub key: Option<Field>,
    /// What stands after it, separated by commas. There is at least one, possibly empty.
    pub values: Vec<Field>,
}

/// A part of an item that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its place in the item's text, without surrounding white space.
    pub span: Range<usize>,
    /// Its text: quotes, continuations and comments removed, `%tokens%` still in it.
    pub text: String,
    /// Whether any of it was quoted; a quoted text keeps its white space.
    pub quoted: bool,
    /// Whether a quote was still open at the end of the line.
    pub unterminated: bool,
}

impl Field {
    /// Whether the field has this text, without regard to case: names are case-insensitive in INF files.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.text.eq_ignore_ascii_case(name)
    }
}

impl Item {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &ItemKind {
        &self.kind
    }

    /// Its text as it stands in the file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The entry, if it is one.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        match &self.kind {
            ItemKind::Entry(entry) => Some(entry),
            _ => None,
        }
    }

    fn new(line: usize, text: String) -> Self {
        let kind = scan::classify(&text);
        Self { line, text, kind }
    }
}

impl Inf {
    /// Reads a file. Every text is an INF document of some kind; what it lacks is for its users to say.
    ///
    /// # Errors
    /// [`TextError`] when the bytes are not text.
    pub fn read(bytes: &[u8]) -> Result<Self, TextError> {
        let (encoding, text) = text::decode(bytes)?;
        Ok(Self {
            encoding,
            items: parse(&text),
        })
    }

    /// The file's bytes: exactly those that were read, unless something was edited.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        text::encode(self.encoding, &self.to_text())
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.items.iter().map(Item::text).collect()
    }

    /// How it is stored.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Its items in order.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Rewrites each item's text and reads the whole again.
    pub(super) fn rewrite(&mut self, edit: impl Fn(&Item) -> String) {
        let text: String = self.items.iter().map(edit).collect();
        self.items = parse(&text);
    }

    /// Replaces a part of an item's text.
    pub(super) fn replace(&mut self, item: usize, span: Range<usize>, with: &str) {
        if let Some(item) = self.items.get_mut(item) {
            item.text.replace_range(span, with);
        }
        self.rewrite(|item| item.text.clone());
    }

    /// Inserts a line before an item, or at the end.
    pub(super) fn insert(&mut self, before: usize, line: &str) {
        let at = before.min(self.items.len());
        if let Some(previous) = at.checked_sub(1).and_then(|index| self.items.get_mut(index))
            && !previous.text.ends_with('\n')
        {
            previous.text.push('\n');
        }
        self.items.insert(at, Item::new(0, format!("{line}\n")));
        self.rewrite(|item| item.text.clone());
    }
}

fn parse(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (item, tail) = rest.split_at(scan::logical_line(rest));
        items.push(Item::new(line, item.to_owned()));
        line += item.matches('\n').count();
        rest = tail;
    }
    items
}
