//! What `HwStorBuildIo` prepares in the SRB extension: the PRPs of the data buffer and, for a usual READ or WRITE, the command.
//!
//! It sees the SRB and the extension only: no namespace, no queue. What depends on them, the two identifiers and whether the
//! unit has those blocks, is `HwStorStartIo`'s.

use core::mem::offset_of;

use nvme::{DataPointer, NamespaceId, SubmissionEntry, io::BlockRange};
use nvme_core::prp::{self, Prps, Segment};
use scsi_nvme::{DataDirection, DataPhase, Geometry, Prepared};
use storport::srb::{Built, Direction, ExtensionOnBus, Fields, Preparing, ScatterGather};
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
    if build_usual(&mut srb).is_some() {
        return srb.proceed();
    }
    build_unusual(srb)
}

/// READ and WRITE as they mostly are: PRPs and command.
#[expect(clippy::inline_always, reason = "the path of every request")]
#[inline(always)]
fn build_usual(srb: &mut Preparing<'_, FerroNvme>) -> Option<()> {
    let transfer = srb.begin_usual_transfer()?;
    let prepared = Prepared::new(&transfer.cdb, transfer.cdb_length, direction(&transfer))?;
    let total = transfer.data_length();
    // At once, so that it has not to be kept. Of no use yet: the state says so last.
    transfer.extension.put(&prepared);
    let only = transfer.data.only().map(segment);
    if let Some(data) = only.and_then(|only| prp::build_short(only, total)) {
        transfer.extension.finish(data, 0, total);
        return Some(());
    }
    let bus = transfer.extension_on_bus()?;
    let prps = build_list(transfer.data, bus, &mut transfer.extension.list, total)?;
    let list_entries = u32::try_from(prps.list_entries).ok()?;
    transfer.extension.finish(prps.data, list_entries, total);
    Some(())
}

/// The PRPs of a long buffer.
#[inline(never)]
fn build_list(
    data: ScatterGather<'_>,
    bus: ExtensionOnBus<'_>,
    list: &mut [u64; LIST_ENTRIES],
    total: u32,
) -> Option<Prps> {
    let first = || {
        bus.address(offset_of!(Extension, list))
            .map(|(address, _)| address)
    };
    prp::build_pages(data.segments().map(segment), total, list, first)
        .or_else(|| build_any_list(data, bus, list, total))
}

/// The PRPs of any buffer.
#[cold]
#[inline(never)]
fn build_any_list(
    data: ScatterGather<'_>,
    bus: ExtensionOnBus<'_>,
    list: &mut [u64; LIST_ENTRIES],
    total: u32,
) -> Option<Prps> {
    const ENTRY: usize = size_of::<u64>();
    // Asked only if there is a list, at its beginning and where a page of it begins: an extension may lie across pages
    // that are not neighbours on the bus.
    let address = |index: usize| {
        let offset = index
            .checked_mul(ENTRY)?
            .checked_add(offset_of!(Extension, list))?;
        bus.address(offset).map(|(address, _)| address)
    };
    prp::build(data.segments().map(segment), total, list, address).ok()
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
fn build_unusual(mut srb: Preparing<'_, FerroNvme>) -> Built<'_> {
    if let Some(extension) = srb.extension() {
        extension.state = NOTHING;
    }
    let total = srb.data_length();
    if srb.executes_scsi()
        && let Some(cdb) = srb.cdb()
        && matches!(
            scsi_nvme::data_phase(cdb.bytes()),
            DataPhase::Read | DataPhase::Write
        )
        && let Some((extension, bus, data)) = srb.extension_and_data()
        && let Some(prps) = build_any_list(data, bus, &mut extension.list, total)
        && let Ok(list_entries) = u32::try_from(prps.list_entries)
    {
        extension.total = total;
        extension.list_entries = list_entries;
        extension.command = SubmissionEntry::new(0).with_data(prps.data).to_qwords();
        extension.state = PRPS;
    }
    srb.proceed()
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
        named(self.entry, command_id, self.namespace)
    }
}

/// The entry with its identifiers.
#[inline]
fn named(mut entry: [u64; 8], command_id: u16, namespace: NamespaceId) -> [u64; 8] {
    let [first, ..] = &mut entry;
    let [opcode, ..] = first.to_le_bytes();
    *first = SubmissionEntry::first_qword(opcode, command_id, namespace);
    entry
}

impl Extension {
    /// Puts the command, whole but for its identifiers and its data pointer.
    #[expect(clippy::inline_always, reason = "the path of every request")]
    #[inline(always)]
    fn put(&mut self, prepared: &Prepared) {
        let [c0, c1, c2, _, _, c5, c6, c7] = &mut self.command;
        let entry = prepared.submission_entry(DataPointer::NONE).to_qwords();
        [*c0, *c1, *c2, _, _, *c5, *c6, *c7] = entry;
    }

    /// Puts its data pointer: the command is prepared.
    #[expect(clippy::inline_always, reason = "the path of every request")]
    #[inline(always)]
    fn finish(&mut self, data: DataPointer, list_entries: u32, total: u32) {
        let [_, _, _, prp1, prp2, ..] = &mut self.command;
        (*prp1, *prp2) = (data.prp1, data.prp2);
        self.state = COMMAND;
        self.list_entries = list_entries;
        self.total = total;
    }

    /// Whether a command is prepared that `geometry` admits with a data buffer of `bytes` bytes.
    #[inline]
    pub(crate) fn is_admitted(&self, geometry: &Geometry, bytes: u32) -> bool {
        let [_, _, _, _, _, start, second, _] = self.command;
        let [low, high, ..] = second.to_le_bytes();
        let range = BlockRange {
            start,
            blocks_zero_based: u16::from_le_bytes([low, high]),
        };
        self.state == COMMAND && geometry.admits(range, bytes)
    }

    /// The command that is prepared, as an entry for the submission queue.
    #[inline]
    pub(crate) fn entry(&self, command_id: u16, namespace: NamespaceId) -> [u64; 8] {
        named(self.command, command_id, namespace)
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
