//! An SRB in the driver's memory, in either form: writing it, and reading back what the miniport reported.

use super::{
    adapter::Setup,
    machine::Machine,
    request::Direction,
    requests::{Command, PortRequest},
};
use crate::{
    abi::{
        GuestAddress,
        configuration::{
            STOR_MAP_ALL_BUFFERS, STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE, STOR_MAP_NON_READ_WRITE_BUFFERS,
        },
        guest,
        srb::{
            self, ScsiRequestBlock, SrbexDataPnp, SrbexDataPower, SrbexDataScsiCdb16, SrbexDataScsiCdb32,
            StorAddrBtl8, StorageRequestBlock, flags, function,
        },
        transfer::{ScatterGatherElement, ScatterGatherHeader},
    },
    memory::{Block, DmaRequest, Placement, Request},
};

/// What a data buffer's address is when the miniport did not ask for it to be mapped: nothing is there.
const UNMAPPED: GuestAddress = 0x0000_7A30_0000_0000;
/// Length of the fixed part of sense data plus what a disk adds: the class driver's buffer.
const SENSE_SHORT: u8 = 18;
/// The longest sense buffer.
const SENSE_LONG: u8 = 252;

/// The guest memory of one SRB.
pub(super) struct SrbMemory {
    pub(super) srb: Block,
    pub(super) extension: Option<Block>,
    sense: Option<Block>,
    scatter: Option<Block>,
    pub(super) extended: bool,
    /// Offset of the `SRBEX_DATA` in an extended SRB.
    data_offset: usize,
    /// The SRB as it was handed over.
    original: Vec<u8>,
}

/// What the miniport wrote into the SRB.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) srb_status: u8,
    pub(super) scsi_status: u8,
    pub(super) transferred: u32,
    pub(super) sense_length: u8,
    /// Bytes of the SRB that the miniport changed without being entitled to, by offset.
    pub(super) changed: Option<usize>,
}

impl SrbMemory {
    /// Guest address of the SRB.
    pub(super) const fn address(&self) -> GuestAddress {
        self.srb.address
    }

    /// Guest address of the scatter/gather list; 0 without one.
    pub(super) fn scatter_list(&self) -> GuestAddress {
        self.scatter.map_or(0, |block| block.address)
    }

    /// Length of the sense buffer.
    pub(super) fn sense_capacity(&self) -> usize {
        self.sense.map_or(0, |block| block.length)
    }

    /// The first `length` bytes of the sense buffer.
    pub(super) fn sense(&self, length: usize) -> Vec<u8> {
        let Some(block) = self.sense else {
            return Vec::new();
        };
        let mut bytes = vec![0; length.min(block.length)];
        guest::read_bytes(block.address, &mut bytes);
        bytes
    }

    /// Reads what the miniport reported.
    pub(super) fn report(&self) -> Report {
        let mut now = vec![0; self.original.len()];
        guest::read_bytes(self.srb.address, &mut now);
        let byte = |offset: usize| now.get(offset).copied().unwrap_or(0);
        let word = |offset: usize| {
            now.get(offset..offset + 4)
                .and_then(|bytes| bytes.try_into().ok())
                .map_or(0, u32::from_le_bytes)
        };
        // What is reported through: offset and length.
        let (scsi, transferred, free): (usize, usize, Vec<(usize, usize)>) = if self.extended {
            let scsi = self.data_offset + 8;
            // SrbStatus, SystemStatus, DataTransferLength, NextSrb (queues of the miniport), SCSI status and sense length.
            (scsi, 60, vec![(3, 1), (44, 4), (60, 4), (112, 8), (scsi, 2)])
        } else {
            (4, 16, vec![(3, 2), (11, 1), (16, 4), (40, 8), (64, 4)])
        };
        let has_cdb = !self.extended || self.data_offset != 0;
        let changed = (0..now.len()).find(|&offset| {
            now.get(offset) != self.original.get(offset)
                && !free
                    .iter()
                    .any(|&(start, length)| offset >= start && offset < start + length)
        });
        Report {
            srb_status: byte(3),
            scsi_status: if has_cdb { byte(scsi) } else { 0 },
            transferred: word(transferred),
            sense_length: if self.extended {
                byte(self.data_offset + 9)
            } else {
                byte(11)
            },
            changed,
        }
    }
}

