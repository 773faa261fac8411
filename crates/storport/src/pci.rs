//! PCI configuration space: `StorPortGetBusData`, `StorPortSetBusDataByOffset`, and reading what they return.

/// Bytes of the configuration space that every function has.
pub const CONFIGURATION_LENGTH: usize = 256;

/// A copy of a function's configuration space (PCI Local Bus Specification 3.0, section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configuration([u8; CONFIGURATION_LENGTH]);

/// Longest possible capability list: the space behind the header, by the 4 bytes that a capability has at least.
const MAX_CAPABILITIES: usize = 48;

impl Configuration {
    /// Wraps a copy.
    #[must_use]
    pub const fn new(bytes: [u8; CONFIGURATION_LENGTH]) -> Self {
        Self(bytes)
    }

    /// All bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; CONFIGURATION_LENGTH] {
        &self.0
    }

    /// The byte at `offset`; all ones beyond the end, as a bus answers.
    #[must_use]
    pub fn read8(&self, offset: u8) -> u8 {
        self.0.get(usize::from(offset)).copied().unwrap_or(u8::MAX)
    }

    /// The 16-bit word at `offset`; all ones beyond the end.
    #[must_use]
    pub fn read16(&self, offset: u8) -> u16 {
        let bytes = self
            .0
            .get(usize::from(offset)..)
            .and_then(|rest| rest.first_chunk());
        bytes.map_or(u16::MAX, |bytes| u16::from_le_bytes(*bytes))
    }

    /// The 32-bit word at `offset`; all ones beyond the end.
    #[must_use]
    pub fn read32(&self, offset: u8) -> u32 {
        let bytes = self
            .0
            .get(usize::from(offset)..)
            .and_then(|rest| rest.first_chunk());
        bytes.map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes))
    }

    /// Vendor ID.
    #[must_use]
    pub fn vendor(&self) -> u16 {
        self.read16(0x00)
    }

    /// Device ID.
    #[must_use]
    pub fn device(&self) -> u16 {
        self.read16(0x02)
    }

    /// Class code: base class, sub-class, programming interface.
    #[must_use]
    pub fn class(&self) -> [u8; 3] {
        [self.read8(0x0B), self.read8(0x0A), self.read8(0x09)]
    }

    /// Where the capability with this ID begins (section 6.7); the list is followed for as long as one can be.
    #[must_use]
    pub fn capability(&self, id: u8) -> Option<u8> {
        const STATUS: u8 = 0x06;
        const CAPABILITIES_LIST: u16 = 0x10;
        const POINTER: u8 = 0x34;
        const HEADER_END: u8 = 0x40;
        if self.read16(STATUS) & CAPABILITIES_LIST == 0 {
            return None;
        }
        let mut offset = self.read8(POINTER) & !3;
        for _ in 0..MAX_CAPABILITIES {
            if offset < HEADER_END {
                return None;
            }
            if self.read8(offset) == id {
                return Some(offset);
            }
            offset = self.read8(offset.saturating_add(1)) & !3;
        }
        None
    }
}

#[cfg(windows)]
mod access {
    use core::sync::atomic::Ordering;

    use wdk_sys::{
        _BUS_DATA_TYPE, PVOID,
        storage::{StorPortGetBusData, StorPortSetBusDataByOffset},
    };

    use super::{CONFIGURATION_LENGTH, Configuration};
    use crate::{context, find_adapter::FindAdapter, miniport::Miniport};

    /// Where the adapter's function lies.
    struct Place {
        extension: PVOID,
        bus: u32,
        slot: u32,
    }

    impl Place {
        /// # Safety
        /// `HwStorFindAdapter` is running for this adapter, or `HwStorAdapterControl` to restore its configuration.
        unsafe fn read(&self, target: &mut [u8]) -> usize {
            let Ok(length) = u32::try_from(target.len()) else {
                return 0;
            };
            // SAFETY: the caller's promise; `target` has `length` bytes.
            let read = unsafe {
                StorPortGetBusData(
                    self.extension,
                    _BUS_DATA_TYPE::PCIConfiguration as u32,
                    self.bus,
                    self.slot,
                    target.as_mut_ptr().cast(),
                    length,
                )
            };
            (read as usize).min(target.len())
        }

