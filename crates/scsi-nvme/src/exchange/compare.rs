//! COMPARE AND WRITE.

use nvme::io::{self, BlockRange};
use nvme::{DataPointer, NamespaceId};
use scsi::cdb::MediaAccess;
use scsi::sense::Sense;

use super::{Area, Areas, Command, Data, DataOut, Exchange, Kind, Next, parameters};
use crate::request::{Request, Translation};
use crate::unit::Namespace;

/// COMPARE AND WRITE under way. Compare and Write each have an area of their own, since the two halves of the initiator's
/// data need not lie as PRPs of two commands must.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct CompareAndWrite {
    range: BlockRange,
    /// Bytes of one half.
    bytes: u32,
    force_unit_access: bool,
}

impl Exchange {
    /// COMPARE AND WRITE of blocks that exist, at least one, and fit an area.
    pub(crate) fn compare_and_write(
        request: &Request<'_>,
        namespace: &Namespace,
        access: &MediaAccess,
    ) -> Translation {
        let wrong_length = Translation::check_condition(Sense::invalid_field(access.transfer_length_field));
        let Some(range) = BlockRange::new(access.lba, access.blocks) else {
            return wrong_length;
        };
        let Ok(bytes) = u32::try_from(namespace.bytes(access.blocks)) else {
            return wrong_length;
        };
        let both = bytes.saturating_mul(2);
        if request.data_length != both {
            return wrong_length;
        }
        let state = CompareAndWrite {
            range,
            bytes,
            force_unit_access: access.fua,
        };
        Self::with_data_out(
            request,
            namespace,
            both,
            wrong_length,
            Kind::CompareAndWrite(state),
        )
    }
}

impl CompareAndWrite {
    pub(super) fn begin(
        &mut self,
        namespace: NamespaceId,
        _block_shift: u8,
        data: &mut dyn DataOut,
        areas: &mut dyn Areas,
    ) -> Next {
        let half = usize::try_from(self.bytes).unwrap_or(0);
        let compare = parameters::copy(data, 0, areas, Area::First, half, 0);
        let write = parameters::copy(data, half, areas, Area::Second, half, 0);
        if compare.is_none() || write.is_none() {
            return Next::check_condition(Sense::PARAMETER_LIST_LENGTH_ERROR);
        }
        let nowhere = DataPointer::NONE;
        let compare = io::compare(namespace, self.range, nowhere).fused(false);
        let write = io::write(namespace, self.range, nowhere, self.force_unit_access).fused(true);
        Next::SubmitFused(
            Command::io(compare, Data::Area(Area::First), self.bytes),
            Command::io(write, Data::Area(Area::Second), self.bytes),
        )
    }

    pub(super) const fn transferred(&self) -> u32 {
        self.bytes.saturating_mul(2)
    }
}
