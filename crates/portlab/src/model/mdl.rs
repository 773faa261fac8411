//! Memory descriptor lists: those that the driver makes of its pool memory, and those of requests' data.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::{limits::status, machine::Machine, request::Leak, rules};
use crate::{
    abi::{GuestAddress, codes::stor_status, exports::Arguments, guest},
    memory::{Block, Request},
};

/// Bytes of an MDL before its page frame numbers (64-bit).
const MDL_HEADER: usize = 48;
/// Offset of an MDL's `Size`.
const SIZE_OFFSET: u64 = 8;
const PAGE: u64 = 4096;

/// An MDL that the driver made.
#[derive(Debug, Clone)]
pub(super) struct Mdl {
    block: Block,
    /// The memory that it describes.
    pub(super) memory: GuestAddress,
    pub(super) length: usize,
    pub(super) built: bool,
    place: String,
}

/// All MDLs.
#[derive(Default)]
pub(super) struct Mdls {
    made: Mutex<BTreeMap<GuestAddress, Mdl>>,
    /// By SRB: the MDLs of the requests that the miniport owns, made when they are asked for.
    requests: Mutex<BTreeMap<GuestAddress, Block>>,
}

impl Mdls {
    /// The driver's MDL at `address`.
    pub(super) fn find(&self, address: GuestAddress) -> Option<Mdl> {
        self.made.lock().get(&address).cloned()
    }

    /// What the driver never freed; it is forgotten.
    pub(super) fn drain_leaks(&self) -> Vec<Leak> {
        let made = std::mem::take(&mut *self.made.lock());
        let leak = |(address, mdl): (GuestAddress, Mdl)| Leak {
            kind: "MDL",
            what: format!(
                "of {} bytes at {:#x}, at {address:#x}, allocated by {}",
                mdl.length, mdl.memory, mdl.place
            ),
        };
        made.into_iter().map(leak).collect()
    }
}

impl Machine {
    /// An MDL in memory: its size, and the frames of `length` bytes from `address` on, or none yet.
    fn mdl_block(&self, address: GuestAddress, length: usize, frames: bool) -> Option<Block> {
        let pages = ((address & (PAGE - 1)) + length as u64).div_ceil(PAGE);
        let bytes = MDL_HEADER + 8 * usize::try_from(pages).ok()?;
        let block = self.memory.port_pool(&Request::new(bytes, "an MDL").zeroed())?;
        guest::write(
            block.address + SIZE_OFFSET,
            &u16::try_from(bytes).unwrap_or(u16::MAX),
        );
        if frames {
            self.write_frames(block.address, address, pages);
        }
        Some(block)
    }

    fn write_frames(&self, mdl: GuestAddress, address: GuestAddress, pages: u64) {
        for page in 0..pages {
            // A page that begins before the memory does is found by the memory's first byte.
            let place = (address & !(PAGE - 1)) + page * PAGE;
            let segment = self.memory.dma.translate(place.max(address));
            let frame = segment.map_or(0, |segment| segment.device_address / PAGE);
            guest::write(mdl + MDL_HEADER as u64 + 8 * page, &frame);
        }
    }

