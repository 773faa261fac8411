//! The configuration space of a PCI Express function that is an NVMe controller.
//!
//! Sources: PCI Local Bus 3.0, 6.1 (header), 6.8.2 (MSI-X); PCI Power Management 1.2, 3.2; PCI Express Base 3.0, 7.8
//! (capability); NVM Express over PCIe 1.4, 2.1 (class code, BAR 0).

/// Bytes of configuration space.
const LENGTH: usize = 4096;
/// Where capabilities are.
const POWER: usize = 0x40;
const MSIX: usize = 0x50;
const EXPRESS: usize = 0x60;

/// Command register: memory space, bus master, line off.
const COMMAND: usize = 0x04;
const COMMAND_WRITABLE: u16 = 0x0406;
/// Status register: interrupt pending; capabilities.
const STATUS: usize = 0x06;
const INTERRUPT_STATUS: u8 = 1 << 3;

/// What the function is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) vendor: u16,
    pub(super) device: u16,
    pub(super) bar: u64,
    pub(super) vectors: u16,
    pub(super) table: u32,
    pub(super) pending: u32,
}

/// Configuration space, with what software may write in it.
#[derive(Debug)]
pub(super) struct ConfigSpace {
    bytes: Box<[u8; LENGTH]>,
    writable: Box<[u8; LENGTH]>,
}

impl ConfigSpace {
    /// As firmware leaves it: BAR assigned, memory space and bus master enabled.
    pub(super) fn new(identity: &Identity) -> Self {
        let mut space = Self {
            bytes: Box::new([0; LENGTH]),
            writable: Box::new([0; LENGTH]),
        };
        space.put(0x00, &identity.vendor.to_le_bytes());
        space.put(0x02, &identity.device.to_le_bytes());
        space.put(COMMAND, &0x0006_u16.to_le_bytes());
        space.put(STATUS, &0x0010_u16.to_le_bytes());
        // Revision 1; NVM Express I/O controller.
        space.put(0x08, &[1, 0x02, 0x08, 0x01]);
        // A 64-bit BAR.
        space.put(0x10, &(identity.bar | 4).to_le_bytes());
        space.put(0x2C, &identity.vendor.to_le_bytes());
        space.put(0x2E, &identity.device.to_le_bytes());
        space.put(0x34, &[capability(POWER)]);
        // Interrupt line 11, pin A.
        space.put(0x3C, &[11, 1]);
        space.put(POWER, &[0x01, capability(MSIX), 0x03, 0x00]);
        let size = identity.vectors.saturating_sub(1) & 0x7ff;
        space.put(MSIX, &[0x11, capability(EXPRESS)]);
        space.put(MSIX + 2, &size.to_le_bytes());
        space.put(MSIX + 4, &identity.table.to_le_bytes());
        space.put(MSIX + 8, &identity.pending.to_le_bytes());
        // Version 2, an endpoint; payloads of 128 bytes; function level reset.
        space.put(EXPRESS, &[0x10, 0x00, 0x02, 0x00]);
        space.put(EXPRESS + 4, &(1_u32 << 28).to_le_bytes());

        space.allow(COMMAND, &COMMAND_WRITABLE.to_le_bytes());
        space.allow(0x0C, &[0xff]);
        space.allow(0x3C, &[0xff]);
        // Power state.
        space.allow(POWER + 4, &[0x03]);
        // Enable and function mask.
        space.allow(MSIX + 2, &0xC000_u16.to_le_bytes());
        space.allow(EXPRESS + 8, &0x7FFF_u16.to_le_bytes());
        space
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn allow(&mut self, offset: usize, mask: &[u8]) {
        self.writable[offset..offset + mask.len()].copy_from_slice(mask);
    }

    /// Reads; beyond the end there are ones.
    pub(super) fn read(&self, offset: u16, buffer: &mut [u8], line: bool) {
        for (at, byte) in (usize::from(offset)..).zip(buffer) {
            *byte = self.bytes.get(at).copied().unwrap_or(0xff);
            if at == STATUS && line {
                *byte |= INTERRUPT_STATUS;
            }
        }
    }

    /// Writes the bits that can be written.
    pub(super) fn write(&mut self, offset: u16, data: &[u8]) {
        for (at, byte) in (usize::from(offset)..LENGTH).zip(data) {
            let mask = self.writable[at];
            self.bytes[at] = self.bytes[at] & !mask | byte & mask;
        }
    }
}

fn capability(offset: usize) -> u8 {
    u8::try_from(offset).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_written_changes() {
        let identity = Identity {
            vendor: 0x1b36,
            device: 0x10,
            bar: 0xc000_0000,
            vectors: 65,
            table: 0x2000,
            pending: 0x3000,
        };
        let mut space = ConfigSpace::new(&identity);
        let mut before = [0; 256];
        space.read(0, &mut before, false);
        assert_eq!(before[..4], [0x36, 0x1b, 0x10, 0]);
        assert_eq!(before[8..12], [1, 2, 8, 1]);
        assert_eq!(u16::from_le_bytes([before[MSIX + 2], before[MSIX + 3]]), 64);
        // The chain of capabilities ends.
        let mut at = usize::from(before[0x34]);
        let mut kinds = Vec::new();
        while at != 0 {
            kinds.push(before[at]);
            at = usize::from(before[at + 1]);
        }
        assert_eq!(kinds, [0x01, 0x11, 0x10]);
        space.write(0, &[0xff; 256]);
        let mut after = [0; 256];
        space.read(0, &mut after, true);
        assert_eq!(after[..4], before[..4]);
        assert_eq!(
            after[0x10..0x18],
            before[0x10..0x18],
            "the BAR is where firmware put it"
        );
        assert_eq!(u16::from_le_bytes([after[4], after[5]]), 0x0406);
        assert_eq!(after[STATUS], before[STATUS] | INTERRUPT_STATUS);
        space.read(4095, &mut after[..2], false);
        assert_eq!(after[1], 0xff);
    }
}
