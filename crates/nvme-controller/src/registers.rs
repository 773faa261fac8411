//! The register file (Base 1.4, 3.1).

use std::time::Duration;

use crate::config::{Config, MOST_ENTRIES};

pub(crate) const CAP: u64 = 0x00;
const VS: u64 = 0x08;
const INTMS: u64 = 0x0C;
const INTMC: u64 = 0x10;
pub(crate) const CC: u64 = 0x14;
pub(crate) const CSTS: u64 = 0x1C;
const NSSR: u64 = 0x20;
const AQA: u64 = 0x24;
const ASQ: u64 = 0x28;
const ACQ: u64 = 0x30;
/// Where doorbells begin.
pub(crate) const DOORBELLS: u64 = 0x1000;

const EN: u32 = 1;
const SHN: u32 = 3 << 14;
const RDY: u32 = 1;
const CFS: u32 = 1 << 1;
const SHST: u32 = 3 << 2;
const SHST_COMPLETE: u32 = 2 << 2;
const NSSRO: u32 = 1 << 4;
/// "NVMe".
const RESET_SIGNATURE: u32 = 0x4E56_4D65;

/// What a write means beyond the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Nothing,
    /// CC.EN went from 0 to 1.
    Enabled,
    /// CC.EN went from 1 to 0.
    Disabled,
    /// CC.SHN asks for a shutdown.
    Shutdown,
    /// NVM subsystem reset.
    SubsystemReset,
    /// A doorbell: its number, counted from the admin submission queue's tail, and the value.
    Doorbell {
        index: u32,
        value: u32,
    },
    /// The interrupt mask changed.
    Mask,
}

#[derive(Debug, Clone)]
pub(crate) struct Registers {
    capabilities: u64,
    stride: u8,
    pub(crate) configuration: u32,
    status: u32,
    mask: u32,
    aqa: u32,
    asq: u64,
    acq: u64,
    /// When CSTS.RDY becomes what CC.EN says.
    change: Option<(Duration, bool)>,
}

impl Registers {
    pub(crate) fn new(config: &Config) -> Self {
        let mqes = u64::from(config.entries.clamp(2, MOST_ENTRIES) - 1);
        // CQR, CSS bit 0, MPSMIN = MPSMAX = 4 KiB, NSSRS.
        let capabilities = mqes
            | 1 << 16
            | u64::from(config.timeout) << 24
            | u64::from(config.stride & 0xf) << 32
            | 1 << 36
            | 1 << 37;
        Self {
            capabilities,
            stride: config.stride & 0xf,
            configuration: 0,
            status: 0,
            mask: 0,
            aqa: 0,
            asq: 0,
            acq: 0,
            change: None,
        }
    }

    pub(crate) fn entries_limit(&self) -> u32 {
        u32::try_from(self.capabilities & 0xffff).unwrap_or(0) + 1
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.status & RDY != 0
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.configuration & EN != 0
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.status & CFS != 0
    }

    /// Interrupts of line or single-message mode that are masked.
    pub(crate) fn masks(&self, vector: u16) -> bool {
        vector < 32 && self.mask & 1 << vector != 0
    }

    /// Base and entries of the admin queues: submission, completion.
    pub(crate) fn admin_queues(&self) -> [(u64, u32); 2] {
        [
            (self.asq & !0xfff, (self.aqa & 0xfff) + 1),
            (self.acq & !0xfff, (self.aqa >> 16 & 0xfff) + 1),
        ]
    }

    /// Whether CC asks for what CAP offers (figure 78).
    pub(crate) fn configuration_is_valid(&self) -> bool {
        let css = self.configuration >> 4 & 7;
        let mps = self.configuration >> 7 & 15;
        let arbitration = self.configuration >> 11 & 7;
        let [submission, completion] = self.admin_queues();
        css == 0 && mps == 0 && arbitration == 0 && submission.1 >= 2 && completion.1 >= 2
    }

    /// I/O entry sizes: 64 and 16 bytes.
    pub(crate) fn io_sizes_are_valid(&self) -> bool {
        self.configuration >> 16 & 15 == 6 && self.configuration >> 20 & 15 == 4
    }

    pub(crate) fn set_fatal(&mut self) {
        self.status |= CFS;
    }

    /// RDY follows EN at `at`; `None` for never.
    pub(crate) fn schedule(&mut self, at: Option<Duration>, ready: bool) {
        self.change = at.map(|at| (at, ready));
    }

