//! The bytes of an SRB, in either form.

use zerocopy::IntoBytes;

use super::{
    adapter::Setup,
    request::Direction,
    requests::{Command, PortRequest},
    scatter::list_image,
};
use crate::abi::{
    GuestAddress,
    configuration::{
        STOR_MAP_ALL_BUFFERS, STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE, STOR_MAP_NON_READ_WRITE_BUFFERS,
    },
    registration::STOR_FEATURE_EXTRA_IO_INFORMATION,
    srb::{
        self, ScsiRequestBlock, SrbexDataPnp, SrbexDataPower, SrbexDataScsiCdb16, SrbexDataScsiCdb32,
        StorAddrBtl8, StorageRequestBlock, flags, function,
    },
};

/// What a data buffer's address is when the miniport did not ask for it to be mapped: nothing is there.
const UNMAPPED: GuestAddress = 0x0000_7A30_0000_0000;

/// Where the parts of an SRB lie.
pub(super) struct Places {
    pub(super) extension: GuestAddress,
    pub(super) sense: GuestAddress,
    pub(super) sense_length: u8,
    pub(super) data: GuestAddress,
}

const fn is_read_write(opcode: u8) -> bool {
    matches!(opcode, 0x08 | 0x0A | 0x28 | 0x2A | 0xA8 | 0xAA | 0x88 | 0x8A)
}

pub(super) fn data_address(setup: &Setup, request: &PortRequest) -> GuestAddress {
    let Some(buffer) = request.buffer.as_ref().filter(|buffer| !buffer.is_empty()) else {
        return 0;
    };
    let all = STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE;
    let others = matches!(
        setup.configuration.map_buffers,
        STOR_MAP_ALL_BUFFERS | STOR_MAP_NON_READ_WRITE_BUFFERS
    );
    let mapped = match &request.command {
        // These are mapped in any case.
        Command::Plain(function::IO_CONTROL | function::WMI) => true,
        Command::Scsi(cdb) if cdb.first().is_some_and(|&opcode| is_read_write(opcode)) => {
            setup.configuration.map_buffers == all
        }
        _ => others || setup.configuration.map_buffers == all,
    };
    if mapped {
        buffer.address()
    } else {
        UNMAPPED | (buffer.address() & 0xFFF)
    }
}

pub(super) fn scatter_list(request: &PortRequest) -> Vec<u8> {
    let Some(buffer) = request.buffer.as_ref().filter(|buffer| !buffer.is_empty()) else {
        return Vec::new();
    };
    list_image(&buffer.segments())
}

fn srb_flags(request: &PortRequest) -> u32 {
    let direction = match request.direction {
        Direction::None => 0,
        Direction::In => flags::DATA_IN,
        Direction::Out => flags::DATA_OUT,
    };
    direction | flags::NO_QUEUE_FREEZE
}

fn seconds(request: &PortRequest) -> u32 {
    u32::try_from(request.timeout.as_secs()).unwrap_or(u32::MAX)
}

pub(super) fn legacy_image(request: &PortRequest, places: &Places) -> Vec<u8> {
    let mut block = ScsiRequestBlock {
        length: u16::try_from(size_of::<ScsiRequestBlock>()).unwrap_or(0),
        path_id: request.address.path,
        target_id: request.address.target,
        lun: request.address.lun,
        srb_flags: srb_flags(request),
        data_transfer_length: request.length(),
        time_out_value: seconds(request),
        data_buffer: places.data,
        sense_info_buffer: places.sense,
        sense_info_buffer_length: places.sense_length,
        srb_extension: places.extension,
        ..ScsiRequestBlock::default()
    };
    match &request.command {
        Command::Scsi(cdb) => {
            block.function = function::EXECUTE_SCSI;
            block.cdb_length = u8::try_from(cdb.len().min(16)).unwrap_or(16);
            for (to, from) in block.cdb.iter_mut().zip(cdb) {
                *to = *from;
            }
            block.queue_action = srb::SRB_SIMPLE_TAG_REQUEST;
            block.srb_flags |= flags::QUEUE_ACTION_ENABLE;
        }
        Command::Plain(code) => block.function = *code,
        Command::Pnp(action, pnp_flags) => {
            block.function = function::PNP;
            let [a, b, c, d] = action.to_le_bytes();
            (
                block.queue_tag,
                block.queue_action,
                block.cdb_length,
                block.sense_info_buffer_length,
            ) = (a, b, c, d);
            block.internal_status = *pnp_flags;
        }
        Command::Power(state, action, power_flags) => {
            block.function = function::POWER;
            block.scsi_status = *power_flags;
            let [a, b, c, d] = state.to_le_bytes();
            (
                block.queue_tag,
                block.queue_action,
                block.cdb_length,
                block.sense_info_buffer_length,
            ) = (a, b, c, d);
            block.internal_status = *action;
        }
    }
    block.as_bytes().to_vec()
}

