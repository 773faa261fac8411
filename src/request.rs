//! What `HwStorBuildIo` prepares in the SRB extension: the PRPs of the data buffer and, for a usual READ or WRITE, the command.
//!
//! It sees the SRB and the extension only: no namespace, no queue. What depends on them, the two identifiers and whether the
//! unit has those blocks, is `HwStorStartIo`'s.

use core::mem::offset_of;

use nvme::{DataPointer, NamespaceId, SubmissionEntry, io::BlockRange};
use nvme_core::prp::{self, Segment};
use scsi_nvme::{DataDirection, DataPhase, Geometry, Prepared};
use storport::srb::{Built, Direction, Fields, Preparing};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::FerroNvme;

/// The largest transfer that is offered, whatever the controller would take.
pub(crate) const MAX_TRANSFER: u32 = 1 << 20;
/// Pages that the largest transfer touches.
pub(crate) const MAX_SEGMENTS: u32 = MAX_TRANSFER / 4096 + 1;

const LIST_ENTRIES: usize = prp::list_entries_for(MAX_TRANSFER);

/// Nothing: the request moves no data by DMA, or the PRPs could not be built.
const NOTHING: u32 = 0;
/// The command's data pointer and, if `list_entries` is not zero, `list` describe the whole data buffer.
const PRPS: u32 = 1;
/// Besides, the command is whole but for its namespace and its identifier.
const COMMAND: u32 = 2;

/// Extension of each SRB. The device reads `list`, so it lives until the command is back.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Extension {
    command: [u64; 8],
    state: u32,
    list_entries: u32,
    /// Bytes that the PRPs describe.
    total: u32,
    reserved: u32,
    list: [u64; LIST_ENTRIES],
}

/// The direction as the translation has it.
#[inline]
pub(crate) fn direction(srb: &Fields) -> DataDirection {
    match srb.direction() {
        Direction::None => DataDirection::None,
        Direction::In => DataDirection::In,
        Direction::Out => DataDirection::Out,
        Direction::Both => DataDirection::Either,
    }
}

/// `HwStorBuildIo`.
#[expect(clippy::inline_always, reason = "the path of every request")]
#[inline(always)]
pub(crate) fn build(mut srb: Preparing<'_, FerroNvme>) -> Built<'_> {
    // The port driver is asked first: nothing has to be kept meanwhile.
    let only = if srb.executes_scsi() && srb.data_length() != 0 {
        srb.scatter_gather().and_then(|list| list.only()).map(segment)
    } else {
        None
    };
    if let Some((cdb, length)) = srb.begin_usual()
        && let Some(prepared) = Prepared::new(&cdb, length, direction(&srb))
    {
        let total = srb.data_length();
        if let Some(data) = only.and_then(|only| prp::build_short(only, total)) {
            if let Some(extension) = srb.extension() {
                extension.list_entries = 0;
                extension.total = total;
                extension.command = prepared.submission_entry(data).to_qwords();
                extension.state = COMMAND;
            }
            return srb.proceed();
        }
        if let Some((extension, data)) = build_prps(&mut srb) {
            extension.command = prepared.submission_entry(data).to_qwords();
            extension.state = COMMAND;
            return srb.proceed();
        }
    }
    build_unusual(&mut srb);
    srb.proceed()
}

/// A piece of the data buffer as the PRPs are made from it.
#[inline]
fn segment(segment: storport::srb::Segment) -> Segment {
    Segment {
        address: segment.bus_address,
        length: segment.length,
    }
}

/// READ and WRITE in other forms: the PRPs. Everything else: nothing.
#[cold]
#[inline(never)]
fn build_unusual(srb: &mut Preparing<'_, FerroNvme>) {
    if let Some(extension) = srb.extension() {
        extension.state = NOTHING;
    }
    if srb.executes_scsi()
        && let Some(cdb) = srb.cdb()
        && matches!(
            scsi_nvme::data_phase(cdb.bytes()),
            DataPhase::Read | DataPhase::Write
        )
        && let Some((extension, data)) = build_prps(srb)
    {
        extension.command = SubmissionEntry::new(0).with_data(data).to_qwords();
        extension.state = PRPS;
    }
}

#[inline(never)]
fn build_prps<'a>(srb: &'a mut Preparing<'_, FerroNvme>) -> Option<(&'a mut Extension, DataPointer)> {
    const ENTRY: usize = size_of::<u64>();
    let total = srb.data_length();
    let (extension, bus, data) = srb.extension_and_data()?;
    let segments = data.segments().map(segment);
    // Asked only if there is a list, at its beginning and where a page of it begins: an extension may lie across pages
    // that are not neighbours on the bus.
    let address = |index: usize| {
        let offset = index
            .checked_mul(ENTRY)?
            .checked_add(offset_of!(Extension, list))?;
        bus.address(offset).map(|(address, _)| address)
    };
    let prps = prp::build(segments, total, &mut extension.list, address).ok()?;
    extension.total = total;
    extension.list_entries = u32::try_from(prps.list_entries).ok()?;
    Some((extension, prps.data))
}

