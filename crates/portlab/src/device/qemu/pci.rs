//! What firmware does on a PC before a driver runs: opens the memory-mapped configuration space, finds the
//! functions on bus 0, assigns their BARs and enables them.
//!
//! Sources: PCI Local Bus 3.0, 6.1 (header), 6.2.5.1 (BAR sizing), 6.8 (MSI, MSI-X); PCI Express Base 3.0, 7.2.2
//! (ECAM); Intel 3 Series Express Chipset, PCIEXBAR.

use std::io;

use super::qtest::{Qtest, Space};
use crate::device::{Bar, Width};

/// Where the memory-mapped configuration space is put.
const ECAM_BASE: u64 = 0xb000_0000;
/// Where BARs are assigned from: above the configuration space, below the I/O APIC.
const BAR_BASE: u64 = 0xc000_0000;
/// End of the BAR window.
const BAR_LIMIT: u64 = 0xfe00_0000;

/// Command register: memory space and bus master enable.
pub(super) const COMMAND_ENABLE: u64 = 0x0006;
/// Command register: the line is not used.
pub(super) const COMMAND_LINE_OFF: u64 = 0x0400;
/// Capability ids.
const CAPABILITY_MSI: u8 = 0x05;
const CAPABILITY_MSIX: u8 = 0x11;

/// Length of a function's configuration space in bytes.
pub(super) const CONFIG_LENGTH: usize = 4096;

/// The MSI-X capability of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Msix {
    /// Offset of the capability in configuration space.
    pub(super) capability: u16,
    /// Number of table entries.
    pub(super) entries: u16,
    /// Bus address of the table.
    pub(super) table: u64,
}

/// The MSI capability of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Msi {
    /// Offset of the capability in configuration space.
    pub(super) capability: u16,
    /// Message control, as it was found.
    pub(super) control: u16,
}

impl Msi {
    /// Number of messages.
    pub(super) fn messages(self) -> u16 {
        1 << (self.control >> 1 & 7).min(5)
    }

    /// Offset of the data register from the capability.
    pub(super) fn data(self) -> u64 {
        const WIDE: u16 = 1 << 7;
        if self.control & WIDE == 0 { 8 } else { 12 }
    }
}

/// How a function sends messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Messages {
    /// It does not.
    None,
    /// By MSI.
    Msi(Msi),
    /// By MSI-X.
    Msix(Msix),
}

/// A function on bus 0, ready for use.
#[derive(Debug, Clone)]
pub(super) struct Function {
    /// Bus address of its configuration space.
    pub(super) config: u64,
    /// Vendor and device id, as the first configuration dword.
    pub(super) id: u32,
    /// Base class, subclass and programming interface.
    pub(super) class: u32,
    /// Its memory BARs.
    pub(super) bars: Vec<Bar>,
    /// Its messages: MSI-X if it has both.
    pub(super) messages: Messages,
    /// Its slot on the bus.
    pub(super) slot: u8,
}

/// Brings up bus 0 and returns its functions in slot order.
pub(super) fn bring_up(qtest: &mut Qtest) -> io::Result<Vec<Function>> {
    // The host bridge's PCIEXBAR, reached through the ports that work from reset.
    qtest.write(Space::Port, 0xcf8, Width::Dword, 0x8000_0064)?;
    qtest.write(Space::Port, 0xcfc, Width::Dword, 0)?;
    qtest.write(Space::Port, 0xcf8, Width::Dword, 0x8000_0060)?;
    qtest.write(Space::Port, 0xcfc, Width::Dword, ECAM_BASE | 1)?;

    let mut functions = Vec::new();
    let mut next = BAR_BASE;
    for slot in 0..32_u8 {
        let config = ECAM_BASE | u64::from(slot) << 15;
        let id = read32(qtest, config)?;
        if id == u32::MAX {
            continue;
        }
        let class = read32(qtest, config + 8)? >> 8;
        // Header type 0 only: bridges have other registers here, and the machine has none that matter.
        let header = qtest.read(Space::Memory, config + 0x0e, Width::Byte)? & 0x7f;
        let bars = if header == 0 {
            assign_bars(qtest, config, &mut next)?
        } else {
            Vec::new()
        };
        let messages = find_messages(qtest, config, &bars)?;
        if !bars.is_empty() {
            qtest.write(
                Space::Memory,
                config + 4,
                Width::Word,
                COMMAND_ENABLE | COMMAND_LINE_OFF,
            )?;
        }
        functions.push(Function {
            config,
            id,
            class,
            bars,
            messages,
            slot,
        });
    }
    qtest.drain()?;
    Ok(functions)
}

