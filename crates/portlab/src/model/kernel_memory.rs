//! Memory that the driver has from the kernel for itself and its device: contiguous memory, memory descriptor lists, mapped
//! registers, physical addresses.
//!
//! Storport has calls of its own for each, and under DMA remapping they alone give addresses that the device can use. Sources:
//! Microsoft Learn, wdm.h and ntddk.h.

use super::{machine::Machine, mdl::flags, memory::Origin, rules};
use crate::{
    abi::{
        GuestAddress,
        exports::{Arguments, Export},
        guest,
    },
    memory::{DmaRequest, GuestMemory, Request},
};

const PAGE: u64 = 4096;
/// An allocation larger than this is a mistake of the arguments.
const LARGEST: u64 = 1 << 30;

impl Machine {
    pub(super) fn kernel_memory(&self, export: Export, arguments: Arguments) -> Option<u64> {
        let first = arguments.pointer(0);
        let [second, third, fourth] = [1, 2, 3].map(|index| arguments.get(index));
        Some(match export {
            Export::ExAllocatePool => self.ex_allocate_pool(arguments),
            Export::MmGetPhysicalAddress => self.kernel_physical_address(first),
            Export::MmIsAddressValid => u64::from(GuestMemory::is_valid(first, 1, false)),
            Export::MmMapIoSpace | Export::MmMapIoSpaceEx => self.map_registers(first, second),
            Export::MmUnmapIoSpace => {
                self.unmap_registers(first);
                0
            }
            Export::MmAllocateContiguousMemory => self.kernel_contiguous(first, 0, second, 0),
            Export::MmAllocateContiguousMemorySpecifyCache
            | Export::MmAllocateContiguousMemorySpecifyCacheNode
            | Export::MmAllocateContiguousNodeMemory => self.kernel_contiguous(first, second, third, fourth),
            Export::MmFreeContiguousMemory => {
                self.driver_free(Origin::KernelContiguous, first, None);
                0
            }
            Export::MmFreeContiguousMemorySpecifyCache => {
                self.driver_free(Origin::KernelContiguous, first, usize::try_from(second).ok());
                0
            }
            Export::IoAllocateMdl => {
                self.kernel_allocate_mdl(first, arguments.u32(1) as usize, arguments.pointer(4))
            }
            Export::IoFreeMdl => {
                self.kernel_free_mdl(first);
                0
            }
            Export::MmBuildMdlForNonPagedPool => {
                self.kernel_build_mdl(first, flags::NON_PAGED_POOL);
                0
            }
            Export::MmProbeAndLockPages => {
                self.kernel_build_mdl(first, flags::LOCKED);
                0
            }
            Export::MmUnlockPages => {
                let before: u16 = guest::read(first + flags::OFFSET);
                if before & flags::LOCKED == 0 {
                    self.violate(&rules::BAD_PARAMETER, || {
                        format!("the pages of the MDL at {first:#x} are not locked")
                    });
                }
                guest::write(first + flags::OFFSET, &(before & !flags::LOCKED));
                0
            }
            Export::MmMapLockedPages | Export::MmMapLockedPagesSpecifyCache => self.kernel_map_mdl(first),
            // What the model maps is where it was.
            Export::MmUnmapLockedPages => 0,
            Export::MmSizeOfMdl => {
                let pages = ((first & (PAGE - 1)) + second).div_ceil(PAGE);
                48 + 8 * pages
            }
            Export::IoBuildPartialMdl => {
                self.kernel_partial_mdl(first, second, third, arguments.u32(3));
                0
            }
            _ => return None,
        })
    }

    fn kernel_physical_address(&self, address: GuestAddress) -> u64 {
        self.violate(&rules::PHYSICAL_ADDRESS, || {
            let what = crate::memory::describe(address).unwrap_or_default();
            format!("the physical address of {address:#x} is asked for: {what}")
        });
        let segment = self.memory.dma.translate(address);
        if segment.is_none() {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("{address:#x} lies in no memory that the device could reach")
            });
        }
        segment.map_or(0, |segment| segment.device_address)
    }

    fn kernel_contiguous(&self, length: u64, lowest: u64, highest: u64, boundary: u64) -> GuestAddress {
        if length == 0 || length > LARGEST || (boundary != 0 && !boundary.is_power_of_two()) {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("{length:#x} bytes, boundary {boundary:#x}")
            });
            return 0;
        }
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        let label = "the driver's contiguous memory";
        let mut request = DmaRequest::contiguous(Request::new(bytes, label).aligned(4096).guarded());
        (request.lowest, request.highest, request.boundary) = (lowest, highest, boundary);
        self.driver_dma(Origin::KernelContiguous, &request)
    }
}
