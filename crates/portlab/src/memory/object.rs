//! What can be asked for, and what is handed out.

use std::sync::Arc;

/// Whom an object belongs to, in words: `SRB extension of READ(10), tag 7`.
pub type Label = Arc<str>;

/// Which end of a guarded object touches the inaccessible page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Placement {
    /// The end, as far as the alignment allows; canaries fill the rest.
    #[default]
    End,
    /// The beginning.
    Start,
    /// Either, by the arena's seed.
    Either,
}

/// Whether an object gets pages of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guarding {
    /// Always.
    Always,
    /// One in N, as the arena is set; always if it is too large to be packed.
    #[default]
    Sampled,
}

/// What fresh memory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fill {
    /// [`super::FRESH`] bytes: the driver must not rely on the content.
    #[default]
    Poison,
    /// Zeroes, where the interface promises them.
    Zero,
}

/// A request for memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Bytes; zero is taken as one.
    pub length: usize,
    /// Alignment of the address, a power of two.
    pub alignment: usize,
    /// Which end is guarded.
    pub placement: Placement,
    /// Whether it is guarded.
    pub guarding: Guarding,
    /// What it holds.
    pub fill: Fill,
    /// Whose it is.
    pub label: Label,
}

impl Request {
    /// `length` bytes aligned to 16 (as pool memory is), poisoned, guarded one in N.
    #[must_use]
    pub fn new(length: usize, label: impl Into<Label>) -> Self {
        Self {
            length,
            alignment: 16,
            placement: Placement::default(),
            guarding: Guarding::default(),
            fill: Fill::default(),
            label: label.into(),
        }
    }

    /// With another alignment.
    #[must_use]
    pub fn aligned(mut self, alignment: usize) -> Self {
        self.alignment = alignment;
        self
    }

    /// With pages of its own.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.guarding = Guarding::Always;
        self
    }

    /// Zeroed.
    #[must_use]
    pub fn zeroed(mut self) -> Self {
        self.fill = Fill::Zero;
        self
    }
}

/// An object that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block {
    /// Its address.
    pub address: u64,
    /// Its length in bytes.
    pub length: usize,
}

impl Block {
    /// Whether `address..address + length` lies in the block.
    #[must_use]
    pub const fn contains(&self, address: u64, length: usize) -> bool {
        match address.checked_sub(self.address) {
            Some(offset) => offset <= self.length as u64 && length as u64 <= self.length as u64 - offset,
            None => false,
        }
    }
}

/// An object as the arena keeps it.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) block: Block,
    pub(super) label: Label,
    /// First byte and length of what is the object's alone: its cell or its pages.
    pub(super) home: Block,
    pub(super) guarded: bool,
    pub(super) freed: bool,
    /// The kind of slab its cell belongs to.
    pub(super) kind: u8,
    /// Serial number, which tells a quarantined object from a later one.
    pub(super) number: u64,
}

impl Object {
    /// Where `address` lies in relation to the object.
    pub(super) fn describe(&self, address: u64) -> String {
        let Block {
            address: start,
            length,
        } = self.block;
        let end = start + length as u64;
        let state = if self.freed { "freed " } else { "" };
        let label = &self.label;
        if address < start {
            format!(
                "{} bytes before {state}{label} ({length} bytes at {start:#x})",
                start - address
            )
        } else if address >= end {
            format!(
                "{} bytes behind the end of {state}{label} ({length} bytes at {start:#x})",
                address - end
            )
        } else {
            format!(
                "byte {} of {state}{label} ({length} bytes at {start:#x})",
                address - start
            )
        }
    }
}
