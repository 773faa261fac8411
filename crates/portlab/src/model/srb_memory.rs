//! An SRB in the driver's memory, in either form: writing it, and reading back what the miniport reported.

use std::sync::LazyLock;

use super::{
    adapter::Setup,
    machine::Machine,
    requests::{Command, PortRequest},
    srb_image::{Places, data_address, extended_image, legacy_image, scatter_list},
};
use crate::{
    abi::{GuestAddress, guest},
    memory::{Block, DmaRequest, Label, Placement, Request},
};

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
    /// The scatter/gather list as it was handed over.
    list: Vec<u8>,
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

    /// Whether the miniport wrote to the scatter/gather list.
    pub(super) fn scatter_list_changed(&self) -> bool {
        let Some(block) = self.scatter else {
            return false;
        };
        let mut now = vec![0; self.list.len()];
        guest::read_bytes(block.address, &mut now);
        now != self.list
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
        let extended = [(3, 1), (44, 4), (60, 4), (112, 8), (self.data_offset + 8, 2)];
        // SrbStatus, SystemStatus, DataTransferLength, NextSrb (queues of the miniport), SCSI status and sense length.
        let (scsi, transferred, free): (usize, usize, [(usize, usize); 5]) = if self.extended {
            (self.data_offset + 8, 60, extended)
        } else {
            (4, 16, [(3, 2), (11, 1), (16, 4), (40, 8), (64, 4)])
        };
        let has_cdb = !self.extended || self.data_offset != 0;
        let mut rest = now.clone();
        for (start, length) in free {
            let places = start..start + length;
            if let (Some(place), Some(original)) = (rest.get_mut(places.clone()), self.original.get(places)) {
                place.copy_from_slice(original);
            }
        }
        let changed = if rest == self.original {
            None
        } else {
            rest.iter()
                .zip(&self.original)
                .position(|(now, then)| now != then)
        };
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

/// Labels that each request needs.
static LABELS: LazyLock<[Label; 4]> =
    LazyLock::new(|| ["SRB", "SRB extension", "sense buffer", "scatter/gather list"].map(Label::from));

impl Machine {
    /// Makes the SRB of a request; `None` without memory.
    pub(super) fn make_srb(&self, setup: &Setup, request: &PortRequest) -> Option<SrbMemory> {
        let [srb_label, extension_label, sense_label, list_label] = &*LABELS;
        let pool = |length: usize, label: &Label| {
            let mut request = Request::new(length, Label::clone(label));
            request.placement = Placement::Either;
            self.memory.port_pool(&request)
        };
        let dma = |length: usize, label: &Label| {
            let mut request = Request::new(length, Label::clone(label)).aligned(8);
            request.placement = Placement::Either;
            self.memory.port_dma(&DmaRequest::contiguous(request))
        };
        let extension = match setup.configuration.srb_extension_size {
            0 => None,
            length => Some(dma(length as usize, extension_label)?),
        };
        let sense = match &request.command {
            Command::Scsi(_) => {
                let length = if request.id.is_multiple_of(4) {
                    SENSE_LONG
                } else {
                    SENSE_SHORT
                };
                Some(dma(usize::from(length), sense_label)?)
            }
            _ => None,
        };
        let list = scatter_list(request);
        let scatter = if list.is_empty() {
            None
        } else {
            Some(pool(list.len(), list_label)?)
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
            extended_image(setup, request, &places)
        } else {
            (legacy_image(request, &places), 0)
        };
        let srb = pool(image.len(), srb_label)?;
        guest::write_bytes(srb.address, &image);
        Some(SrbMemory {
            srb,
            extension,
            sense,
            scatter,
            list,
            extended: setup.extended_srbs,
            data_offset,
            original: image,
        })
    }

    /// Gives the memory of a completed SRB back: from now on it is poison.
    pub(super) fn free_srb(&self, memory: &SrbMemory) {
        self.forget_request_mdl(memory.srb.address);
        let _ = self.memory.pool.free(memory.srb.address);
        if let Some(block) = memory.scatter {
            let _ = self.memory.pool.free(block.address);
        }
        for block in [memory.extension, memory.sense].into_iter().flatten() {
            let _ = self.memory.dma.free(block.address);
        }
    }
}
