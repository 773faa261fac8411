//! Commands that go over a range of blocks in steps: WRITE SAME, VERIFY without Verify, WRITE AND VERIFY.

use nvme::io::{self, BlockRange};
use nvme::{DataPointer, NamespaceId};
use scsi::cdb::MediaAccess;
use scsi::sense::Sense;

use super::{AREA_BYTES, Area, Command, Data, DataOut, Exchange, Kind, Next, parameters};
use crate::provisioning;
use crate::request::{Request, Transfer, Translation};
use crate::unit::{Controller, Namespace};

/// What is done to the blocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sweep {
    /// They are written with one block of data.
    Write {
        /// They may be deallocated if it is zeroes.
        deallocate: bool,
        /// There is a block of data; without it, it is zeroes.
        data: bool,
    },
    /// They are read, and what is read goes nowhere.
    Read,
    /// They are compared with one block of data.
    Compare,
}

/// A sweep under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Progress {
    sweep: Sweep,
    /// Write Zeroes does it.
    zeroes: bool,
    has_write_zeroes: bool,
    next: u64,
    left: u32,
    /// Blocks that one command with data takes.
    step: u32,
    transferred: u32,
}

impl Exchange {
    /// A sweep over the blocks of `access`, which exist.
    pub(crate) fn sweep(
        request: &Request<'_>,
        controller: &Controller,
        namespace: &Namespace,
        access: &MediaAccess,
        sweep: Sweep,
    ) -> Translation {
        let takes_data = match sweep {
            Sweep::Write { data, .. } => data,
            Sweep::Read => false,
            Sweep::Compare => true,
        };
        let bytes = if takes_data { namespace.block_length() } else { 0 };
        let wrong_length = Translation::check_condition(Sense::invalid_field(access.transfer_length_field));
        if takes_data && request.data_length != bytes {
            return wrong_length;
        }
        let step = namespace.max_transfer_blocks(controller);
        if step == 0 || !provisioning::fits_area(controller, namespace) {
            return Translation::check_condition(Sense::INVALID_OPCODE);
        }
        let progress = Progress {
            sweep,
            zeroes: false,
            has_write_zeroes: controller.features.write_zeroes,
            next: access.lba,
            left: access.blocks,
            step,
            transferred: bytes,
        };
        Self::with_data_out(request, namespace, bytes, wrong_length, Kind::Sweep(progress))
    }

    /// WRITE AND VERIFY: the Write is `transfer`, which goes through to the medium; `compares` with BYTCHK = 01b.
    pub(crate) fn write_and_verify(
        request: &Request<'_>,
        controller: &Controller,
        namespace: &Namespace,
        transfer: Transfer,
        compares: bool,
    ) -> Translation {
        let check = if compares {
            Check::Compare
        } else if controller.features.verify {
            Check::Verify
        } else {
            Check::Read
        };
        let state = WriteAndVerify {
            transfer,
            check,
            written: false,
            verified: false,
        };
        Translation::Exchange(Self::new(request, namespace, Kind::WriteAndVerify(state)))
    }
}

impl Progress {
    pub(super) fn begin(
        &mut self,
        namespace: NamespaceId,
        block_shift: u8,
        data: &mut dyn DataOut,
        area: &mut dyn Area,
    ) -> Next {
        let block = 1_usize.wrapping_shl(u32::from(block_shift));
        let zero = match self.sweep {
            Sweep::Read => false,
            Sweep::Write { data: false, .. } => {
                const ZEROES: [u8; 64] = [0; 64];
                for offset in (0..AREA_BYTES).step_by(ZEROES.len()) {
                    area.write(offset, &ZEROES);
                }
                true
            }
            Sweep::Write { .. } | Sweep::Compare => {
                match parameters::copy(data, 0, area, block, AREA_BYTES) {
                    Some(zero) => zero,
                    // The mapped buffer is shorter than the request says.
                    None => return Next::check_condition(Sense::PARAMETER_LIST_LENGTH_ERROR),
                }
            }
        };
        self.zeroes = zero && matches!(self.sweep, Sweep::Write { .. }) && self.has_write_zeroes;
        self.next(namespace, block_shift)
    }

    /// The next command, or the end.
    pub(super) fn next(&mut self, namespace: NamespaceId, block_shift: u8) -> Next {
        let step = if self.zeroes {
            provisioning::WRITE_SAME_BLOCKS
        } else {
            self.step
        };
        let blocks = self.left.min(step);
        let Some(range) = BlockRange::new(self.next, blocks) else {
            return Next::Done {
                transferred: self.transferred,
            };
        };
        self.left = self.left.saturating_sub(blocks);
        self.next = self.next.saturating_add(u64::from(blocks));
        let bytes = blocks.wrapping_shl(u32::from(block_shift));
        let nowhere = DataPointer::NONE;
        Next::Submit(match self.sweep {
            Sweep::Write { deallocate, .. } if self.zeroes => Command::io(
                io::write_zeroes(namespace, range, deallocate, false),
                Data::None,
                0,
            ),
            Sweep::Write { .. } => {
                Command::io(io::write(namespace, range, nowhere, false), Data::Repeat, bytes)
            }
            Sweep::Read => Command::io(io::read(namespace, range, nowhere, true), Data::Repeat, bytes),
            Sweep::Compare => Command::io(io::compare(namespace, range, nowhere), Data::Repeat, bytes),
        })
    }
}

/// How what was written is verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Check {
    Verify,
    Read,
    Compare,
}

/// WRITE AND VERIFY under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct WriteAndVerify {
    transfer: Transfer,
    check: Check,
    written: bool,
    verified: bool,
}

impl WriteAndVerify {
    pub(super) const fn bytes(&self) -> u32 {
        self.transfer.bytes
    }

    pub(super) fn begin(&mut self, namespace: NamespaceId) -> Next {
        let Transfer { range, bytes, .. } = self.transfer;
        self.written = true;
        let entry = io::write(namespace, range, DataPointer::NONE, true);
        Next::Submit(Command::io(entry, Data::Buffer, bytes))
    }

    pub(super) fn next(&mut self, namespace: NamespaceId) -> Next {
        let Transfer { range, bytes, .. } = self.transfer;
        if self.verified || !self.written {
            return Next::Done { transferred: bytes };
        }
        self.verified = true;
        let nowhere = DataPointer::NONE;
        Next::Submit(match self.check {
            Check::Verify => Command::io(io::verify(namespace, range), Data::None, 0),
            Check::Read => Command::io(io::read(namespace, range, nowhere, true), Data::Repeat, bytes),
            Check::Compare => Command::io(io::compare(namespace, range, nowhere), Data::Buffer, bytes),
        })
    }
}
