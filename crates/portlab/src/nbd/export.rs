//! A disk as its driver describes it: an export.

use std::time::Duration;

use super::wire::transmission_flag as flag;
use crate::{
    model::{Address, Direction},
    workload::{
        cdb,
        disk::{Buffer as _, Command, Disk},
        startup::UnitReport,
        status::Verdict,
    },
};

/// Time-out of a question.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is asked again.
const RETRIES: u32 = 8;
/// Blocks of one WRITE SAME or UNMAP, where the unit names no limit.
const NO_LIMIT: u32 = 1 << 16;

/// What UNMAP and WRITE SAME take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Zeroing {
    /// Most blocks of one command.
    pub(super) blocks: u32,
    /// WRITE SAME may unmap, and what is unmapped reads as zeroes.
    pub(super) unmaps: bool,
}

/// A disk, and what may be asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    unit: Address,
    description: String,
    blocks: u64,
    block: u32,
    max_transfer: u32,
    read_only: bool,
    fua: bool,
    flush: bool,
    unmap: Option<u32>,
    write_same: Option<Zeroing>,
}

impl Export {
    /// Asks a disk what it offers.
    #[must_use]
    pub fn of<D: Disk>(disk: &D, unit: &UnitReport) -> Self {
        let ask = |cdb: Vec<u8>, length: usize| ask(disk, unit.unit, &cdb, length);
        let page = |code| {
            let listed = ask(cdb::inquiry(Some(0), 255), 255)?;
            let has = listed.get(4..)?.contains(&code);
            has.then(|| ask(cdb::inquiry(Some(code), 255), 255))?
        };
        let limits = page(0xB0).unwrap_or_default();
        let provisioning = page(0xB2).and_then(|page| page.get(5).copied()).unwrap_or(0);
        let capacity = ask(cdb::read_capacity_16(32), 32).unwrap_or_default();
        let reads_zeroes = capacity.get(14).is_some_and(|byte| byte & 0x40 != 0);
        let device = ask(cdb::mode_sense_6(8, 192), 192)
            .and_then(|data| data.get(2).copied())
            .unwrap_or(0);
        let has_write_same = ask(cdb::report_operation_code(0x93, 20), 20)
            .and_then(|data| data.get(1).copied())
            .is_some_and(|support| support & 7 == 3);
        let limit = |at: usize| limits.get(at..).and_then(|tail| tail.first_chunk());
        let unmap = limit(20).map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let same = limits.get(36..).and_then(|tail| tail.first_chunk());
        let same = same.map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let transfer = limit(8).map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let transfer = if transfer == 0 { u32::MAX } else { transfer };
        let max_transfer = disk
            .limits()
            .max_transfer
            .min(transfer.saturating_mul(unit.block_size));
        Self {
            unit: unit.unit,
            description: format!("{} {} {}", unit.vendor, unit.product, unit.revision),
            blocks: unit.blocks,
            block: unit.block_size,
            max_transfer: whole_blocks(max_transfer, unit.block_size),
            read_only: device & 0x80 != 0,
            fua: device & 0x10 != 0,
            flush: is_flushed(disk, unit.unit),
            unmap: (provisioning & 0x80 != 0 && unmap > 0).then_some(unmap),
            write_same: has_write_same.then(|| Zeroing {
                blocks: u32::try_from(same)
                    .ok()
                    .filter(|blocks| *blocks > 0)
                    .unwrap_or(NO_LIMIT),
                unmaps: provisioning & 0x40 != 0 && reads_zeroes,
            }),
        }
    }

    /// A plain disk, for tests.
    #[cfg(test)]
    pub(super) fn of_bytes(size: u64, block: u32) -> Self {
        Self {
            unit: Address::default(),
            description: "plain".to_owned(),
            blocks: size / u64::from(block),
            block,
            max_transfer: 64 << 10,
            read_only: false,
            fua: true,
            flush: true,
            unmap: None,
            write_same: None,
        }
    }

    /// For tests: with UNMAP and WRITE SAME of at most so many blocks.
    #[cfg(test)]
    pub(super) fn zeroing(mut self, blocks: u32) -> Self {
        self.unmap = Some(blocks);
        self.write_same = Some(Zeroing { blocks, unmaps: true });
        self
    }

    /// For tests: nothing may be written.
    #[cfg(test)]
    pub(super) fn protected(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The unit.
    #[must_use]
    pub fn unit(&self) -> Address {
        self.unit
    }

    /// Its name: path, target and unit, as in `0:0:1`.
    #[must_use]
    pub fn name(&self) -> String {
        self.unit.to_string()
    }

    /// What INQUIRY says of it.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.blocks.saturating_mul(self.block.into())
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block(&self) -> u32 {
        self.block
    }

    /// Bytes of the longest READ or WRITE, whole blocks.
    pub(super) fn max_transfer(&self) -> u32 {
        self.max_transfer
    }

    /// Nothing may be written.
    pub(super) fn read_only(&self) -> bool {
        self.read_only
    }

    /// Writes may go to the medium at once.
    pub(super) fn fua(&self) -> bool {
        self.fua
    }

    /// The cache can be flushed.
    pub(super) fn flush(&self) -> bool {
        self.flush
    }

    /// Blocks of the longest UNMAP.
    pub(super) fn unmap(&self) -> Option<u32> {
        self.unmap
    }

    /// WRITE SAME, if there is one.
    pub(super) fn write_same(&self) -> Option<Zeroing> {
        self.write_same
    }

    /// What clients are told of it. Any client's FLUSH covers all clients' writes: the disk has one cache.
    pub(super) fn transmission_flags(&self) -> u16 {
        let when = |condition, value| if condition { value } else { 0 };
        flag::HAS_FLAGS
            | flag::CAN_MULTI_CONN
            | when(self.read_only, flag::READ_ONLY)
            | when(self.flush, flag::SEND_FLUSH)
            | when(self.fua, flag::SEND_FUA)
            | when(self.unmap.is_some() && !self.read_only, flag::SEND_TRIM)
            | when(!self.read_only, flag::SEND_WRITE_ZEROES)
    }
}

fn whole_blocks(bytes: u32, block: u32) -> u32 {
    let whole = bytes.checked_div(block).unwrap_or(0).saturating_mul(block);
    whole.max(block)
}

fn is_flushed<D: Disk>(disk: &D, unit: Address) -> bool {
    let command = Command {
        processor: 0,
        unit,
        cdb: cdb::synchronize_cache_10(),
        direction: Direction::None,
        buffer: None,
        timeout: TIMEOUT,
    };
    disk.execute(command).is_success()
}

fn ask<D: Disk>(disk: &D, unit: Address, cdb: &[u8], length: usize) -> Option<Vec<u8>> {
    let buffer = disk.buffer(length).ok()?;
    for _ in 0..RETRIES {
        let outcome = disk.execute(Command {
            processor: 0,
            unit,
            cdb: cdb.to_vec(),
            direction: Direction::In,
            buffer: Some(buffer.clone()),
            timeout: TIMEOUT,
        });
        match outcome.verdict() {
            Verdict::Done => {
                let mut data = vec![0; length.min(outcome.transferred as usize)];
                buffer.read(0, &mut data);
                return Some(data);
            }
            Verdict::Retry(pause) => disk.pause(pause),
            Verdict::Failed => return None,
        }
    }
    None
}
