//! Memory: pool, contiguous and DMA memory, the uncached extension, address translation.

use super::{
    activity::{self, Activity},
    limits::status,
    machine::Machine,
    memory::Origin,
    rules,
};
use crate::{
    abi::{
        GuestAddress,
        codes::stor_status,
        configuration::{PortConfigurationInformation, SP_UNINITIALIZED_VALUE},
        exports::Arguments,
        guest,
    },
    engine::Irql,
    memory::{Block, DmaRequest, Request},
};

/// `POOL_FLAG_UNINITIALIZED`: `ExAllocatePool2` zeroes without it.
const POOL_FLAG_UNINITIALIZED: u64 = 0x2;
/// What is said of contiguous memory's length: the page of `StorPortGetPhysicalAddress` has it ignored.
const CONTIGUOUS_LENGTH: u32 = 1;
/// An allocation larger than this is a mistake of the arguments.
const LARGEST: u64 = 1 << 30;

impl Machine {
    /// `StorPortAllocatePool(HwDeviceExtension, NumberOfBytes, Tag, *BufferPointer)`.
    pub(super) fn allocate_pool(&self, arguments: Arguments) -> u32 {
        let (length, tag, out) = (arguments.u32(2), arguments.u32(3), arguments.pointer(4));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("BufferPointer", out)?;
            let address = self.driver_stor_pool(length as usize, tag);
            guest::write(out, &address);
            if address == 0 {
                Err(stor_status::INSUFFICIENT_RESOURCES)
            } else {
                Ok(stor_status::SUCCESS)
            }
        })())
    }

    /// `StorPortFreePool(HwDeviceExtension, BufferPointer)`.
    pub(super) fn free_pool(&self, arguments: Arguments) -> u32 {
        let address = arguments.pointer(2);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("BufferPointer", address)?;
            if self.lists.uses_memory(address) {
                self.violate(&rules::SCATTER_LIST_IN_USE, || {
                    format!("the memory at {address:#x} is freed, a list needs it still")
                });
            }
            if self.driver_free(Origin::StorPool, address, None) {
                Ok(stor_status::SUCCESS)
            } else {
                Err(stor_status::INVALID_PARAMETER)
            }
        })())
    }

    /// `StorPortAllocateContiguousMemorySpecifyCacheNode(HwDeviceExtension, NumberOfBytes, Lowest, Highest,
    /// Boundary, CacheType, PreferredNode, *BufferPointer)`; with `StorPortAllocateDmaMemory` the device
    /// address is returned too.
    pub(super) fn allocate_contiguous(&self, arguments: Arguments, origin: Origin) -> u32 {
        let length = arguments.get(2);
        let (lowest, highest, boundary) = (arguments.get(3), arguments.get(4), arguments.get(5));
        let (out, out_device) = (arguments.pointer(8), arguments.pointer(9));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("BufferPointer", out)?;
            if origin == Origin::Dma {
                self.not_null("PhysicalAddress", out_device)?;
            }
            if length == 0 || length > LARGEST || (boundary != 0 && !boundary.is_power_of_two()) {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("NumberOfBytes {length:#x}, BoundaryAddressMultiple {boundary:#x}")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            let bytes = usize::try_from(length).unwrap_or(usize::MAX);
            let label = if origin == Origin::Dma {
                "the driver's DMA memory"
            } else {
                "the driver's contiguous memory"
            };
            let mut request = DmaRequest::contiguous(Request::new(bytes, label).aligned(4096).guarded());
            (request.lowest, request.highest, request.boundary) = (lowest, highest, boundary);
            let address = self.driver_dma(origin, &request);
            guest::write(out, &address);
            if address == 0 {
                return Err(stor_status::INSUFFICIENT_RESOURCES);
            }
            if origin == Origin::Dma {
                let device = self
                    .memory
                    .dma
                    .translate(address)
                    .map_or(0, |segment| segment.device_address);
                guest::write(out_device, &device);
            }
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortFreeContiguousMemorySpecifyCache(HwDeviceExtension, BaseAddress, NumberOfBytes, CacheType)` and
    /// `StorPortFreeDmaMemory`, which takes the device address too.
    pub(super) fn free_contiguous(&self, arguments: Arguments, origin: Origin) -> u32 {
        let (address, length) = (arguments.pointer(2), arguments.get(3));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("BaseAddress", address)?;
            if self.driver_free(origin, address, usize::try_from(length).ok()) {
                Ok(stor_status::SUCCESS)
            } else {
                Err(stor_status::INVALID_PARAMETER)
            }
        })())
    }

    /// `StorPortGetUncachedExtension(HwDeviceExtension, ConfigInfo, NumberOfBytes)`.
    pub(super) fn get_uncached_extension(&self, arguments: Arguments) -> GuestAddress {
        let (extension, configuration, length) =
            (arguments.pointer(0), arguments.pointer(1), arguments.u32(2));
        let legal = self.is_extension(extension)
            && self.uncached_window()
            && self.not_null("ConfigInfo", configuration).is_ok();
        if !legal {
            return 0;
        }
        let setup = self.setup();
        let said: PortConfigurationInformation = guest::read(configuration);
        if said.srb_extension_size == SP_UNINITIALIZED_VALUE {
            self.violate(&rules::UNCACHED_WINDOW, || {
                String::from("SrbExtensionSize is not set yet")
            });
            return 0;
        }
        if let Some((address, before)) = setup.uncached {
            // One uncached extension per adapter; a repeated FindAdapter gets the same again.
            if before >= length as usize {
                return address;
            }
            self.violate(&rules::UNCACHED_WINDOW, || {
                format!("an uncached extension of {before} bytes exists; one adapter has one")
            });
            return 0;
        }
        let request = Request::new(length as usize, "the uncached extension")
            .aligned(4096)
            .guarded();
        let block = self
            .memory_left()
            .then(|| self.memory.port_dma(&DmaRequest::contiguous(request)))
            .flatten();
        let Some(block) = block else {
            return 0;
        };
        self.change_setup(|setup| setup.uncached = Some((block.address, length as usize)));
        block.address
    }

    fn uncached_window(&self) -> bool {
        let within = activity::current() == Some(Activity::FindAdapter);
        if !within {
            self.violate(&rules::UNCACHED_WINDOW, || {
                String::from("allowed in HwStorFindAdapter only")
            });
        }
        within
    }

    /// `StorPortGetPhysicalAddress(HwDeviceExtension, Srb, VirtualAddress, *Length)`.
    pub(super) fn get_physical_address(&self, arguments: Arguments) -> u64 {
        let (extension, srb) = (arguments.pointer(0), arguments.pointer(1));
        let (address, out) = (arguments.pointer(2), arguments.pointer(3));
        if !self.is_extension(extension) || self.not_null("Length", out).is_err() {
            return 0;
        }
        if srb != 0 && !self.is_srb(srb) {
            return 0;
        }
        if srb == 0 && self.requests.buffer_holds(address) {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("{address:#x} lies in a request's data buffer: Srb names the request")
            });
        }
        let segment = self.memory.dma.translate(address);
        let Some(segment) = segment else {
            self.violate(&rules::BAD_PARAMETER, || {
                let what =
                    crate::memory::describe(address).unwrap_or_else(|| String::from("nothing the lab knows"));
                format!("{address:#x} has no device address: it is {what}")
            });
            guest::write(out, &0_u32);
            return 0;
        };
        if !self
            .memory
            .dma
            .entitlements()
            .allow(segment.device_address, 1, false)
        {
            self.violate(&rules::DMA_NOT_ENTITLED, || {
                let what = crate::memory::describe(address).unwrap_or_default();
                format!("the address of {address:#x} is asked for, which is not the driver's: {what}")
            });
        }
        let length = if self.memory.is_contiguous(address) {
            CONTIGUOUS_LENGTH
        } else {
            u32::try_from(segment.length).unwrap_or(u32::MAX)
        };
        guest::write(out, &length);
        segment.device_address
    }

    /// `StorPortGetVirtualAddress(HwDeviceExtension, PhysicalAddress)`.
    pub(super) fn get_virtual_address(&self, arguments: Arguments) -> GuestAddress {
        let (extension, device) = (arguments.pointer(0), arguments.get(1));
        if !self.is_extension(extension) {
            return 0;
        }
        let address = self.memory.dma.virtual_address(device).unwrap_or(0);
        let uncached = self.setup().uncached.is_some_and(|(start, length)| {
            let block = Block {
                address: start,
                length,
            };
            block.contains(address, 1)
        });
        if !uncached && !self.requests.extension_holds(address) {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("{device:#x} is no address of the uncached extension or of an SRB extension")
            });
            return 0;
        }
        address
    }

    /// `StorPortMoveMemory(WriteBuffer, ReadBuffer, Length)`.
    pub(super) fn move_memory(arguments: Arguments) {
        let (target, source, length) = (arguments.pointer(0), arguments.pointer(1), arguments.u32(2));
        let mut bytes = vec![0; length as usize];
        guest::read_bytes(source, &mut bytes);
        guest::write_bytes(target, &bytes);
    }

    /// `ExAllocatePool2(Flags, NumberOfBytes, Tag)`.
    pub(super) fn ex_allocate_pool2(&self, arguments: Arguments) -> GuestAddress {
        let (flags, length, tag) = (arguments.get(0), arguments.get(1), arguments.u32(2));
        self.ex_allocate(length, tag, flags & POOL_FLAG_UNINITIALIZED == 0)
    }

    /// `ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag)`.
    pub(super) fn ex_allocate_pool_with_tag(&self, arguments: Arguments) -> GuestAddress {
        self.ex_allocate(arguments.get(1), arguments.u32(2), false)
    }

    /// `ExAllocatePool(PoolType, NumberOfBytes)`: without a tag.
    pub(super) fn ex_allocate_pool(&self, arguments: Arguments) -> GuestAddress {
        self.ex_allocate(arguments.get(1), 0, false)
    }

    fn ex_allocate(&self, length: u64, tag: u32, zero: bool) -> GuestAddress {
        if !self.at_most(Irql::DISPATCH) || length > LARGEST {
            return 0;
        }
        self.driver_pool(usize::try_from(length).unwrap_or(0), tag, zero)
    }

    /// `ExFreePool(P)` and `ExFreePoolWithTag(P, Tag)`.
    pub(super) fn ex_free_pool(&self, arguments: Arguments) {
        if self.at_most(Irql::DISPATCH) {
            self.driver_free(Origin::Pool, arguments.pointer(0), None);
        }
    }
}