impl Machine {
    /// Makes the SRB of a request; `None` without memory.
    pub(super) fn make_srb(&self, setup: &Setup, request: &PortRequest) -> Option<SrbMemory> {
        let pool = |length: usize, label: &str| {
            let mut request = Request::new(length, label);
            request.placement = Placement::Either;
            self.memory.port_pool(&request)
        };
        let dma = |length: usize, label: &str| {
            let mut request = Request::new(length, label).aligned(8);
            request.placement = Placement::Either;
            self.memory.port_dma(&DmaRequest::contiguous(request))
        };
        let extension = match setup.configuration.srb_extension_size {
            0 => None,
            length => Some(dma(length as usize, "SRB extension")?),
        };
        let sense = match &request.command {
            Command::Scsi(_) => {
                let length = if request.id.is_multiple_of(4) {
                    SENSE_LONG
                } else {
                    SENSE_SHORT
                };
                Some(dma(usize::from(length), "sense buffer")?)
            }
            _ => None,
        };
        let list = scatter_list(request);
        let scatter = if list.is_empty() {
            None
        } else {
            Some(pool(list.len(), "scatter/gather list")?)
        };
        if let Some(block) = scatter {
            guest::write_bytes(block.address, &list);
        }
        let places = Places {
            extension: extension.map_or(0, |block| block.address),
            sense: sense.map_or(0, |block| block.address),
            sense_length: sense.map_or(0, |block| u8::try_from(block.length).unwrap_or(u8::MAX)),
            data: data_address(setup, request),
        };
        let (image, data_offset) = if setup.extended_srbs {
            extended_image(request, &places)
        } else {
            (legacy_image(request, &places), 0)
        };
        let srb = pool(image.len(), "SRB")?;
        guest::write_bytes(srb.address, &image);
        Some(SrbMemory {
            srb,
            extension,
            sense,
            scatter,
            extended: setup.extended_srbs,
            data_offset,
            original: image,
        })
    }

    /// Gives the memory of a completed SRB back: from now on it is poison.
    pub(super) fn free_srb(&self, memory: &SrbMemory) {
        let _ = self.memory.pool.free(memory.srb.address);
        if let Some(block) = memory.scatter {
            let _ = self.memory.pool.free(block.address);
        }
        for block in [memory.extension, memory.sense].into_iter().flatten() {
            let _ = self.memory.dma.free(block.address);
        }
    }
}

struct Places {
    extension: GuestAddress,
    sense: GuestAddress,
    sense_length: u8,
    data: GuestAddress,
}

const fn is_read_write(opcode: u8) -> bool {
    matches!(opcode, 0x08 | 0x0A | 0x28 | 0x2A | 0xA8 | 0xAA | 0x88 | 0x8A)
}

fn data_address(setup: &Setup, request: &PortRequest) -> GuestAddress {
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

fn scatter_list(request: &PortRequest) -> Vec<u8> {
    use zerocopy::IntoBytes;
    let Some(buffer) = request.buffer.as_ref().filter(|buffer| !buffer.is_empty()) else {
        return Vec::new();
    };
    let segments = buffer.segments();
    let head = ScatterGatherHeader {
        number_of_elements: u32::try_from(segments.len()).unwrap_or(u32::MAX),
        ..ScatterGatherHeader::default()
    };
    let mut bytes = head.as_bytes().to_vec();
    for segment in segments {
        let element = ScatterGatherElement {
            physical_address: segment.device_address,
            length: u32::try_from(segment.length).unwrap_or(u32::MAX),
            ..ScatterGatherElement::default()
        };
        bytes.extend_from_slice(element.as_bytes());
    }
    bytes
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

fn legacy_image(request: &PortRequest, places: &Places) -> Vec<u8> {
    use zerocopy::IntoBytes;
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
        Command::Power(state, action) => {
            block.function = function::POWER;
            block.scsi_status = srb::SRB_POWER_FLAGS_ADAPTER_REQUEST;
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
fn extended_image(request: &PortRequest, places: &Places) -> (Vec<u8>, usize) {
    use zerocopy::IntoBytes;
    let address = StorAddrBtl8 {
        kind: srb::STOR_ADDRESS_TYPE_BTL8,
        address_length: 4,
        path: request.address.path,
        target: request.address.target,
        lun: request.address.lun,
        ..StorAddrBtl8::default()
    };
    let (code, data) = parameters(request, places);
    let offsets_end = (srb::SRB_EX_DATA_OFFSETS + 4).next_multiple_of(8);
    let address_first = request.id.is_multiple_of(2) || data.is_empty();
    let (address_offset, data_offset) = if address_first {
        (offsets_end, offsets_end + size_of::<StorAddrBtl8>())
    } else {
        (offsets_end + data.len(), offsets_end)
    };
    let total = offsets_end + size_of::<StorAddrBtl8>() + data.len();
    let count = u32::from(!data.is_empty());
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
        num_srb_ex_data: count,
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
    put(address_offset, address.as_bytes());
    if count != 0 {
        put(
            srb::SRB_EX_DATA_OFFSETS,
            &u32::try_from(data_offset).unwrap_or(0).to_le_bytes(),
        );
        put(data_offset, &data);
    }
    let scsi = matches!(request.command, Command::Scsi(_));
    (image, if scsi { data_offset } else { 0 })
}

/// The SRB function and its `SRBEX_DATA`, if it has any.
fn parameters(request: &PortRequest, places: &Places) -> (u8, Vec<u8>) {
    use zerocopy::IntoBytes;
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
        Command::Power(state, action) => {
            let data = SrbexDataPower {
                kind: srb::SRBEX_DATA_TYPE_POWER,
                length: length(size_of::<SrbexDataPower>()),
                srb_power_flags: srb::SRB_POWER_FLAGS_ADAPTER_REQUEST,
                device_power_state: *state,
                power_action: *action,
                ..SrbexDataPower::default()
            };
            (function::POWER, data.as_bytes().to_vec())
        }
    }
}
