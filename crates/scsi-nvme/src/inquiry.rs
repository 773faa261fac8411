//! INQUIRY (SNTL 6.1; SPC-4, "INQUIRY command").

use scsi::cdb::Inquiry;
use scsi::inquiry::{Peripheral, StandardInquiry};
use scsi::sense::Sense;
use scsi::vpd::{PageCode, PageHeader};
use zerocopy::IntoBytes;

use crate::data_in::DataIn;
use crate::identification::{VENDOR, product, revision};
use crate::request::{Request, Translation};
use crate::translate::answer;
use crate::unit::{Controller, Namespace};
use crate::vpd;

/// INQUIRY to a LUN that stands for a namespace.
pub(crate) fn present(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    command: Inquiry,
    data_in: &mut dyn DataIn,
) -> Translation {
    match command.page {
        None => standard(request, Peripheral::DIRECT_ACCESS, controller, command, data_in),
        Some(page) => vpd::page(request, controller, namespace, command, page, data_in),
    }
}

/// INQUIRY to a LUN that does not exist: peripheral qualifier 011b says so. Of the VPD pages only the list of
/// pages can be told without a namespace, and it names nothing but itself.
pub(crate) fn absent(
    request: &Request<'_>,
    controller: &Controller,
    command: Inquiry,
    data_in: &mut dyn DataIn,
) -> Translation {
    match command.page {
        None => standard(request, Peripheral::NOT_SUPPORTED, controller, command, data_in),
        Some(PageCode::SUPPORTED_PAGES) => {
            answer(request, u32::from(command.allocation_length), data_in, |answer| {
                answer
                    .put(PageHeader::new(Peripheral::NOT_SUPPORTED, PageCode::SUPPORTED_PAGES, 1).as_bytes());
                answer.put(PageCode::SUPPORTED_PAGES.as_bytes());
            })
        }
        Some(_) => Translation::check_condition(Sense::invalid_field(Inquiry::PAGE_CODE_FIELD)),
    }
}

fn standard(
    request: &Request<'_>,
    peripheral: Peripheral,
    controller: &Controller,
    command: Inquiry,
    data_in: &mut dyn DataIn,
) -> Translation {
    let data = StandardInquiry::new(peripheral, VENDOR, product(controller), revision(controller));
    answer(request, u32::from(command.allocation_length), data_in, |answer| {
        answer.put(data.as_bytes());
    })
}
