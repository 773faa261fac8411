//! Pages of the memory that the device sees.

use std::{
    collections::BTreeMap,
    fs, io,
    os::{fd::AsFd, unix::fs::FileExt},
};

use super::{
    AllocateError, FREED, PAGE, PAGE_U64, Segment, Shape,
    arena::Backing,
    extent::{Constraint, Extents},
    reservation::Reservation,
    size,
};
use crate::device::DmaRegion;

/// Freed device memory is poisoned and checked up to this many bytes of an object.
const POISONED: usize = 16 * PAGE;

/// What a request asks of the device's address space.
pub(super) struct Want {
    pub(super) shape: Shape,
    pub(super) constraint: Constraint,
}

/// A run of mapped pages.
#[derive(Debug, Clone, Copy)]
struct Run {
    device_address: u64,
    length: u64,
}

/// Hands out runs of the region and keeps the translation of what is mapped.
#[derive(Debug)]
pub(super) struct DevicePages {
    memory: fs::File,
    /// Offset in the file of the first byte that is ours, and where the device sees it.
    offset: u64,
    device_address: u64,
    length: u64,
    extents: Extents,
    random: fastrand::Rng,
    /// By address in the lab's address space.
    runs: BTreeMap<u64, Run>,
    /// By device address: the address in the lab's address space.
    reverse: BTreeMap<u64, u64>,
}

impl DevicePages {
    pub(super) fn new(region: &DmaRegion, seed: u64) -> io::Result<Self> {
        let length = region.length - region.length % PAGE_U64;
        Ok(Self {
            memory: region.memory.try_clone()?.into(),
            offset: region.offset,
            device_address: region.device_address,
            length,
            extents: Extents::new(region.device_address, length),
            random: fastrand::Rng::with_seed(seed ^ 0x5ca7),
            runs: BTreeMap::new(),
            reverse: BTreeMap::new(),
        })
    }

    /// Bytes neither mapped nor held back.
    pub(super) const fn available(&self) -> u64 {
        self.extents.available()
    }

    fn file_offset(&self, device_address: u64) -> u64 {
        self.offset + (device_address - self.device_address)
    }

    fn take(&mut self, length: u64, want: &Want) -> Option<Vec<Run>> {
        if want.shape == Shape::Contiguous || length <= PAGE_U64 {
            let from = self.device_address;
            let device_address = self.extents.take(from, length, &want.constraint)?;
            return Some(vec![Run {
                device_address,
                length,
            }]);
        }
        let mut runs: Vec<Run> = Vec::new();
        while (runs.len() as u64) < length / PAGE_U64 {
            let Some(device_address) = self.take_page(runs.last().map(|run| run.device_address)) else {
                for run in runs {
                    self.extents.give(run.device_address, run.length);
                }
                return None;
            };
            runs.push(Run {
                device_address,
                length: PAGE_U64,
            });
        }
        Some(runs)
    }

    /// A page somewhere in the upper half (the lower is for what must be contiguous), not behind `previous`.
    fn take_page(&mut self, previous: Option<u64>) -> Option<u64> {
        const TRIES: usize = 8;
        let pages = self.length / PAGE_U64;
        let none = Constraint::none();
        for _ in 0..TRIES {
            let page = self.random.u64(pages / 2..pages.max(1));
            let from = self.device_address + page * PAGE_U64;
            let Some(found) = self.extents.take(from, PAGE_U64, &none) else {
                continue;
            };
            if previous.is_none_or(|previous| previous + PAGE_U64 != found) {
                return Some(found);
            }
            self.extents.give(found, PAGE_U64);
        }
        self.extents.take(self.device_address, PAGE_U64, &none)
    }

    /// Where the device sees an address, and how far the run goes on.
    pub(super) fn translate(&self, address: u64) -> Option<Segment> {
        let (start, run) = self.runs.range(..=address).next_back()?;
        let offset = address - start;
        (offset < run.length).then(|| Segment {
            device_address: run.device_address + offset,
            length: run.length - offset,
        })
    }

    pub(super) fn virtual_address(&self, device_address: u64) -> Option<u64> {
        let (start, address) = self.reverse.range(..=device_address).next_back()?;
        let offset = device_address - start;
        (offset < self.runs.get(address)?.length).then_some(address + offset)
    }

    fn runs_of(&self, address: u64, length: usize) -> Vec<(u64, Run)> {
        self.runs
            .range(address..address + length as u64)
            .map(|(start, run)| (*start, *run))
            .collect()
    }
}

impl Backing for DevicePages {
    type Want = Want;

    fn kind(want: &Want) -> Option<u8> {
        (want.constraint == Constraint::none()).then_some(want.shape as u8)
    }

    fn map(
        &mut self,
        space: &Reservation,
        address: u64,
        length: usize,
        want: &Want,
    ) -> Result<usize, AllocateError> {
        let runs = self.take(length as u64, want).ok_or(AllocateError::Exhausted)?;
        let mut place = address;
        for (index, run) in runs.iter().enumerate() {
            let offset = self.file_offset(run.device_address);
            if let Err(error) = space.map_shared(place, size(run.length), self.memory.as_fd(), offset) {
                // What is mapped already stays an unused mapping of pages that others may get: harmless to the
                // lab, but not to its checks, so take it away.
                let _ = space.unmap(address, length);
                for run in &runs {
                    self.extents.give(run.device_address, run.length);
                }
                for (start, run) in self.runs_of(address, length).iter().take(index) {
                    self.runs.remove(start);
                    self.reverse.remove(&run.device_address);
                }
                return Err(AllocateError::System(error.to_string()));
            }
            self.runs.insert(place, *run);
            self.reverse.insert(run.device_address, place);
            place += run.length;
        }
        Ok(runs.len())
    }

    fn retire(&mut self, space: &Reservation, address: u64, length: usize) {
        space.fill(address, length.min(POISONED), FREED);
    }

    fn release(&mut self, address: u64, length: usize) -> (Option<(u64, u8)>, usize) {
        let runs = self.runs_of(address, length);
        let mut changed = None;
        for (start, run) in &runs {
            let done = start - address;
            let check = run.length.min((POISONED as u64).saturating_sub(done));
            if changed.is_none() {
                changed = self
                    .changed(run, check)
                    .map(|(offset, found)| (start + offset, found));
            }
            self.runs.remove(start);
            self.reverse.remove(&run.device_address);
            self.extents.give(run.device_address, run.length);
        }
        (changed, runs.len())
    }
}

impl DevicePages {
    /// The first byte of a freed run that the device changed.
    fn changed(&self, run: &Run, length: u64) -> Option<(u64, u8)> {
        let mut page = [0; PAGE];
        (0..length).step_by(PAGE).find_map(|offset| {
            let part =
                page.get_mut(..usize::try_from(length - offset).map_or(PAGE, |rest| rest.min(PAGE)))?;
            self.memory
                .read_exact_at(part, self.file_offset(run.device_address) + offset)
                .ok()?;
            let index = part.iter().position(|byte| *byte != FREED)?;
            Some((offset + index as u64, *part.get(index)?))
        })
    }
}
