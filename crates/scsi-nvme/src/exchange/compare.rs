//! COMPARE AND WRITE.

use nvme::io::{self, BlockRange};
use nvme::{DataPointer, NamespaceId};
use scsi::cdb::MediaAccess;
use scsi::sense::Sense;

use super::{Command, Data, Exchange, Kind, Next};
use crate::request::{Request, Translation};
use crate::unit::Namespace;

/// COMPARE AND WRITE under way. The controller takes both halves from the request's own buffer: port drivers need not map
/// the buffer of a command that they may take for a kind of WRITE.
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
    pub(super) fn begin(&mut self, namespace: NamespaceId) -> Next {
        let nowhere = DataPointer::NONE;
        let compare = io::compare(namespace, self.range, nowhere).fused(false);
        let write = io::write(namespace, self.range, nowhere, self.force_unit_access).fused(true);
        Next::SubmitFused(
            Command::io(compare, Data::Buffer, self.bytes),
            Command::io(write, Data::BufferRest, self.bytes),
        )
    }

    pub(super) const fn halves(&self) -> [u32; 2] {
        [self.bytes, self.bytes]
    }

    pub(super) const fn transferred(&self) -> u32 {
        self.bytes.saturating_mul(2)
    }
}
