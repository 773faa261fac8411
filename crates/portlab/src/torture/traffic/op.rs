//! What a request is for.

use std::fmt;

use fastrand::Rng;

use super::super::pattern::{ANYTHING, Version};
use crate::model::DataBuffer;

use super::super::ledger::Stamp;

/// A question that the driver answers, alone or with the controller's help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// INQUIRY, the standard data: the first one that is answered starts the unit's device object.
    Inquiry,
    /// INQUIRY of a unit that there is not.
    Nobody,
    /// INQUIRY, a vital product data page.
    Page(u8),
    /// REPORT LUNS.
    Luns,
    /// READ CAPACITY (16).
    Capacity,
    /// MODE SENSE (10) of the Caching page.
    Caching,
    /// LOG SENSE of a page; of the health log, but for page 00h.
    Log(u8),
    /// PERSISTENT RESERVE IN, by service action.
    Reservations(u8),
}

/// A change of a unit's reservations, by the service action of PERSISTENT RESERVE OUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserve {
    /// REGISTER AND IGNORE EXISTING KEY.
    Register,
    /// RESERVE, Write Exclusive.
    Take,
    /// RELEASE.
    Release,
    /// CLEAR.
    Clear,
}

/// What a request is for. The numbers of writes are given when it is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// READ.
    Read,
    /// WRITE.
    Write {
        /// Which write.
        version: Version,
        /// With FUA.
        through: bool,
    },
    /// WRITE AND VERIFY.
    WriteAndVerify {
        /// Which write.
        version: Version,
        /// With BYTCHK = 01b.
        compares: bool,
    },
    /// WRITE SAME (16).
    WriteSame {
        /// Which write; 0 writes zeroes.
        version: Version,
        /// The blocks may be unmapped instead.
        unmap: bool,
    },
    /// UNMAP.
    Unmap {
        /// In so many descriptors, the first of which is empty if there are several.
        descriptors: u8,
    },
    /// COMPARE AND WRITE of one block.
    CompareAndWrite {
        /// What it is compared with.
        expected: Version,
        /// The block holds that.
        equal: bool,
        /// Which write.
        version: Version,
    },
    /// VERIFY.
    Verify,
    /// SYNCHRONIZE CACHE.
    Flush,
    /// TEST UNIT READY.
    Ready,
    /// A question.
    Ask(Question),
    /// MODE SELECT (6) of the write cache.
    SetCache {
        /// On.
        on: bool,
    },
    /// PERSISTENT RESERVE OUT.
    Reserve(Reserve),
}

impl Op {
    /// Which write the blocks hold afterwards, if they change.
    pub(super) const fn writes(self) -> Option<Version> {
        match self {
            Self::Write { version, .. }
            | Self::WriteAndVerify { version, .. }
            | Self::WriteSame { version, .. }
            | Self::CompareAndWrite { version, .. } => Some(version),
            Self::Unmap { .. } => Some(0),
            _ => None,
        }
    }

    /// Whether it is about blocks.
    pub(super) const fn is_about_blocks(self) -> bool {
        matches!(self, Self::Read | Self::Verify) || self.writes().is_some()
    }

    /// Whether the driver makes several commands of it, or one whose data are not the initiator's: then it may have no place for it.
    pub(super) const fn is_exchange(self) -> bool {
        matches!(
            self,
            Self::WriteAndVerify { .. }
                | Self::WriteSame { .. }
                | Self::Unmap { .. }
                | Self::CompareAndWrite { .. }
                | Self::Verify
                | Self::SetCache { .. }
                | Self::Reserve(_)
                | Self::Ask(Question::Log(_) | Question::Reservations(_))
        )
    }

