//! The lab as a disk.

use std::time::Duration;

use super::disk::{Buffer, BufferError, Command, Disk, Function, Reset};
use crate::model::{Address, DataBuffer, Lab, Limits, Outcome, Request, ResetOutcome, SrbFunction};

/// Bytes of a page.
const PAGE: u32 = 4096;

impl Buffer for DataBuffer {
    fn write(&self, offset: usize, data: &[u8]) {
        Self::write(self, offset, data);
    }

    fn read(&self, offset: usize, out: &mut [u8]) {
        Self::read(self, offset, out);
    }

    fn fill(&self, byte: u8) {
        Self::fill(self, byte);
    }
}

/// A started lab, seen as the disk class driver sees it.
#[derive(Clone, Copy)]
pub struct LabDisk<'a> {
    lab: &'a Lab,
    processors: u32,
}

impl<'a> LabDisk<'a> {
    /// Takes a lab with `processors` virtual processors.
    #[must_use]
    pub fn new(lab: &'a Lab, processors: u32) -> Self {
        Self { lab, processors }
    }
}

impl Disk for LabDisk<'_> {
    type Buffer = DataBuffer;

    fn buffer(&self, length: usize) -> Result<DataBuffer, BufferError> {
        self.lab.buffer(length).map_err(|error| BufferError {
            length,
            reason: error.to_string(),
        })
    }

    fn submit(&self, command: Command<DataBuffer>, done: Box<dyn FnOnce(Outcome) + Send>) {
        let Command {
            processor,
            unit,
            cdb,
            direction,
            buffer,
            timeout,
        } = command;
        self.lab.submit(
            Request {
                processor,
                address: unit,
                cdb,
                direction,
                buffer,
                timeout,
            },
            done,
        );
    }

    fn function(&self, function: Function, unit: Address) -> Outcome {
        let function = match function {
            Function::Flush => SrbFunction::Flush,
            Function::Shutdown => SrbFunction::Shutdown,
        };
        self.lab.srb_function(function, unit)
    }

    fn reset_bus(&self, path: u8) -> ResetOutcome {
        self.lab.reset_bus(path)
    }

    fn reset_bus_behind(&self, path: u8, issue: &mut dyn FnMut()) -> ResetOutcome {
        const PATIENCE: Duration = Duration::from_secs(1);
        self.lab.reset_bus_under_load(path, PATIENCE, issue)
    }

    fn submit_reset(&self, reset: Reset, done: Box<dyn FnOnce(bool) + Send>) {
        let lab = self.lab;
        match reset {
            Reset::Unit(unit) => {
                lab.submit_reset(false, unit, Box::new(|outcome| done(outcome.is_success())));
            }
            Reset::Target(unit) => {
                lab.submit_reset(true, unit, Box::new(|outcome| done(outcome.is_success())));
            }
            Reset::Bus(path) => lab.submit_bus_reset(path, Box::new(|outcome| done(outcome.success))),
        }
    }

    /// The transfer length is what the class driver makes of both limits: a buffer that does not begin at a page
    /// touches one page more than its length.
    fn limits(&self) -> Limits {
        let mut limits = self.lab.limits();
        let pages = limits.physical_breaks.saturating_sub(1).max(1);
        limits.max_transfer = limits.max_transfer.min(pages.saturating_mul(PAGE));
        limits
    }

    fn processors(&self) -> u32 {
        self.processors
    }

    fn now(&self) -> Duration {
        self.lab.now()
    }

    fn wait(&self, timeout: Duration, ready: &mut dyn FnMut() -> bool) -> bool {
        self.lab.wait_until(timeout, ready)
    }
}
