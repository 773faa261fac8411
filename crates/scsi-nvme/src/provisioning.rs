//! Thin provisioning: who may unmap, what is unmapped, and the limits of the commands that do it (SBC-3, "Logical block
//! provisioning"; SNTL on UNMAP).

use scsi::cdb::GetLbaStatus;
use scsi::sense::Sense;
use scsi::vpd::{Limits, Provisioning};
use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{Immutable, IntoBytes};

use crate::data_in::DataIn;
use crate::exchange::{AREA_BYTES, MOST_RANGES};
use crate::request::{Request, Translation};
use crate::translate::answer;
use crate::unit::{Controller, Eraser, Namespace};

/// MAXIMUM WRITE SAME LENGTH: what WRITE SAME (10) can say, and one Write Zeroes takes.
pub(crate) const WRITE_SAME_BLOCKS: u32 = 0xFFFF;

/// Whether blocks can be unmapped (LBPME): Dataset Management does it.
pub(crate) const fn is_managed(controller: &Controller) -> bool {
    controller.features.dataset_management
}

/// Whether SANITIZE has BLOCK ERASE, after which the blocks are unmapped.
pub(crate) fn erases_blocks(controller: &Controller) -> bool {
    is_managed(controller) && controller.features.block_erase != Eraser::None
}

/// Whether WRITE SAME can unmap: Write Zeroes may deallocate, but only where the blocks then read as the zeroes that were
/// written.
pub(crate) const fn write_same_unmaps(controller: &Controller, namespace: &Namespace) -> bool {
    is_managed(controller) && controller.features.write_zeroes && namespace.deallocated_reads_zero
}

/// Whether there are exchanges whose area holds a block.
pub(crate) const fn fits_area(controller: &Controller, namespace: &Namespace) -> bool {
    controller.features.io_exchanges && namespace.block_length() as usize <= AREA_BYTES
}

/// The most blocks that COMPARE AND WRITE takes: what an area holds.
pub(crate) fn compare_and_write_blocks(controller: &Controller, namespace: &Namespace) -> u8 {
    if !controller.features.fused_compare_and_write || !controller.features.compare {
        return 0;
    }
    let blocks = AREA_BYTES >> namespace.block_shift();
    let transfer = usize::try_from(namespace.max_transfer_blocks(controller)).unwrap_or(usize::MAX);
    u8::try_from(blocks.min(transfer)).unwrap_or(u8::MAX)
}

/// What the Block Limits page says.
pub(crate) fn limits(controller: &Controller, namespace: &Namespace) -> Limits {
    let managed = is_managed(controller);
    Limits {
        compare_and_write: compare_and_write_blocks(controller, namespace),
        unmap_blocks: if managed { u32::MAX } else { 0 },
        unmap_descriptors: if managed { u32::from(MOST_RANGES) } else { 0 },
        write_same: if fits_area(controller, namespace) {
            u64::from(WRITE_SAME_BLOCKS)
        } else {
            0
        },
    }
}

/// What the Logical Block Provisioning page says.
pub(crate) const fn provisioning(controller: &Controller, namespace: &Namespace) -> Provisioning {
    let managed = is_managed(controller);
    Provisioning {
        unmap: managed,
        write_same: write_same_unmaps(controller, namespace),
        reads_zeroes: managed && namespace.deallocated_reads_zero,
        thin: managed && namespace.thin_provisioned,
    }
}

/// Parameter data of GET LBA STATUS with one descriptor.
#[derive(Immutable, IntoBytes)]
#[repr(C)]
struct LbaStatus {
    parameter_data_length: U32,
    reserved: [u8; 4],
    lba: U64,
    blocks: U32,
    /// PROVISIONING STATUS 0h: mapped, or of unknown state.
    status: u8,
    reserved_21: [u8; 3],
}

/// GET LBA STATUS. A controller does not tell cheaply which blocks are allocated; the status "mapped or unknown" for all
/// of them is what the standard has for that (SBC-3, PROVISIONING STATUS 0h).
pub(crate) fn get_lba_status(
    request: &Request<'_>,
    namespace: &Namespace,
    command: GetLbaStatus,
    data_in: &mut dyn DataIn,
) -> Translation {
    let Some(left) = namespace
        .blocks()
        .checked_sub(command.lba)
        .filter(|left| *left != 0)
    else {
        return Translation::check_condition(Sense::LBA_OUT_OF_RANGE);
    };
    let data = LbaStatus {
        // What follows the field.
        parameter_data_length: U32::new(20),
        reserved: [0; 4],
        lba: U64::new(command.lba),
        blocks: U32::new(u32::try_from(left).unwrap_or(u32::MAX)),
        status: 0,
        reserved_21: [0; 3],
    };
    answer(request, command.allocation_length, data_in, |answer| {
        answer.put(data.as_bytes());
    })
}