    /// Draws one, for a controller with a write cache or without, whose blocks can be deallocated or cannot.
    pub(super) fn draw(random: &mut Rng, has_cache: bool, thin: bool) -> Self {
        match random.u32(0..100) {
            0..34 => Self::Read,
            34..66 => Self::Write {
                version: 0,
                through: random.u32(0..4) == 0,
            },
            66..73 => Self::Flush,
            73..75 => Self::Ready,
            75..84 => Self::Ask(Question::draw(random)),
            84..88 if thin => Self::Unmap {
                descriptors: random.u8(1..=3),
            },
            84..92 => Self::WriteSame {
                version: random.u32(0..3).min(1),
                unmap: thin && random.bool(),
            },
            92..95 => Self::CompareAndWrite {
                expected: 0,
                equal: random.u32(0..4) != 0,
                version: 0,
            },
            95..97 => Self::WriteAndVerify {
                version: 0,
                compares: random.bool(),
            },
            97 => Self::Verify,
            98 if has_cache => Self::SetCache { on: random.bool() },
            _ => Self::Reserve(match random.u32(0..4) {
                0 => Reserve::Take,
                1 => Reserve::Release,
                2 => Reserve::Clear,
                _ => Reserve::Register,
            }),
        }
    }
}

impl Question {
    fn draw(random: &mut Rng) -> Self {
        const PAGES: [u8; 7] = [0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2, 0x86];
        match random.u32(0..16) {
            0..3 => Self::Inquiry,
            3 => Self::Nobody,
            4..7 => Self::Page(PAGES[random.usize(0..PAGES.len())]),
            7..10 => Self::Luns,
            10 | 11 => Self::Capacity,
            12 => Self::Caching,
            13 => Self::Log(0),
            14 => Self::Log(0x0d),
            _ => Self::Reservations(random.u8(0..=1)),
        }
    }
}

/// A request in flight.
pub(super) struct Flight {
    pub(super) unit: u8,
    pub(super) op: Op,
    pub(super) block: u64,
    pub(super) count: u64,
    pub(super) begun: Stamp,
    pub(super) buffer: Option<DataBuffer>,
    /// A thread of the application writes to the buffer meanwhile.
    pub(super) changing: bool,
}

impl Flight {
    /// Which write the blocks hold afterwards, if they change.
    pub(super) fn writes(&self) -> Option<Version> {
        let version = self.op.writes()?;
        let takes_data = !matches!(self.op, Op::Unmap { .. });
        Some(if self.changing && takes_data {
            ANYTHING
        } else {
            version
        })
    }

    pub(super) fn covers(&self, unit: u8, block: u64) -> bool {
        self.unit == unit && (self.block..self.block + self.count).contains(&block)
    }
}

impl fmt::Display for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            unit, block, count, ..
        } = self;
        let place = format_args!("of {count} block(s) at {block} of unit {unit}");
        match self.op {
            Op::Read => write!(f, "READ {place}"),
            Op::Write { version, through } => {
                let through = if through { " with FUA" } else { "" };
                write!(f, "WRITE{through} {version} {place}")
            }
            Op::WriteAndVerify { version, .. } => write!(f, "WRITE AND VERIFY {version} {place}"),
            Op::WriteSame { version, .. } => write!(f, "WRITE SAME {version} {place}"),
            Op::Unmap { .. } => write!(f, "UNMAP {place}"),
            Op::CompareAndWrite {
                expected, version, ..
            } => write!(f, "COMPARE AND WRITE {expected}, {version} {place}"),
            Op::Verify => write!(f, "VERIFY {place}"),
            Op::Flush => write!(f, "flush of unit {unit}"),
            Op::Ready => write!(f, "TEST UNIT READY of unit {unit}"),
            Op::Ask(question) => write!(f, "question {question:?} to unit {unit}"),
            Op::SetCache { on } => {
                let state = if on { "on" } else { "off" };
                write!(f, "MODE SELECT, write cache {state}, of unit {unit}")
            }
            Op::Reserve(action) => write!(f, "PERSISTENT RESERVE OUT {action:?} to unit {unit}"),
        }?;
        if self.changing {
            f.write_str(" on a changing buffer")?;
        }
        Ok(())
    }
}
