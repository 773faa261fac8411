//! The machine as a debugger finds it: the driver's memory, and what the lab knows to be true of it.
//!
//! The lab's guest addresses are this process's own, so that memory is read as a debugger reads a dump: from outside, through
//! `/proc/self/mem`, whatever the pages' protection is.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use super::{lab::Lab, request::Address, requests::Command};
use crate::abi::GuestAddress;

/// Memory of the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// What it is.
    pub what: &'static str,
    /// Where it begins.
    pub address: GuestAddress,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A request that the miniport has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// Address of its SRB.
    pub srb: GuestAddress,
    /// Its unit.
    pub address: Address,
    /// Processor that issued it.
    pub processor: u32,
    /// Bytes of its buffer.
    pub bytes: u32,
    /// The CDB; empty for what is no SCSI command.
    pub cdb: Vec<u8>,
}

/// A worker that the miniport made and has not freed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// What the miniport calls it by.
    pub handle: GuestAddress,
    /// Queued, and not begun.
    pub queued: bool,
    /// Callbacks that are running.
    pub running: u32,
}

/// What the lab knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Where the image was loaded.
    pub image: GuestAddress,
    /// The device extension.
    pub extension: GuestAddress,
    /// Concurrent channels.
    pub channels: u32,
    /// Messages connected.
    pub messages: u16,
    /// Requests that the miniport has, oldest first.
    pub in_flight: Vec<InFlight>,
    /// Its workers.
    pub workers: Vec<Worker>,
    /// Memory: the image, the device extension, the uncached extension, each SRB in flight.
    pub regions: Vec<Region>,
}

impl Lab {
    /// Requests that the miniport has at this moment.
    #[must_use]
    pub fn in_flight(&self) -> Vec<InFlight> {
        let owned = self.machine.requests.outstanding(|_| true);
        owned
            .into_iter()
            .map(|(srb, request)| InFlight {
                srb,
                address: request.address,
                processor: request.processor,
                bytes: request.length(),
                cdb: match &request.command {
                    Command::Scsi(cdb) => cdb.clone(),
                    Command::Plain(_) | Command::Pnp(..) | Command::Power(..) => Vec::new(),
                },
            })
            .collect()
    }

    /// The workers that the miniport has at this moment.
    #[must_use]
    pub fn workers(&self) -> Vec<Worker> {
        self.machine.workers.present()
    }

    /// Takes everything down. It is one moment only if nothing moves meanwhile.
    ///
    /// # Errors
    /// If the memory cannot be read; `NotFound` without a driver and its adapter.
    pub fn capture(&self) -> io::Result<Capture> {
        let machine = &self.machine;
        let loaded = machine.image.get().ok_or(io::ErrorKind::NotFound)?;
        let setup = machine.setup();
        if setup.extension == 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        let image = loaded.image.range();
        let mut wanted = vec![
            ("image", image.start as u64, image.len()),
            (
                "device extension",
                setup.extension,
                setup.registration.device_extension_size as usize,
            ),
        ];
        wanted.extend(
            setup
                .uncached
                .map(|(address, length)| ("uncached extension", address, length)),
        );
        for (srb, request) in machine.requests.outstanding(|_| true) {
            let memory = request.memory().lock();
            let length = memory.as_ref().map_or(0, |memory| memory.srb.length);
            wanted.push(("SRB", srb, length));
        }
        let memory = File::open("/proc/self/mem")?;
        let mut regions = Vec::new();
        for (what, address, length) in wanted {
            let mut bytes = vec![0; length];
            memory.read_exact_at(&mut bytes, address)?;
            regions.push(Region { what, address, bytes });
        }
        Ok(Capture {
            image: image.start as u64,
            extension: setup.extension,
            channels: setup.channels,
            messages: setup.messages,
            in_flight: self.in_flight(),
            workers: self.workers(),
            regions,
        })
    }
}
