//! Data buffers of requests: contiguous for the driver, scattered for the device.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use parking_lot::Mutex;

use super::machine::Machine;
use crate::{
    abi::guest,
    memory::{Block, DmaRequest, Entitlement, Placement, Request, Segment},
};

struct Inner {
    /// Keeps the arena mapped, and is where the memory goes back to.
    machine: Arc<Machine>,
    block: Block,
    /// Where the device sees it, in order.
    segments: Vec<Segment>,
    changing: AtomicBool,
}

/// Buffers that applications write to all the time.
#[derive(Default)]
pub(super) struct ChangingBuffers {
    list: Mutex<Vec<Weak<Inner>>>,
    count: AtomicUsize,
    round: AtomicUsize,
}

impl Machine {
    /// What the other threads of applications do meanwhile: every byte of a changing buffer becomes another one.
    pub(super) fn change_buffers(&self) {
        let buffers = &self.changing_buffers;
        if buffers.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let live: Vec<Arc<Inner>> = buffers.list.lock().iter().filter_map(Weak::upgrade).collect();
        let round = buffers.round.fetch_add(1, Ordering::Relaxed);
        for inner in live {
            // 00 and FF are the values that lengths and counts are most surprised by.
            let byte = if round.is_multiple_of(2) { 0xFF } else { 0 };
            guest::fill(inner.block.address, inner.block.length, byte);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if *self.changing.get_mut() {
            let buffers = &self.machine.changing_buffers;
            buffers.list.lock().retain(|inner| inner.strong_count() > 0);
            buffers.count.fetch_sub(1, Ordering::AcqRel);
        }
        // The arena fills freed memory and looks at it again later: a device that still writes shows.
        let _ = self.machine.memory.dma.free(self.block.address);
    }
}

/// A data buffer, or a part of one. A handle: clones are the same memory.
#[derive(Clone)]
pub struct DataBuffer {
    inner: Option<Arc<Inner>>,
    offset: usize,
    length: usize,
}

impl std::fmt::Debug for DataBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataBuffer({} bytes at {:#x})", self.length, self.address())
    }
}

impl DataBuffer {
    /// `length` bytes; `alignment` is that of the first byte. `None` if the memory shared with the device is used up.
    pub(super) fn new(machine: &Arc<Machine>, length: usize, alignment: usize) -> Option<Self> {
        if length == 0 {
            return Some(Self {
                inner: None,
                offset: 0,
                length: 0,
            });
        }
        let mut request = Request::new(length, "data buffer").aligned(alignment).guarded();
        request.placement = Placement::Either;
        let block = machine.memory.port_dma(&DmaRequest::scattered(request))?;
        let segments = machine.memory.dma.segments(block.address, block.length)?;
        for segment in &segments {
            // The device's only while a request lends it.
            machine.memory.dma.entitle(segment, Entitlement::None);
        }
        Some(Self {
            inner: Some(Arc::new(Inner {
                machine: Arc::clone(machine),
                block,
                segments,
                changing: AtomicBool::new(false),
            })),
            offset: 0,
            length,
        })
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether it has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies `data` to `offset`.
    ///
    /// # Panics
    /// If that is beyond the buffer.
    pub fn write(&self, offset: usize, data: &[u8]) {
        assert!(
            self.holds(offset, data.len()),
            "{} bytes at {offset} of {self:?}",
            data.len()
        );
        guest::write_bytes(self.address() + offset as u64, data);
    }

    /// Copies from `offset` to `out`.
    ///
    /// # Panics
    /// If that is beyond the buffer.
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        assert!(
            self.holds(offset, out.len()),
            "{} bytes at {offset} of {self:?}",
            out.len()
        );
        guest::read_bytes(self.address() + offset as u64, out);
    }

    /// Lets a thread of the application write to the buffer while it is the driver's: from now on its bytes change at each call of
    /// the driver into the kernel, as those of a user's buffer may on Windows. For data that nobody is going to compare.
    pub fn keep_changing(&self) {
        if let Some(inner) = &self.inner
            && !inner.changing.swap(true, Ordering::AcqRel)
        {
            let buffers = &inner.machine.changing_buffers;
            buffers.list.lock().push(Arc::downgrade(inner));
            buffers.count.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// All bytes.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        self.read(0, &mut bytes);
        bytes
    }

    /// Fills it.
    pub fn fill(&self, byte: u8) {
        if !self.is_empty() {
            guest::fill(self.address(), self.length, byte);
        }
    }

    /// A part of it.
    ///
    /// # Panics
    /// If the part is beyond the buffer.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        assert!(
            self.holds(offset, length),
            "{length} bytes at {offset} of {self:?}"
        );
        Self {
            inner: self.inner.clone(),
            offset: self.offset + offset,
            length,
        }
    }

    const fn holds(&self, offset: usize, length: usize) -> bool {
        matches!(offset.checked_add(length), Some(end) if end <= self.length)
    }

    /// Where it begins in memory; 0 for an empty one. What it has of pages the device sees, too.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.inner
            .as_ref()
            .map_or(0, |inner| inner.block.address + self.offset as u64)
    }

    /// Where the device sees it.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let (mut skip, mut left) = (self.offset as u64, self.length as u64);
        let mut part = Vec::new();
        for segment in self.inner.iter().flat_map(|inner| &inner.segments) {
            let skipped = skip.min(segment.length);
            let length = (segment.length - skipped).min(left);
            skip -= skipped;
            left -= length;
            if length > 0 {
                part.push(Segment {
                    device_address: segment.device_address + skipped,
                    length,
                });
            }
        }
        part
    }
}
