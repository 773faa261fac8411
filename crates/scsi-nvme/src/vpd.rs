//! VPD pages (SNTL 6.1, SPC-4 and SBC-3 on vital product data).

use scsi::cdb::Inquiry;
use scsi::inquiry::{Peripheral, graphic_ascii};
use scsi::sense::Sense;
use scsi::vpd::{
    BlockDeviceCharacteristics, BlockLimits, CodeSet, DesignatorHeader, DesignatorType, ExtendedInquiry,
    LogicalBlockProvisioning, PageCode, PageHeader,
};
use zerocopy::IntoBytes;

use crate::data_in::DataIn;
use crate::identification::{Text, VENDOR, eui64, nguid, product, unit_serial_number};
use crate::provisioning;
use crate::request::{Request, Translation};
use crate::translate::answer;
use crate::unit::{Controller, Eraser, Namespace};

/// Every page there is, in ascending order.
const SUPPORTED: [PageCode; 7] = [
    PageCode::SUPPORTED_PAGES,
    PageCode::UNIT_SERIAL_NUMBER,
    PageCode::DEVICE_IDENTIFICATION,
    PageCode::EXTENDED_INQUIRY,
    PageCode::BLOCK_LIMITS,
    PageCode::BLOCK_DEVICE_CHARACTERISTICS,
    PageCode::LOGICAL_BLOCK_PROVISIONING,
];

const DEVICE: Peripheral = Peripheral::DIRECT_ACCESS;

/// Answers with `page` of `namespace`.
pub(crate) fn page(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    command: Inquiry,
    page: PageCode,
    data_in: &mut dyn DataIn,
) -> Translation {
    let allocation_length = u32::from(command.allocation_length);
    match page {
        PageCode::SUPPORTED_PAGES => {
            variable_page(request, allocation_length, page, SUPPORTED.as_bytes(), data_in)
        }
        PageCode::UNIT_SERIAL_NUMBER => {
            let serial_number = unit_serial_number(controller, namespace);
            variable_page(
                request,
                allocation_length,
                page,
                serial_number.as_bytes(),
                data_in,
            )
        }
        PageCode::DEVICE_IDENTIFICATION => {
            let designators = designators(controller, namespace);
            variable_page(request, allocation_length, page, designators.as_bytes(), data_in)
        }
        PageCode::EXTENDED_INQUIRY => {
            let page = ExtendedInquiry::new(DEVICE, controller.volatile_write_cache);
            answer(request, allocation_length, data_in, |answer| {
                answer.put(page.as_bytes());
            })
        }
        PageCode::BLOCK_LIMITS => {
            let maximum = namespace.max_transfer_blocks(controller);
            let limits = provisioning::limits(controller, namespace);
            let granularity = namespace.preferred_write_granularity;
            let page = BlockLimits::new(DEVICE, maximum, granularity, limits);
            answer(request, allocation_length, data_in, |answer| {
                answer.put(page.as_bytes());
            })
        }
        PageCode::BLOCK_DEVICE_CHARACTERISTICS => {
            let crypto_erase = controller.features.crypto_erase != Eraser::None;
            let block_erase = provisioning::erases_blocks(controller);
            let page = BlockDeviceCharacteristics::non_rotating(DEVICE, block_erase, crypto_erase);
            answer(request, allocation_length, data_in, |answer| {
                answer.put(page.as_bytes());
            })
        }
        PageCode::LOGICAL_BLOCK_PROVISIONING => {
            let provisioning = provisioning::provisioning(controller, namespace);
            let page = LogicalBlockProvisioning::new(DEVICE, provisioning);
            answer(request, allocation_length, data_in, |answer| {
                answer.put(page.as_bytes());
            })
        }
        _ => Translation::check_condition(Sense::invalid_field(Inquiry::PAGE_CODE_FIELD)),
    }
}

fn variable_page(
    request: &Request<'_>,
    allocation_length: u32,
    page: PageCode,
    body: &[u8],
    data_in: &mut dyn DataIn,
) -> Translation {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    answer(request, allocation_length, data_in, |answer| {
        answer.put(PageHeader::new(DEVICE, page, length).as_bytes());
        answer.put(body);
    })
}

/// Room for the four designators of a namespace that has both identifiers: 20 + 44 + 12 + 28 bytes.
const DESIGNATORS: usize = 104;

/// The designators of the logical unit, the most telling first: NGUID and EUI64, each in binary and as a SCSI
/// name string; without either, one made of vendor, product, serial number and NSID (SNTL 6.1.4; SPC-4,
/// "Device Identification VPD page").
fn designators(controller: &Controller, namespace: &Namespace) -> Text<DESIGNATORS> {
    let mut list = Text::new();
    if let Some(nguid) = nguid(namespace) {
        push_eui64_based(&mut list, nguid);
    }
    if let Some(eui64) = eui64(namespace) {
        push_eui64_based(&mut list, eui64);
    }
    if list.as_bytes().is_empty() {
        push_t10_vendor_id(&mut list, controller, namespace);
    }
    list
}

/// An EUI-64 based designator and the SCSI name string made of it: "eui.", the digits,
/// and zeros, at least one, up to a multiple of four bytes.
fn push_eui64_based(list: &mut Text<DESIGNATORS>, identifier: &[u8]) {
    push_designator(list, CodeSet::Binary, DesignatorType::Eui64, identifier);
    let mut name = Text::<40>::new();
    name.push_all(b"eui.");
    name.push_hex(identifier);
    name.push_all(&[0; 4]);
    push_designator(
        list,
        CodeSet::Utf8,
        DesignatorType::ScsiNameString,
        name.as_bytes(),
    );
}

/// A T10 vendor ID based designator.
fn push_t10_vendor_id(list: &mut Text<DESIGNATORS>, controller: &Controller, namespace: &Namespace) {
    let mut identifier = Text::<52>::new();
    identifier.push_all(&VENDOR);
    identifier.push_all(&product(controller));
    identifier.push_all(&graphic_ascii(controller.serial_number));
    identifier.push_hex(&namespace.id().0.to_be_bytes());
    push_designator(
        list,
        CodeSet::Ascii,
        DesignatorType::T10VendorId,
        identifier.as_bytes(),
    );
}

fn push_designator(list: &mut Text<DESIGNATORS>, code_set: CodeSet, kind: DesignatorType, designator: &[u8]) {
    let length = u8::try_from(designator.len()).unwrap_or(u8::MAX);
    list.push_all(DesignatorHeader::new(code_set, kind, length).as_bytes());
    list.push_all(designator);
}
