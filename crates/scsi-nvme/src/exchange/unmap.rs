//! UNMAP: a parameter list becomes the ranges of one Dataset Management (SBC-3, "UNMAP parameter list"; SNTL).

use nvme::{DataPointer, NamespaceId, io};
use scsi::cdb;
use scsi::sense::Sense;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Area, Command, Data, DataOut, Exchange, Kind, Next};
use crate::request::{Request, Translation};
use crate::unit::Namespace;

/// Bytes of a range.
const RANGE_BYTES: u32 = 16;
const _: () = assert!(RANGE_BYTES as usize == io::DeallocateRange::SIZE);

/// Ranges of one Dataset Management.
pub(crate) const MOST_RANGES: u16 = 256;

#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    data_length: U16,
    descriptors_length: U16,
    reserved: [u8; 4],
}

#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Descriptor {
    lba: U64,
    blocks: U32,
    reserved: [u8; 4],
}

/// UNMAP under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Unmap {
    list_length: u16,
    /// Blocks of the namespace.
    blocks: u64,
}

impl Exchange {
    /// UNMAP with a parameter list.
    pub(crate) fn unmap(request: &Request<'_>, namespace: &Namespace, command: cdb::Unmap) -> Translation {
        let too_short = Translation::check_condition(Sense::PARAMETER_LIST_LENGTH_ERROR);
        let list_length = command.parameter_list_length;
        if usize::from(list_length) < size_of::<Header>() {
            return too_short;
        }
        let state = Unmap {
            list_length,
            blocks: namespace.blocks(),
        };
        Self::with_data_out(
            request,
            namespace,
            u32::from(list_length),
            too_short,
            Kind::Unmap(state),
        )
    }
}

impl Unmap {
    pub(super) const fn transferred(&self) -> u32 {
        self.list_length as u32
    }

    /// Reads the list, once, into ranges; the ranges that the controller gets are those that were checked.
    pub(super) fn begin(
        &mut self,
        namespace: NamespaceId,
        data: &mut dyn DataOut,
        area: &mut dyn Area,
    ) -> Next {
        match self.ranges(data, area) {
            Err(sense) => Next::check_condition(sense),
            Ok(ranges) => match ranges.checked_sub(1).map(u8::try_from) {
                Some(Ok(zero_based)) => {
                    let entry = io::deallocate(namespace, zero_based, DataPointer::NONE);
                    let bytes = u32::from(ranges).saturating_mul(RANGE_BYTES);
                    Next::Submit(Command::io(entry, Data::Area, bytes))
                }
                // No blocks: not an error.
                _ => Next::Done {
                    transferred: self.transferred(),
                },
            },
        }
    }

    fn ranges(&self, data: &mut dyn DataOut, area: &mut dyn Area) -> Result<u16, Sense> {
        const DESCRIPTOR: usize = size_of::<Descriptor>();
        let mut header = Header::new_zeroed();
        if data.read(0, header.as_mut_bytes()) != size_of::<Header>() {
            return Err(Sense::PARAMETER_LIST_LENGTH_ERROR);
        }
        // A descriptor that is not whole is ignored, be it cut by its own length field or by the parameter list's length.
        let behind_header = usize::from(self.list_length).saturating_sub(size_of::<Header>());
        let length = usize::from(header.descriptors_length.get()).min(behind_header);
        let descriptors = length / DESCRIPTOR;
        if descriptors > usize::from(MOST_RANGES) {
            return Err(Sense::INVALID_FIELD_IN_PARAMETER_LIST);
        }
        let mut ranges = 0_u16;
        for index in 0..descriptors {
            let offset = index
                .saturating_mul(size_of::<Descriptor>())
                .saturating_add(size_of::<Header>());
            let mut descriptor = Descriptor::new_zeroed();
            if data.read(offset, descriptor.as_mut_bytes()) != size_of::<Descriptor>() {
                return Err(Sense::PARAMETER_LIST_LENGTH_ERROR);
            }
            let (lba, blocks) = (descriptor.lba.get(), descriptor.blocks.get());
            let inside = self
                .blocks
                .checked_sub(lba)
                .is_some_and(|left| u64::from(blocks) <= left);
            if !inside {
                return Err(Sense::LBA_OUT_OF_RANGE);
            }
            if blocks == 0 {
                continue;
            }
            let range = io::DeallocateRange { start: lba, blocks };
            let place = usize::from(ranges).saturating_mul(io::DeallocateRange::SIZE);
            area.write(place, range.to_dwords().map(u32::to_le_bytes).as_flattened());
            ranges = ranges.saturating_add(1);
        }
        Ok(ranges)
    }
}
