//! Firmware Image Download and Firmware Commit (Base 1.4, 5.12 and 5.11), firmware slots, and which of them is in force.
//!
//! An image of this controller is [`MAGIC`], a revision of 8 characters, the length of the whole image, a checksum, and
//! whatever follows: the sum of all its bytes after the checksum, both numbers little-endian dwords.

use std::collections::BTreeMap;

use crate::{
    Memory,
    command::{Answer, Command},
    controller::Controller,
    status::Status,
    transfer,
};

/// How an image begins.
const MAGIC: [u8; 8] = *b"FERROFW\0";
/// Magic, revision, length, checksum.
const HEADER: usize = 24;
/// Slots; the first cannot be written to.
pub(crate) const SLOTS: u8 = 3;
/// Firmware update granularity: offset and length of each part are multiples of it.
const GRANULARITY: u64 = 4096;
/// The largest image.
const MOST_BYTES: u64 = 4 << 20;

/// Parts of an image that were downloaded, and the slots.
#[derive(Debug, Clone)]
pub(crate) struct Firmware {
    /// By offset; a reset forgets them.
    parts: BTreeMap<u64, Vec<u8>>,
    /// Revisions of slots 1 to [`SLOTS`]; None: empty.
    revisions: [Option<[u8; 8]>; SLOTS as usize],
    /// The slot in force, and the one that will be after the next reset; 0: no other.
    active: u8,
    next: u8,
}

impl Firmware {
    pub(crate) fn new(revision: &str) -> Self {
        let mut first = [b' '; 8];
        for (to, from) in first.iter_mut().zip(revision.bytes()) {
            *to = from;
        }
        Self {
            parts: BTreeMap::new(),
            revisions: [Some(first), None, None],
            active: 1,
            next: 0,
        }
    }

    /// The revision in force.
    pub(crate) fn revision(&self) -> [u8; 8] {
        self.revisions[usize::from(self.active) - 1].unwrap_or([b' '; 8])
    }

    /// Whether another image waits for a reset.
    pub(crate) fn is_pending(&self) -> bool {
        self.next != 0
    }

    /// A controller reset: what was committed for it is in force, what was downloaded and not committed is gone.
    pub(crate) fn reset(&mut self) {
        self.parts.clear();
        if self.next != 0 {
            self.active = std::mem::take(&mut self.next);
        }
    }

    /// Firmware Slot Information, page 03h (figure 207).
    pub(crate) fn page(&self) -> Vec<u8> {
        let mut page = vec![0; 512];
        page[0] = self.active | self.next << 4;
        for (place, revision) in page[8..].chunks_exact_mut(8).zip(&self.revisions) {
            place.copy_from_slice(&revision.unwrap_or_default());
        }
        page
    }

    /// The revision of the image that the parts make, if they make one.
    fn image(&self) -> Option<[u8; 8]> {
        let mut image: Vec<u8> = Vec::new();
        for (offset, part) in &self.parts {
            if *offset != image.len() as u64 {
                return None;
            }
            image.extend(part);
        }
        let (header, _) = image.split_at_checked(HEADER)?;
        let dword = |at: usize| {
            header[at..at + 4]
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
        };
        let body = image.get(HEADER..usize::try_from(dword(16)).ok()?)?;
        let sum = body
            .iter()
            .fold(0_u32, |sum, byte| sum.wrapping_add((*byte).into()));
        let revision = header[8..16].try_into().ok()?;
        (header[..8] == MAGIC && sum == dword(20)).then_some(revision)
    }
}

impl Controller {
    pub(crate) fn download_firmware(
        &mut self,
        command: &Command,
        memory: &dyn Memory,
    ) -> Result<Answer, Status> {
        let bytes = (u64::from(command.dword(10)) + 1) * 4;
        let offset = u64::from(command.dword(11)) * 4;
        let end = offset + bytes;
        let aligned = offset.is_multiple_of(GRANULARITY) && bytes.is_multiple_of(GRANULARITY);
        let limit = if self.config.mdts == 0 {
            u64::MAX
        } else {
            4096 << self.config.mdts
        };
        if !aligned || end > MOST_BYTES || bytes > limit {
            return Err(Status::INVALID_FIELD);
        }
        let parts = &self.firmware.parts;
        if parts
            .iter()
            .any(|(at, part)| *at < end && offset < at + part.len() as u64)
        {
            return Err(Status::OVERLAPPING_RANGE);
        }
        let segments = transfer::segments(memory, command, bytes)?;
        let mut part = vec![0; usize::try_from(bytes).unwrap_or(0)];
        transfer::from_host(memory, &segments, &mut part)?;
        self.firmware.parts.insert(offset, part);
        Ok(Answer::success(0))
    }

    pub(crate) fn commit_firmware(&mut self, command: &Command) -> Result<Answer, Status> {
        let slot = u8::try_from(command.dword(10) & 7).unwrap_or(0);
        let action = command.dword(10) >> 3 & 7;
        let firmware = &mut self.firmware;
        let slot = match slot {
            // The controller chooses: what is not in force.
            0 if firmware.active == SLOTS => 2,
            0 => SLOTS,
            _ => slot,
        };
        if slot > SLOTS || slot == 1 && action != 2 {
            return Err(Status::INVALID_FIRMWARE_SLOT);
        }
        let place = &firmware.revisions[usize::from(slot) - 1];
        match action {
            0 | 1 => {
                let image = firmware.image();
                firmware.parts.clear();
                firmware.revisions[usize::from(slot) - 1] =
                    Some(image.ok_or(Status::INVALID_FIRMWARE_IMAGE)?);
            }
            2 if place.is_some() => {}
            2 => return Err(Status::INVALID_FIRMWARE_IMAGE),
            // At once: not offered (FRMW bit 4).
            _ => return Err(Status::INVALID_FIELD),
        }
        if action != 0 {
            firmware.next = slot;
        }
        Ok(Answer::success(0))
    }
}