/// A command but for its identifier.
#[derive(Clone, Copy)]
pub(crate) struct Command {
    entry: [u64; 8],
    pub(crate) namespace: NamespaceId,
}

impl Command {
    pub(crate) fn new(entry: &SubmissionEntry) -> Self {
        Self {
            entry: entry.to_qwords(),
            namespace: entry.namespace,
        }
    }

    /// The entry for the submission queue.
    #[inline]
    pub(crate) fn entry(&self, command_id: u16) -> [u64; 8] {
        let mut entry = self.entry;
        let [first, ..] = &mut entry;
        let [opcode, ..] = first.to_le_bytes();
        *first = SubmissionEntry::first_qword(opcode, command_id, self.namespace);
        entry
    }
}

impl Extension {
    /// The command, if it is prepared and `geometry` admits it with a data buffer of `bytes` bytes.
    #[inline]
    pub(crate) fn admitted(&self, geometry: &Geometry, bytes: u32) -> Option<Command> {
        let [_, _, _, _, _, start, second, _] = self.command;
        let [low, high, ..] = second.to_le_bytes();
        let range = BlockRange {
            start,
            blocks_zero_based: u16::from_le_bytes([low, high]),
        };
        (self.state == COMMAND && geometry.admits(range, bytes)).then_some(Command {
            entry: self.command,
            namespace: geometry.namespace,
        })
    }

    /// The data pointer for `bytes` bytes of the buffer behind the first `offset`. `None` if there are no PRPs, or the part
    /// or what lies before it is more than two pages.
    pub(crate) fn part(&self, offset: u32, bytes: u32) -> Option<DataPointer> {
        const OFFSET: u64 = 0xFFF;
        const SHIFT: u32 = 12;
        let fits = offset.checked_add(bytes).is_some_and(|end| end <= self.total);
        if !matches!(self.state, PRPS | COMMAND) || bytes == 0 || !fits {
            return None;
        }
        let [_, _, _, prp1, prp2, ..] = self.command;
        let page = |index: u64| match (index, self.list_entries) {
            (0, _) => Some(prp1 & !OFFSET),
            (1, 0) => Some(prp2),
            // A list that begins in the last place of a page begins with the pointer to its next page.
            (1, 3) | (2, 2) => self.list.get(1).copied(),
            (1, 2) => self.list.first().copied(),
            (2, 3) => self.list.get(2).copied(),
            _ => None,
        };
        let begin = (prp1 & OFFSET).wrapping_add(u64::from(offset));
        let last = begin.wrapping_add(u64::from(bytes)).wrapping_sub(1);
        let (first_page, last_page) = (begin >> SHIFT, last >> SHIFT);
        Some(DataPointer {
            prp1: page(first_page)? | begin & OFFSET,
            prp2: match last_page.wrapping_sub(first_page) {
                0 => 0,
                1 => page(last_page)?,
                _ => return None,
            },
        })
    }

    /// The data pointer for the first `bytes` bytes of the buffer; `None` if there are no PRPs. To be asked once: a
    /// shorter command has another list.
    pub(crate) fn data_pointer(&mut self, bytes: u32) -> Option<DataPointer> {
        if !matches!(self.state, PRPS | COMMAND) {
            return None;
        }
        self.state = NOTHING;
        let [_, _, _, prp1, prp2, ..] = self.command;
        let data = DataPointer { prp1, prp2 };
        if bytes == self.total {
            return Some(data);
        }
        let list_entries = usize::try_from(self.list_entries).ok()?;
        prp::shorten(prp::Prps { data, list_entries }, &mut self.list, bytes)
    }
}
