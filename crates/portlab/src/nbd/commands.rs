//! An NBD command as SCSI commands, one after the other.

use super::{
    export::Export,
    negotiation::MAXIMUM_LENGTH,
    wire::{Error, Request, command, command_flag},
};
use crate::{
    model::{Direction, Outcome},
    workload::{cdb, status::Sense},
};

/// What a client wants, checked against its export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write { fua: bool },
    Flush,
    Trim { fua: bool },
    Zero { unmap: bool, fua: bool },
}

impl Kind {
    /// Checks a request.
    pub(super) fn of(request: &Request, export: &Export) -> Result<Self, Error> {
        let allowed = match request.command {
            command::WRITE | command::TRIM => command_flag::FUA,
            command::WRITE_ZEROES => command_flag::FUA | command_flag::NO_HOLE,
            _ => 0,
        };
        let fua = request.flags & command_flag::FUA != 0;
        if request.flags & !allowed != 0 || fua && !export.fua() {
            return Err(Error::Invalid);
        }
        let kind = match request.command {
            command::READ => Self::Read,
            command::WRITE => Self::Write { fua },
            command::FLUSH if export.flush() => Self::Flush,
            command::TRIM if export.unmap().is_some() => Self::Trim { fua },
            command::WRITE_ZEROES => Self::Zero {
                unmap: request.flags & command_flag::NO_HOLE == 0,
                fua,
            },
            command::FLUSH | command::TRIM => return Err(Error::Unsupported),
            _ => return Err(Error::Invalid),
        };
        kind.check(request, export).map(|()| kind)
    }

    fn check(self, request: &Request, export: &Export) -> Result<(), Error> {
        if self == Self::Flush {
            return if request.length == 0 && request.offset == 0 {
                Ok(())
            } else {
                Err(Error::Invalid)
            };
        }
        let writes = self != Self::Read;
        if writes && export.read_only() {
            return Err(Error::NotPermitted);
        }
        let has_data = matches!(self, Self::Read | Self::Write { .. });
        if has_data && request.length > MAXIMUM_LENGTH {
            return Err(Error::TooLong);
        }
        let block = u64::from(export.block());
        let aligned = request.offset.is_multiple_of(block) && u64::from(request.length).is_multiple_of(block);
        if request.length == 0 || !aligned {
            return Err(Error::Invalid);
        }
        let end = request.offset.checked_add(request.length.into());
        match end {
            Some(end) if end <= export.size() => Ok(()),
            _ if writes => Err(Error::NoSpace),
            _ => Err(Error::Invalid),
        }
    }
}

/// One SCSI command of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Where its bytes are in the request.
    pub(super) start: u32,
    pub(super) cdb: Vec<u8>,
    pub(super) data: Data,
}

/// A command's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    None,
    /// So many bytes come back.
    In(u32),
    /// So many bytes of the request's own go out.
    Payload(u32),
    /// These bytes go out.
    Own(Vec<u8>),
}

impl Data {
    pub(super) fn direction(&self) -> Direction {
        match self {
            Self::None => Direction::None,
            Self::In(_) => Direction::In,
            Self::Payload(_) | Self::Own(_) => Direction::Out,
        }
    }

    pub(super) fn length(&self) -> usize {
        match self {
            Self::None => 0,
            Self::In(length) | Self::Payload(length) => *length as usize,
            Self::Own(bytes) => bytes.len(),
        }
    }
}

/// The SCSI commands of a request that are still to come.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    offset: u64,
    length: u32,
    next: u32,
    flushed: bool,
}

impl Plan {
    pub(super) fn new(kind: Kind, request: &Request) -> Self {
        // WRITE SAME and UNMAP have no FUA bit: they are followed by a flush.
        let flush = match kind {
            Kind::Flush => true,
            Kind::Trim { fua } | Kind::Zero { fua, .. } => fua,
            Kind::Read | Kind::Write { .. } => false,
        };
        Self {
            kind,
            offset: request.offset,
            length: request.length,
            next: 0,
            flushed: !flush,
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn length(&self) -> u32 {
        self.length
    }

    /// Takes the next command. The flush comes after all others are `done`.
    pub(super) fn step(&mut self, export: &Export, done: bool) -> Option<Step> {
        let left = self.length.saturating_sub(self.next);
        if left > 0 && self.kind != Kind::Flush {
            let length = left.min(self.longest(export));
            let start = self.next;
            self.next = start.saturating_add(length);
            return Some(self.command(export, start, length));
        }
        if self.flushed || !done {
            return None;
        }
        self.flushed = true;
        Some(Step {
            start: 0,
            cdb: cdb::synchronize_cache_10(),
            data: Data::None,
        })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.flushed && (self.kind == Kind::Flush || self.next >= self.length)
    }

    /// Bytes of the longest command.
    fn longest(&self, export: &Export) -> u32 {
        let blocks = match self.kind {
            Kind::Trim { .. } => export.unmap(),
            Kind::Zero { .. } => export.write_same().map(|same| same.blocks),
            _ => None,
        };
        blocks.map_or(export.max_transfer(), |blocks| {
            blocks.max(1).saturating_mul(export.block()) / export.block() * export.block()
        })
    }

    fn command(&self, export: &Export, start: u32, length: u32) -> Step {
        let lba = (self.offset + u64::from(start)) / u64::from(export.block());
        let blocks = length / export.block();
        let write = |fua| {
            let command = cdb::write(cdb::Form::Ten, lba, blocks);
            if fua {
                cdb::force_unit_access(command)
            } else {
                command
            }
        };
        let (cdb, data) = match (self.kind, export.write_same()) {
            (Kind::Read | Kind::Flush, _) => (cdb::read(cdb::Form::Ten, lba, blocks), Data::In(length)),
            (Kind::Write { fua }, _) => (write(fua), Data::Payload(length)),
            (Kind::Trim { .. }, _) => {
                let list = cdb::unmap_list(lba, blocks);
                (cdb::unmap(24), Data::Own(list))
            }
            (Kind::Zero { unmap, .. }, Some(same)) => (
                cdb::write_same_16(lba, blocks, unmap && same.unmaps),
                Data::Own(vec![0; export.block() as usize]),
            ),
            (Kind::Zero { .. }, None) => (write(false), Data::Own(vec![0; length as usize])),
        };
        Step { start, cdb, data }
    }
}

/// What a client is told of a command that failed.
pub(super) fn error_of(outcome: &Outcome) -> Error {
    const ILLEGAL_REQUEST: u8 = 5;
    const DATA_PROTECT: u8 = 7;
    match outcome.sense_code() {
        Some(Sense {
            key: DATA_PROTECT,
            code: 0x27,
            qualifier: 7,
        }) => Error::NoSpace,
        Some(Sense {
            key: DATA_PROTECT, ..
        }) => Error::NotPermitted,
        Some(Sense {
            key: ILLEGAL_REQUEST,
            code: 0x20,
            ..
        }) => Error::Unsupported,
        Some(Sense {
            key: ILLEGAL_REQUEST, ..
        }) => Error::Invalid,
        _ => Error::Io,
    }
}
