//! What can go wrong with an object.

use super::Label;

/// Memory was written that nobody was entitled to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The object concerned.
    pub label: Label,
    /// Address of the object.
    pub object: u64,
    /// Its length in bytes.
    pub length: usize,
    /// Address of the first damaged byte.
    pub address: u64,
    /// The object was freed before.
    pub after_free: bool,
    /// What the byte held, and what it should have held.
    pub found: u8,
    /// See `found`.
    pub expected: u8,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            label,
            object,
            length,
            address,
            found,
            expected,
            ..
        } = self;
        let end = object + *length as u64;
        if self.after_free {
            write!(
                f,
                "byte {} of {label} was written after it was freed",
                address - object
            )?;
        } else if address < object {
            write!(
                f,
                "{} bytes before the beginning of {label} were overwritten",
                object - address
            )?;
        } else {
            write!(
                f,
                "byte {} behind the end of {label} was overwritten",
                address - end
            )?;
        }
        write!(
            f,
            " ({length} bytes at {object:#x}; {found:#04x} instead of {expected:#04x})"
        )
    }
}

/// Why memory cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocateError {
    /// Alignment not a power of two, length beyond all measure, contradictory constraints.
    #[error("the request makes no sense: {0}")]
    Request(&'static str),
    /// No memory (or no memory that satisfies the constraints).
    #[error("no memory left that satisfies the request")]
    Exhausted,
    /// The kernel's limit on mappings is near.
    #[error("too many guarded objects are alive")]
    TooManyMappings,
    /// The system refused.
    #[error("the system refuses memory: {0}")]
    System(String),
}

/// Why memory cannot be freed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreeError {
    /// It was freed already.
    #[error("{label} at {address:#x} was freed already")]
    Twice {
        /// The object.
        label: Label,
        /// Its address.
        address: u64,
    },
    /// The address is inside an object.
    #[error("{address:#x} is inside {label} (at {object:#x}), not its beginning")]
    Inside {
        /// The object.
        label: Label,
        /// What was given.
        address: u64,
        /// The object's address.
        object: u64,
    },
    /// The address is no object's.
    #[error("{0:#x} is no object's address")]
    Unknown(u64),
}