    /// `StorPortAllocateMdl(HwDeviceExtension, BufferPointer, NumberOfBytes, *Mdl)`.
    pub(super) fn allocate_mdl(&self, arguments: Arguments) -> u32 {
        let (memory, length) = (arguments.pointer(2), arguments.u32(3) as usize);
        let out = arguments.pointer(4);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Mdl", out)?;
            self.not_null("BufferPointer", memory)?;
            if !self.memory.is_pool(memory, length) {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("{length} bytes at {memory:#x} are no pool memory of the driver's")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            self.resources()?;
            let block = self
                .mdl_block(memory, length, false)
                .ok_or(stor_status::INSUFFICIENT_RESOURCES)?;
            let mdl = Mdl {
                block,
                memory,
                length,
                built: false,
                place: Self::place(),
            };
            self.mdls.made.lock().insert(block.address, mdl);
            guest::write(out, &block.address);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortBuildMdlForNonPagedPool(HwDeviceExtension, Mdl)`.
    pub(super) fn build_mdl(&self, arguments: Arguments) -> u32 {
        let address = arguments.pointer(2);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Mdl", address)?;
            let mut made = self.mdls.made.lock();
            let Some(mdl) = made.get_mut(&address) else {
                drop(made);
                self.unknown_mdl(address);
                return Err(stor_status::INVALID_PARAMETER);
            };
            mdl.built = true;
            let (memory, length) = (mdl.memory, mdl.length);
            drop(made);
            let pages = ((memory & (PAGE - 1)) + length as u64).div_ceil(PAGE);
            self.write_frames(address, memory, pages);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortFreeMdl(HwDeviceExtension, Mdl)`.
    pub(super) fn free_mdl(&self, arguments: Arguments) -> u32 {
        let address = arguments.pointer(2);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Mdl", address)?;
            if self.lists.uses_mdl(address) {
                self.violate(&rules::SCATTER_LIST_IN_USE, || {
                    format!("the MDL at {address:#x} is freed, its list is not put back")
                });
            }
            let Some(mdl) = self.mdls.made.lock().remove(&address) else {
                self.unknown_mdl(address);
                return Err(stor_status::INVALID_PARAMETER);
            };
            let _ = self.memory.pool.free(mdl.block.address);
            Ok(stor_status::SUCCESS)
        })())
    }

    fn unknown_mdl(&self, address: GuestAddress) {
        self.violate(&rules::MEMORY_FREED_TWICE, || {
            format!("{address:#x} is no MDL that the driver allocated")
        });
    }

    /// `StorPortGetOriginalMdl(HwDeviceExtension, Srb, *Mdl)`.
    pub(super) fn get_original_mdl(&self, arguments: Arguments) -> u32 {
        let (srb, out) = (arguments.pointer(2), arguments.pointer(3));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Mdl", out)?;
            let request = self.requests.owned(srb);
            let Some(request) = request.filter(|_| self.is_srb(srb)) else {
                self.is_srb(srb);
                return Err(stor_status::INVALID_PARAMETER);
            };
            let buffer = request.buffer.as_ref().filter(|buffer| !buffer.is_empty());
            let mdl = buffer.map_or(0, |buffer| {
                let mut requests = self.mdls.requests.lock();
                if let Some(block) = requests.get(&srb) {
                    return block.address;
                }
                let block = self.mdl_block(buffer.address(), buffer.len(), true);
                block.map_or(0, |block| {
                    requests.insert(srb, block);
                    block.address
                })
            });
            guest::write(out, &mdl);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortGetPfns(HwDeviceExtension, Srb, Mdl, *Pfns, *PfnCount, *StartingOffset)`.
    pub(super) fn get_pfns(&self, arguments: Arguments) -> u32 {
        let (srb, mdl) = (arguments.pointer(2), arguments.pointer(3));
        let (out, out_count, out_offset) = (arguments.pointer(4), arguments.pointer(5), arguments.pointer(6));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            for (name, pointer) in [
                ("Pfns", out),
                ("PfnCount", out_count),
                ("StartingOffset", out_offset),
            ] {
                self.not_null(name, pointer)?;
            }
            let request = self.requests.owned(srb);
            let Some(request) = request.filter(|_| self.is_srb(srb)) else {
                self.is_srb(srb);
                return Err(stor_status::INVALID_PARAMETER);
            };
            let own = self.mdls.requests.lock().get(&srb).map(|block| block.address);
            let buffer = request.buffer.as_ref().filter(|_| own == Some(mdl));
            let Some(buffer) = buffer else {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("{mdl:#x} is no MDL that StorPortGetOriginalMdl gave for this request")
                });
                return Err(stor_status::INVALID_PARAMETER);
            };
            let offset = buffer.address() & (PAGE - 1);
            let pages = (offset + buffer.len() as u64).div_ceil(PAGE);
            guest::write(out, &(mdl + MDL_HEADER as u64));
            guest::write(out_count, &u32::try_from(pages).unwrap_or(u32::MAX));
            guest::write(out_offset, &u32::try_from(offset).unwrap_or(0));
            Ok(stor_status::SUCCESS)
        })())
    }

    /// The MDL of a request is gone with the request.
    pub(super) fn forget_request_mdl(&self, srb: GuestAddress) {
        if let Some(block) = self.mdls.requests.lock().remove(&srb) {
            let _ = self.memory.pool.free(block.address);
        }
    }
}