/// The extended form: header, offsets, address, parameters. Their order varies from request to request.
///
/// Gaps are left as well, and a miniport that asks for `SRBEX_DATA_IO_INFO` gets it before or behind the command.
pub(super) fn extended_image(setup: &Setup, request: &PortRequest, places: &Places) -> (Vec<u8>, usize) {
    let address = StorAddrBtl8 {
        kind: srb::STOR_ADDRESS_TYPE_BTL8,
        address_length: 4,
        path: request.address.path,
        target: request.address.target,
        lun: request.address.lun,
        ..StorAddrBtl8::default()
    };
    let (code, data) = parameters(request, places);
    let more = io_information(setup, request);
    let choice = request.id;
    // The parts, in the order in which they lie: the address, the function's data, what comes on top.
    let mut parts: Vec<(Part, &[u8])> = vec![(Part::Address, address.as_bytes())];
    if !data.is_empty() {
        let place = usize::from(choice.is_multiple_of(2));
        parts.insert(place, (Part::Data, &data));
    }
    if let Some(more) = &more {
        let place = usize::try_from(choice / 2 % 3).unwrap_or(0).min(parts.len());
        parts.insert(place, (Part::More, more));
    }
    let blocks = parts.len() - 1;
    let mut end = (srb::SRB_EX_DATA_OFFSETS + 4 * blocks.max(1)).next_multiple_of(8);
    let mut offsets = [0_usize; 3];
    for (index, (part, bytes)) in parts.iter().enumerate() {
        end += GAPS
            .get(usize::try_from(choice / 6).unwrap_or(0).wrapping_add(index) % GAPS.len())
            .copied()
            .unwrap_or(0);
        if let Some(offset) = offsets.get_mut(*part as usize) {
            *offset = end;
        }
        end += bytes.len();
    }
    let [address_offset, data_offset, more_offset] = offsets;
    let total = end;
    // The offsets of the blocks come in any order, too.
    let mut listed: Vec<usize> = [data_offset, more_offset]
        .into_iter()
        .filter(|&offset| offset != 0)
        .collect();
    if choice / 3 % 2 == 1 {
        listed.reverse();
    }
    let block = StorageRequestBlock {
        length: 8,
        function: function::STORAGE_REQUEST_BLOCK,
        signature: srb::SRB_SIGNATURE,
        version: 1,
        srb_length: u32::try_from(total).unwrap_or(0),
        srb_function: u32::from(code),
        srb_flags: srb_flags(request),
        request_attribute: u16::from(srb::SRB_SIMPLE_TAG_REQUEST),
        time_out_value: seconds(request),
        address_offset: u32::try_from(address_offset).unwrap_or(0),
        num_srb_ex_data: u32::try_from(listed.len()).unwrap_or(0),
        data_transfer_length: request.length(),
        data_buffer: places.data,
        miniport_context: places.extension,
        ..StorageRequestBlock::default()
    };
    let mut image = block.as_bytes().to_vec();
    image.resize(total, 0);
    let mut put = |offset: usize, bytes: &[u8]| {
        if let Some(place) = image.get_mut(offset..offset + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    for (part, bytes) in &parts {
        put(offsets.get(*part as usize).copied().unwrap_or(0), bytes);
    }
    for (index, &offset) in listed.iter().enumerate() {
        put(
            srb::SRB_EX_DATA_OFFSETS + 4 * index,
            &u32::try_from(offset).unwrap_or(0).to_le_bytes(),
        );
    }
    let scsi = matches!(request.command, Command::Scsi(_));
    (image, if scsi { data_offset } else { 0 })
}

/// A part of an extended SRB behind its header.
#[derive(Clone, Copy)]
enum Part {
    Address,
    Data,
    More,
}

/// Bytes that are left between parts.
const GAPS: [usize; 4] = [0, 8, 0, 24];

/// `SRBEX_DATA_IO_INFO` of a read or a write, for a miniport with `STOR_FEATURE_EXTRA_IO_INFORMATION`.
fn io_information(setup: &Setup, request: &PortRequest) -> Option<Vec<u8>> {
    if setup.registration.feature_support & STOR_FEATURE_EXTRA_IO_INFORMATION == 0 {
        return None;
    }
    let Command::Scsi(cdb) = &request.command else {
        return None;
    };
    if !cdb.first().is_some_and(|&opcode| is_read_write(opcode)) {
        return None;
    }
    // Type, length of what follows, flags, key, length, whether it writes, cache priority.
    let mut bytes = Vec::with_capacity(32);
    for word in [srb::SRBEX_DATA_TYPE_IO_INFO, 24, 0, 0, request.length()] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend([u8::from(matches!(request.direction, Direction::Out)), 0, 0, 0]);
    bytes.extend([0; 8]);
    Some(bytes)
}

/// The SRB function and its `SRBEX_DATA`, if it has any.
fn parameters(request: &PortRequest, places: &Places) -> (u8, Vec<u8>) {
    let length = |size: usize| u32::try_from(size - 8).unwrap_or(0);
    match &request.command {
        Command::Scsi(cdb) if cdb.len() <= 16 => {
            let mut data = SrbexDataScsiCdb16 {
                kind: srb::SRBEX_DATA_TYPE_SCSI_CDB16,
                length: length(size_of::<SrbexDataScsiCdb16>()),
                sense_info_buffer_length: places.sense_length,
                cdb_length: u8::try_from(cdb.len()).unwrap_or(16),
                sense_info_buffer: places.sense,
                ..SrbexDataScsiCdb16::default()
            };
            data.cdb.iter_mut().zip(cdb).for_each(|(to, from)| *to = *from);
            (function::EXECUTE_SCSI, data.as_bytes().to_vec())
        }
        Command::Scsi(cdb) => {
            let mut data = SrbexDataScsiCdb32 {
                kind: srb::SRBEX_DATA_TYPE_SCSI_CDB32,
                length: length(size_of::<SrbexDataScsiCdb32>()),
                sense_info_buffer_length: places.sense_length,
                cdb_length: u8::try_from(cdb.len().min(32)).unwrap_or(32),
                sense_info_buffer: places.sense,
                ..SrbexDataScsiCdb32::default()
            };
            data.cdb.iter_mut().zip(cdb).for_each(|(to, from)| *to = *from);
            (function::EXECUTE_SCSI, data.as_bytes().to_vec())
        }
        Command::Plain(code) => (*code, Vec::new()),
        Command::Pnp(action, pnp_flags) => {
            let data = SrbexDataPnp {
                kind: srb::SRBEX_DATA_TYPE_PNP,
                length: length(size_of::<SrbexDataPnp>()),
                pnp_action: *action,
                srb_pnp_flags: *pnp_flags,
                ..SrbexDataPnp::default()
            };
            (function::PNP, data.as_bytes().to_vec())
        }
        Command::Power(state, action, power_flags) => {
            let data = SrbexDataPower {
                kind: srb::SRBEX_DATA_TYPE_POWER,
                length: length(size_of::<SrbexDataPower>()),
                srb_power_flags: *power_flags,
                device_power_state: *state,
                power_action: *action,
                ..SrbexDataPower::default()
            };
            (function::POWER, data.as_bytes().to_vec())
        }
    }
}