fn assign_bars(qtest: &mut Qtest, config: u64, next: &mut u64) -> io::Result<Vec<Bar>> {
    let mut bars = Vec::new();
    let mut index = 0_u8;
    while index < 6 {
        let register = config + 0x10 + 4 * u64::from(index);
        write32(qtest, register, u32::MAX)?;
        let low = read32(qtest, register)?;
        let is_io = low & 1 == 1;
        let is_wide = !is_io && low & 6 == 4;
        if low != 0 && !is_io {
            let mut mask = u64::from(low & !0xf);
            if is_wide {
                write32(qtest, register + 4, u32::MAX)?;
                mask |= u64::from(read32(qtest, register + 4)?) << 32;
            } else {
                mask |= 0xffff_ffff << 32;
            }
            let length = mask.wrapping_neg();
            let address = next.next_multiple_of(length.max(4096));
            if address + length > BAR_LIMIT {
                return Err(io::Error::other(
                    "the machine's BAR window is too small for its devices",
                ));
            }
            *next = address + length;
            qtest.write(Space::Memory, register, Width::Dword, address & 0xffff_ffff)?;
            if is_wide {
                qtest.write(Space::Memory, register + 4, Width::Dword, address >> 32)?;
            }
            bars.push(Bar {
                index,
                address,
                length,
            });
        }
        index += if is_wide { 2 } else { 1 };
    }
    Ok(bars)
}

fn find_messages(qtest: &mut Qtest, config: u64, bars: &[Bar]) -> io::Result<Messages> {
    let mut found = Messages::None;
    // Status register: capabilities list present.
    if qtest.read(Space::Memory, config + 6, Width::Word)? & 0x10 == 0 {
        return Ok(found);
    }
    let mut offset = qtest.read(Space::Memory, config + 0x34, Width::Byte)? & 0xfc;
    // At most 48 capabilities fit, so a list that is longer is a loop.
    for _ in 0..48 {
        if offset == 0 {
            break;
        }
        let header = read32(qtest, config + offset)?;
        let capability = u16::try_from(offset).unwrap_or_default();
        match header.to_le_bytes()[0] {
            CAPABILITY_MSIX => {
                let entries = (header >> 16 & 0x7ff) + 1;
                let table = read32(qtest, config + offset + 4)?;
                if let Some(bar) = bars.iter().find(|bar| u32::from(bar.index) == table & 7) {
                    return Ok(Messages::Msix(Msix {
                        capability,
                        entries: u16::try_from(entries).unwrap_or_default(),
                        table: bar.address + u64::from(table & !7),
                    }));
                }
            }
            CAPABILITY_MSI => {
                let [_, _, low, high] = header.to_le_bytes();
                found = Messages::Msi(Msi {
                    capability,
                    control: u16::from_le_bytes([low, high]),
                });
            }
            _ => {}
        }
        offset = u64::from(header >> 8 & 0xfc);
    }
    Ok(found)
}

fn read32(qtest: &mut Qtest, address: u64) -> io::Result<u32> {
    let value = qtest.read(Space::Memory, address, Width::Dword)?;
    u32::try_from(value)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "qtest read is wider than asked"))
}

fn write32(qtest: &mut Qtest, address: u64, value: u32) -> io::Result<()> {
    qtest.write(Space::Memory, address, Width::Dword, value.into())
}
