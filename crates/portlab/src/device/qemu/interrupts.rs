//! How the controller interrupts: MSI-X or MSI messages rung at the doorbell, or its line.

use std::sync::{Arc, PoisonError};

use super::{
    QemuDevice, ivshmem,
    line::Watch,
    pci::{COMMAND_ENABLE, COMMAND_LINE_OFF, Messages, Msi, Msix},
    qtest::Qtest,
};
use crate::device::{Device as _, DeviceError, InterruptSink, LineSink, Width};

/// MSI-X message control: enable, and mask of the whole function.
const MSIX_ENABLE: u16 = 1 << 15;
const MSIX_FUNCTION_MASK: u16 = 1 << 14;
/// MSI message control: enable, and where the number of messages in use is.
const MSI_ENABLE: u16 = 1;
const MSI_IN_USE_SHIFT: u16 = 4;

impl QemuDevice {
    /// Messages that the driver can have: none if the line was asked for.
    pub(super) fn offered_messages(&self) -> u16 {
        match self.function.messages {
            _ if self.line_only => 0,
            Messages::None => 0,
            Messages::Msi(msi) => msi.messages(),
            Messages::Msix(msix) => msix.entries,
        }
    }

    /// Points every MSI-X entry at the doorbell, masked, and enables MSI-X under the function mask.
    ///
    /// QEMU's NVMe controller claims the vector of a completion queue when the queue is made, and only with MSI-X
    /// enabled; a queue made before that would never interrupt. So MSI-X is enabled from the start, as
    /// firmware may do, and enabling messages later only unmasks.
    pub(super) fn prepare_messages(&self) {
        let Messages::Msix(msix) = self.function.messages else {
            return;
        };
        if self.line_only {
            return;
        }
        for vector in 0..msix.entries {
            let entry = msix.table + 16 * u64::from(vector);
            self.post(entry, Width::Dword, self.doorbell_address & 0xffff_ffff);
            self.post(entry + 4, Width::Dword, self.doorbell_address >> 32);
            self.post(entry + 8, Width::Dword, ivshmem::message_data(vector).into());
            self.post(entry + 12, Width::Dword, 1);
        }
        self.control(msix.capability, MSIX_ENABLE | MSIX_FUNCTION_MASK);
        self.guard(Qtest::drain);
    }

    /// Writes the message control of a capability.
    fn control(&self, capability: u16, control: u16) {
        let register = self.function.config + u64::from(capability) + 2;
        self.post(register, Width::Word, control.into());
    }

    pub(super) fn connect_messages(&self, count: u16, sink: InterruptSink) -> Result<(), DeviceError> {
        if count > self.offered_messages() {
            return Err(DeviceError::Unsupported("so many interrupt messages"));
        }
        self.delivery.set_sink(Some(sink));
        match self.function.messages {
            Messages::None => return Err(DeviceError::Unsupported("interrupt messages")),
            Messages::Msix(msix) => self.unmask(msix, count),
            Messages::Msi(msi) => self.enable_msi(msi, count),
        }
        self.guard(Qtest::drain);
        match self.gone_reason() {
            None => Ok(()),
            Some(reason) => Err(DeviceError::Gone(reason)),
        }
    }

    fn unmask(&self, msix: Msix, count: u16) {
        for vector in 0..msix.entries {
            let masked = u64::from(vector >= count);
            self.post(msix.table + 16 * u64::from(vector) + 12, Width::Dword, masked);
        }
        self.control(msix.capability, MSIX_ENABLE);
    }

    fn enable_msi(&self, msi: Msi, count: u16) {
        let capability = self.function.config + u64::from(msi.capability);
        self.post(capability + 4, Width::Dword, self.doorbell_address & 0xffff_ffff);
        if msi.data() > 8 {
            self.post(capability + 8, Width::Dword, self.doorbell_address >> 32);
        }
        let data = ivshmem::message_data(0);
        self.post(capability + msi.data(), Width::Word, data.into());
        // The number in use is a power of two, and the function sets as many low bits of the data itself.
        let exponent = u16::try_from(count.max(1).ilog2()).unwrap_or(0);
        self.control(msi.capability, MSI_ENABLE | exponent << MSI_IN_USE_SHIFT);
    }

    pub(super) fn disconnect_messages(&self) {
        match self.function.messages {
            Messages::Msix(msix) if !self.line_only => {
                self.control(msix.capability, MSIX_ENABLE | MSIX_FUNCTION_MASK);
            }
            Messages::Msi(msi) => self.control(msi.capability, 0),
            Messages::Msix(_) | Messages::None => {}
        }
        self.guard(Qtest::drain);
        self.delivery.set_sink(None);
        // What was signalled before the mask took effect belongs to nobody now.
        for vector in 0..self.offered_messages() {
            self.doorbell.take(vector);
        }
    }

    /// Has the line's changes reported, from the first connection on.
    fn prepare_line(&self) -> std::io::Result<()> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.is_none() {
            super::lock(&self.qtest).intercept(Arc::clone(&self.line))?;
            *watch = Some(Watch::start(&self.qtest)?);
        }
        Ok(())
    }

    pub(super) fn connect_line(&self, sink: LineSink) -> Result<(), DeviceError> {
        self.prepare_line()?;
        // A function with messages enabled does not use its line.
        match self.function.messages {
            Messages::Msix(msix) => self.control(msix.capability, 0),
            Messages::Msi(msi) => self.control(msi.capability, 0),
            Messages::None => {}
        }
        self.post(self.function.config + 4, Width::Word, COMMAND_ENABLE);
        self.guard(Qtest::drain);
        self.line.set_sink(Some(sink));
        match self.gone_reason() {
            None => Ok(()),
            Some(reason) => Err(DeviceError::Gone(reason)),
        }
    }

    pub(super) fn disconnect_line(&self) {
        self.post(
            self.function.config + 4,
            Width::Word,
            COMMAND_ENABLE | COMMAND_LINE_OFF,
        );
        self.guard(Qtest::drain);
        self.line.set_sink(None);
    }

    /// The line's level after everything that was posted.
    pub(super) fn line_level(&self) -> bool {
        self.guard(Qtest::drain);
        self.line.is_asserted() && self.alive()
    }
}
