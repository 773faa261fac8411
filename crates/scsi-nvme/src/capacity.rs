//! READ CAPACITY (SBC-3; SNTL on the same commands).

use scsi::capacity::{Capacity10, Capacity16};
use scsi::cdb::ReadCapacity16;
use zerocopy::IntoBytes;

use crate::data_in::DataIn;
use crate::provisioning;
use crate::request::{Request, Translation};
use crate::translate::answer;
use crate::unit::{Controller, Namespace};

/// READ CAPACITY (10), which has no allocation length.
pub(crate) fn read_capacity_10(
    request: &Request<'_>,
    namespace: &Namespace,
    data_in: &mut dyn DataIn,
) -> Translation {
    let data = Capacity10::new(namespace.last_lba(), namespace.block_length());
    answer(request, u32::MAX, data_in, |answer| {
        answer.put(data.as_bytes());
    })
}

/// READ CAPACITY (16).
pub(crate) fn read_capacity_16(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    command: ReadCapacity16,
    data_in: &mut dyn DataIn,
) -> Translation {
    let data = Capacity16::new(
        namespace.last_lba(),
        namespace.block_length(),
        namespace.physical_block_exponent,
    )
    .with_provisioning(
        provisioning::is_managed(controller),
        namespace.deallocated_reads_zero,
    );
    answer(request, command.allocation_length, data_in, |answer| {
        answer.put(data.as_bytes());
    })
}
