//! What the operations of a command table give and refuse.

/// Why no slot was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimError {
    /// The table is closed: before [`super::CommandTable::start`], or since a reset began.
    Closed,
    /// All slots are in use: push back (`SRB_STATUS_BUSY`).
    Full,
}

/// The table was closed while the request was being published: the payload is the caller's again, nothing was
/// issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawn;

/// What became of a published request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Published {
    /// It is in flight: ring the doorbell.
    InFlight,
    /// A reclaim has taken it already: the payload is not the caller's any more, and no doorbell is needed.
    Reclaimed,
}

/// Why a completion names no request in flight. None of them hands out a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The identifier's slot does not exist.
    UnknownSlot,
    /// The slot is in another generation: a late or repeated completion of an earlier request.
    StaleGeneration,
    /// The slot has no request published in that generation: never issued.
    NotInFlight,
    /// Somebody has just taken that very request: a duplicate, or a reclaim.
    AlreadyTaken,
}

/// Why a table was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The table is open.
    Open,
    /// Requests are in flight: reclaim them first.
    InFlight,
}

/// The proof does not cover this table's queue and life; nothing was reclaimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotCovered;

/// A claimed slot. To be published or cancelled; dropped, the slot stays unused until the table's memory is zeroed.
#[derive(Debug)]
#[must_use]
pub struct Claim {
    pub(super) index: u16,
    pub(super) command_id: u16,
    pub(super) generation: u32,
    pub(super) gate: u32,
}

impl Claim {
    /// The slot's index, below the table's limit.
    #[must_use]
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// The command identifier to put into the submission entry.
    #[must_use]
    pub const fn command_id(&self) -> u16 {
        self.command_id
    }
}

/// A request taken out of flight, exactly once. To be given to [`super::CommandTable::release`] when whatever belongs to the
/// slot's index has been taken from its place; until then the slot is not claimed again.
#[derive(Debug)]
#[must_use]
pub struct Taken {
    pub(super) index: u16,
    pub(super) generation: u32,
    pub(super) payload: usize,
}

impl Taken {
    /// The slot's index.
    #[must_use]
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// What was published as the payload.
    #[must_use]
    pub const fn payload(&self) -> usize {
        self.payload
    }
}
