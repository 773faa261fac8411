//! REPORT LUNS (SPC-4; SNTL on the same command).

use scsi::cdb::{ReportLuns, SelectReport};
use scsi::luns::{LunListHeader, single_level_lun};
use zerocopy::IntoBytes;

use crate::data_in::DataIn;
use crate::lun_set::LunSet;
use crate::request::{Request, Translation};
use crate::translate::answer;

/// Lists `luns`; there are no well known logical units.
pub(crate) fn report_luns(
    request: &Request<'_>,
    luns: &LunSet,
    command: ReportLuns,
    data_in: &mut dyn DataIn,
) -> Translation {
    let luns = match command.select_report {
        SelectReport::LogicalUnits | SelectReport::All => *luns,
        SelectReport::WellKnown => LunSet::EMPTY,
    };
    answer(request, command.allocation_length, data_in, |answer| {
        answer.put(LunListHeader::new(luns.len()).as_bytes());
        for lun in luns.iter() {
            answer.put(&single_level_lun(lun));
        }
    })
}