        /// # Safety
        /// As for [`Self::read`].
        unsafe fn write(&self, offset: u32, source: &[u8]) -> usize {
            let Ok(length) = u32::try_from(source.len()) else {
                return 0;
            };
            // SAFETY: the caller's promise; `source` has `length` bytes; the call only reads them.
            let written = unsafe {
                StorPortSetBusDataByOffset(
                    self.extension,
                    _BUS_DATA_TYPE::PCIConfiguration as u32,
                    self.bus,
                    self.slot,
                    source.as_ptr().cast_mut().cast(),
                    offset,
                    length,
                )
            };
            (written as usize).min(source.len())
        }
    }

    impl<M: Miniport> FindAdapter<'_, '_, M> {
        fn place(&self) -> Place {
            let configuration = self.configuration();
            Place {
                extension: self.raw(),
                bus: configuration.SystemIoBusNumber,
                slot: configuration.SlotNumber,
            }
        }
    }

    impl<M: Miniport> context::Configuration<'_, M> {
        /// As `HwStorFindAdapter` was told.
        fn place(&self) -> Place {
            let header = &self.extension().header;
            Place {
                extension: self.raw(),
                bus: header.bus_number.load(Ordering::Acquire),
                slot: header.slot_number.load(Ordering::Acquire),
            }
        }
    }

    macro_rules! configuration_space {
        ($($context:ty),+) => {
            $(
                impl<M: Miniport> $context {
                    /// Reads PCI configuration space from offset 0 (`StorPortGetBusData`). Returns the number of bytes read.
                    pub fn read_pci_configuration(&self, target: &mut [u8]) -> usize {
                        // SAFETY: this is the context of one of the two callbacks.
                        unsafe { self.place().read(target) }
                    }

                    /// A copy of the function's configuration space; `None` if it cannot be read as a whole.
                    #[must_use]
                    pub fn pci_configuration(&self) -> Option<Configuration> {
                        let mut bytes = [0; CONFIGURATION_LENGTH];
                        let read = self.read_pci_configuration(&mut bytes);
                        (read == CONFIGURATION_LENGTH).then(|| Configuration::new(bytes))
                    }

                    /// Writes PCI configuration space at `offset` (`StorPortSetBusDataByOffset`). Returns the number of bytes
                    /// written.
                    #[must_use]
                    pub fn write_pci_configuration(&self, offset: u32, source: &[u8]) -> usize {
                        // SAFETY: this is the context of one of the two callbacks.
                        unsafe { self.place().write(offset, source) }
                    }
                }
            )+
        };
    }

    configuration_space! { FindAdapter<'_, '_, M>, context::Configuration<'_, M> }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(bytes: &[(usize, u8)]) -> Configuration {
        let mut space = [0; CONFIGURATION_LENGTH];
        for (offset, byte) in bytes {
            space[*offset] = *byte;
        }
        Configuration::new(space)
    }

    #[test]
    fn a_capability_is_found_behind_others() {
        let space = with(&[(6, 0x10), (0x34, 0x40), (0x40, 0x01), (0x41, 0x50), (0x50, 0x11)]);
        assert_eq!(space.capability(0x01), Some(0x40));
        assert_eq!(space.capability(0x11), Some(0x50));
        assert_eq!(space.capability(0x05), None);
    }

    #[test]
    fn a_list_that_bites_its_tail_ends() {
        let space = with(&[(6, 0x10), (0x34, 0x40), (0x40, 0x01), (0x41, 0x40)]);
        assert_eq!(space.capability(0x11), None);
    }

    #[test]
    fn without_the_status_bit_there_is_no_list() {
        let space = with(&[(0x34, 0x40), (0x40, 0x01)]);
        assert_eq!(space.capability(0x01), None);
    }

    proptest! {
        #[test]
        fn any_space_is_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 256), id: u8, offset: u8) {
            let space = Configuration::new(bytes.try_into().expect("256 bytes"));
            if let Some(found) = space.capability(id) {
                prop_assert!(found >= 0x40 && space.read8(found) == id);
            }
            let word = u32::from(space.read16(offset));
            prop_assert!(offset > 252 || space.read32(offset) & 0xFFFF == word);
        }
    }
}