    /// When the next change comes.
    pub(crate) fn next_change(&self) -> Option<Duration> {
        self.change.map(|(at, _)| at)
    }

    /// Lets time pass. True if RDY changed.
    pub(crate) fn settle(&mut self, now: Duration) -> bool {
        match self.change {
            Some((at, ready)) if at <= now => {
                self.change = None;
                if ready {
                    self.status |= RDY;
                } else {
                    self.status &= !(RDY | CFS | SHST);
                }
                true
            }
            _ => false,
        }
    }

    pub(crate) fn shut_down(&mut self) {
        self.status = self.status & !SHST | SHST_COMPLETE;
    }

    /// NVM subsystem reset: as after power on, with NSSRO set.
    pub(crate) fn subsystem_reset(&mut self) {
        self.configuration = 0;
        self.status = NSSRO;
        self.mask = 0;
        self.change = None;
    }

    fn dword(&self, offset: u64) -> u32 {
        let whole = match offset & !7 {
            CAP => self.capabilities,
            ASQ => self.asq,
            ACQ => self.acq,
            _ => 0,
        };
        let [low, high] = [whole & 0xffff_ffff, whole >> 32].map(|half| u32::try_from(half).unwrap_or(0));
        match offset {
            CAP | ASQ | ACQ => low,
            0x04 | 0x2C | 0x34 => high,
            // Version 1.4.
            VS => 0x0001_0400,
            INTMS | INTMC => self.mask,
            CC => self.configuration,
            CSTS => self.status,
            AQA => self.aqa,
            _ => 0,
        }
    }

    /// Reads `width` bytes at an aligned offset.
    pub(crate) fn read(&self, offset: u64, width: u8) -> u64 {
        let at = offset & !3;
        let low = u64::from(self.dword(at));
        match width {
            8 => low | u64::from(self.dword(at + 4)) << 32,
            4 => low,
            _ => (low >> (8 * (offset & 3))) & ((1 << (8 * u64::from(width))) - 1),
        }
    }

    /// Writes a dword, or both halves of a qword.
    pub(crate) fn write(&mut self, offset: u64, width: u8, value: u64) -> Written {
        let [low, high] = [value & 0xffff_ffff, value >> 32].map(|half| u32::try_from(half).unwrap_or(0));
        if width == 8 && offset < DOORBELLS {
            let _ = self.write_dword(offset, low);
            return self.write_dword(offset + 4, high);
        }
        self.write_dword(offset, low)
    }

    fn write_dword(&mut self, offset: u64, value: u32) -> Written {
        if offset >= DOORBELLS {
            let step = 4_u64 << self.stride;
            let at = offset - DOORBELLS;
            if !at.is_multiple_of(step) {
                return Written::Nothing;
            }
            return u32::try_from(at / step)
                .map_or(Written::Nothing, |index| Written::Doorbell { index, value });
        }
        let set_low = |register: &mut u64| *register = *register & !0xffff_ffff | u64::from(value);
        let set_high = |register: &mut u64| *register = *register & 0xffff_ffff | u64::from(value) << 32;
        match offset {
            INTMS => {
                self.mask |= value;
                Written::Mask
            }
            INTMC => {
                self.mask &= !value;
                Written::Mask
            }
            CC => self.write_configuration(value),
            CSTS => {
                // NSSRO is cleared by writing 1.
                self.status &= !(value & NSSRO);
                Written::Nothing
            }
            NSSR if value == RESET_SIGNATURE => Written::SubsystemReset,
            // The admin queue's registers are not changed while the controller is enabled.
            AQA if !self.is_enabled() => {
                self.aqa = value & 0x0fff_0fff;
                Written::Nothing
            }
            ASQ if !self.is_enabled() => {
                set_low(&mut self.asq);
                Written::Nothing
            }
            0x2C if !self.is_enabled() => {
                set_high(&mut self.asq);
                Written::Nothing
            }
            ACQ if !self.is_enabled() => {
                set_low(&mut self.acq);
                Written::Nothing
            }
            0x34 if !self.is_enabled() => {
                set_high(&mut self.acq);
                Written::Nothing
            }
            _ => Written::Nothing,
        }
    }

    fn write_configuration(&mut self, value: u32) -> Written {
        let before = self.configuration;
        self.configuration = value;
        if before & EN == 0 && value & EN != 0 {
            Written::Enabled
        } else if before & EN != 0 && value & EN == 0 {
            Written::Disabled
        } else if before & SHN == 0 && value & SHN != 0 {
            Written::Shutdown
        } else {
            Written::Nothing
        }
    }
}
