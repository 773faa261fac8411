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
/// Where an MDL says where its memory is: `MappedSystemVa`, `StartVa`, `ByteCount` and `ByteOffset`.
const MAPPED_OFFSET: u64 = 24;
const START_OFFSET: u64 = 32;
const COUNT_OFFSET: u64 = 40;

/// `MdlFlags`.
pub(super) mod flags {
    /// Where they are.
    pub(in crate::model) const OFFSET: u64 = 10;
    /// `MDL_PAGES_LOCKED`.
    pub(in crate::model) const LOCKED: u16 = 0x2;
    /// `MDL_SOURCE_IS_NONPAGED_POOL`: `MappedSystemVa` is valid.
    pub(in crate::model) const NON_PAGED_POOL: u16 = 0x4;
    /// `MDL_PARTIAL`.
    pub(in crate::model) const PARTIAL: u16 = 0x10;
}

/// An MDL that the driver made.
#[derive(Debug, Clone)]
pub(super) struct Mdl {
    block: Block,
    /// The memory that it describes.
    pub(super) memory: GuestAddress,
    pub(super) length: usize,
    pub(super) built: bool,
    /// Made by `IoAllocateMdl`, and freed by `IoFreeMdl`.
    of_kernel: bool,
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
        guest::write(block.address + START_OFFSET, &(address & !(PAGE - 1)));
        let count = u32::try_from(length).unwrap_or(u32::MAX);
        let offset = u32::try_from(address & (PAGE - 1)).unwrap_or(0);
        guest::write(block.address + COUNT_OFFSET, &[count, offset]);
        if frames {
            guest::write(block.address + flags::OFFSET, &flags::LOCKED);
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
                of_kernel: false,
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
            self.built(address, memory, length, flags::NON_PAGED_POOL);
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
            if !self.drop_mdl(address, false) {
                return Err(stor_status::INVALID_PARAMETER);
            }
            Ok(stor_status::SUCCESS)
        })())
    }

    /// Frees an MDL of the kernel's or of Storport's; `false` if it is none.
    fn drop_mdl(&self, address: GuestAddress, of_kernel: bool) -> bool {
        let found = {
            let mut made = self.mdls.made.lock();
            let own = made.get(&address).is_some_and(|mdl| mdl.of_kernel == of_kernel);
            own.then(|| made.remove(&address)).flatten()
        };
        let Some(mdl) = found else {
            self.unknown_mdl(address);
            return false;
        };
        let _ = self.memory.pool.free(mdl.block.address);
        true
    }

    /// The MDL says where its memory is, and in which frames.
    fn built(&self, mdl: GuestAddress, memory: GuestAddress, length: usize, flag: u16) {
        let before: u16 = guest::read(mdl + flags::OFFSET);
        guest::write(mdl + flags::OFFSET, &(before | flag));
        if flag == flags::NON_PAGED_POOL {
            guest::write(mdl + MAPPED_OFFSET, &memory);
        }
        let pages = ((memory & (PAGE - 1)) + length as u64).div_ceil(PAGE);
        self.write_frames(mdl, memory, pages);
    }

    /// `IoAllocateMdl(VirtualAddress, Length, SecondaryBuffer, ChargeQuota, Irp)`; NULL if there is no memory.
    pub(super) fn kernel_allocate_mdl(&self, memory: GuestAddress, length: usize, irp: u64) -> GuestAddress {
        if irp != 0 {
            self.violate(&rules::BAD_PARAMETER, || {
                String::from("a physical miniport has no IRP that an MDL could belong to")
            });
        }
        let block = self
            .memory_left()
            .then(|| self.mdl_block(memory, length, false))
            .flatten();
        let Some(block) = block else {
            return 0;
        };
        let mdl = Mdl {
            block,
            memory,
            length,
            built: false,
            of_kernel: true,
            place: Self::place(),
        };
        self.mdls.made.lock().insert(block.address, mdl);
        block.address
    }

    /// `IoFreeMdl(Mdl)`.
    pub(super) fn kernel_free_mdl(&self, mdl: GuestAddress) {
        self.drop_mdl(mdl, true);
    }

    /// `MmBuildMdlForNonPagedPool(Mdl)`, `MmProbeAndLockPages(Mdl, ...)`.
    pub(super) fn kernel_build_mdl(&self, address: GuestAddress, flag: u16) {
        let found = {
            let mut made = self.mdls.made.lock();
            made.get_mut(&address).map(|mdl| {
                mdl.built = true;
                (mdl.memory, mdl.length)
            })
        };
        match found {
            Some((memory, length)) => self.built(address, memory, length, flag),
            None => self.unknown_mdl(address),
        }
    }

    /// `MmMapLockedPagesSpecifyCache(Mdl, ...)`: everything is mapped for the kernel, where it is.
    pub(super) fn kernel_map_mdl(&self, mdl: GuestAddress) -> GuestAddress {
        let flags: u16 = guest::read(mdl + flags::OFFSET);
        if flags & (flags::LOCKED | flags::NON_PAGED_POOL | flags::PARTIAL) == 0 {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("the MDL at {mdl:#x} describes no pages yet")
            });
            return 0;
        }
        let start: GuestAddress = guest::read(mdl + START_OFFSET);
        let [_, offset]: [u32; 2] = guest::read(mdl + COUNT_OFFSET);
        start + u64::from(offset)
    }

    /// `IoBuildPartialMdl(SourceMdl, TargetMdl, VirtualAddress, Length)`; a length of 0 is the rest of the source.
    pub(super) fn kernel_partial_mdl(
        &self,
        source: GuestAddress,
        target: GuestAddress,
        address: GuestAddress,
        length: u32,
    ) {
        let start: GuestAddress = guest::read(source + START_OFFSET);
        let [count, offset]: [u32; 2] = guest::read(source + COUNT_OFFSET);
        let begin = start + u64::from(offset);
        let end = begin + u64::from(count);
        let length = if length == 0 {
            end.saturating_sub(address)
        } else {
            length.into()
        };
        let offset = address & (PAGE - 1);
        let pages = (offset + length).div_ceil(PAGE);
        let room = u64::from(guest::read::<u16>(target + SIZE_OFFSET)).saturating_sub(MDL_HEADER as u64) / 8;
        if address < begin || address + length > end || pages > room {
            self.violate(&rules::BAD_PARAMETER, || {
                format!(
                    "{length} bytes at {address:#x}: not in the source, or more than the target has room for"
                )
            });
            return;
        }
        guest::write(target + START_OFFSET, &(address & !(PAGE - 1)));
        let values = [length, offset].map(|value| u32::try_from(value).unwrap_or(u32::MAX));
        guest::write(target + COUNT_OFFSET, &values);
        let before: u16 = guest::read(target + flags::OFFSET);
        guest::write(target + flags::OFFSET, &(before | flags::PARTIAL));
        let skipped = (address - start) / PAGE;
        for page in 0..pages {
            let frame: u64 = guest::read(source + MDL_HEADER as u64 + 8 * (skipped + page));
            guest::write(target + MDL_HEADER as u64 + 8 * page, &frame);
        }
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
