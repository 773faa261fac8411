//! What `HwStorBuildIo` prepares in the SRB extension: the PRPs of the data buffer.

use core::mem::offset_of;

use nvme::DataPointer;
use nvme_core::prp::{self, Segment};
use scsi_nvme::DataPhase;
use storport::srb::{Built, Function, Preparing};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::FerroNvme;

/// The largest transfer that is offered, whatever the controller would take.
pub(crate) const MAX_TRANSFER: u32 = 1 << 20;
/// Pages that the largest transfer touches.
pub(crate) const MAX_SEGMENTS: u32 = MAX_TRANSFER / 4096 + 1;

const LIST_ENTRIES: usize = prp::list_entries_for(MAX_TRANSFER);

/// No PRPs: the request moves no data by DMA, or they could not be built.
const NO_PRPS: u32 = 0;
/// `prp1`, `prp2` and, if `list_entries` is not zero, `list` describe the whole data buffer.
const PRPS: u32 = 1;

/// Extension of each SRB. The device reads `list`, so it lives until the command is back.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Extension {
    state: u32,
    list_entries: u32,
    /// Bytes that the command moves, once it is submitted.
    transfer: u32,
    /// Bytes that the PRPs describe.
    total: u32,
    prp1: u64,
    prp2: u64,
    list: [u64; LIST_ENTRIES],
}

/// `HwStorBuildIo`: for READ and WRITE, the PRPs.
pub(crate) fn build(mut srb: Preparing<'_, FerroNvme>) -> Built<'_> {
    if let Some(extension) = srb.extension() {
        extension.state = NO_PRPS;
    }
    if srb.function() == Function::ExecuteScsi
        && let Some(cdb) = srb.cdb()
        && matches!(
            scsi_nvme::data_phase(cdb.bytes()),
            DataPhase::Read | DataPhase::Write
        )
    {
        let _ = build_prps(&mut srb);
    }
    srb.proceed()
}

fn build_prps(srb: &mut Preparing<'_, FerroNvme>) -> Option<()> {
    const ENTRY: usize = size_of::<u64>();
    let total = srb.data_length();
    let (extension, bus, data) = srb.extension_and_data()?;
    let segments = data.segments().map(|segment| Segment {
        address: segment.bus_address,
        length: segment.length,
    });
    // Asked only if there is a list, at its beginning and where a page of it begins: an extension may lie across pages
    // that are not neighbours on the bus.
    let address = |index: usize| {
        let offset = index
            .checked_mul(ENTRY)?
            .checked_add(offset_of!(Extension, list))?;
        bus.address(offset).map(|(address, _)| address)
    };
    let prps = prp::build(segments, total, &mut extension.list, address).ok()?;
    extension.prp1 = prps.data.prp1;
    extension.prp2 = prps.data.prp2;
    extension.total = total;
    extension.list_entries = u32::try_from(prps.list_entries).ok()?;
    extension.state = PRPS;
    Some(())
}

impl Extension {
    /// Notes how many bytes the command moves.
    pub(crate) fn set_transfer(&mut self, bytes: u32) {
        self.transfer = bytes;
    }

    /// Bytes that the command moves.
    pub(crate) fn transfer(&self) -> u32 {
        self.transfer
    }

    /// The data pointer for the first `bytes` bytes of the buffer; `None` if there are no PRPs. To be asked once: a
    /// shorter command has another list.
    pub(crate) fn data_pointer(&mut self, bytes: u32) -> Option<DataPointer> {
        if self.state != PRPS {
            return None;
        }
        self.state = NO_PRPS;
        let prps = prp::Prps {
            data: DataPointer {
                prp1: self.prp1,
                prp2: self.prp2,
            },
            list_entries: usize::try_from(self.list_entries).ok()?,
        };
        if bytes == self.total {
            return Some(prps.data);
        }
        prp::shorten(prps, &mut self.list, bytes)
    }
}
