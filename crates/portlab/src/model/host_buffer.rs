//! Host memory buffers: memory that the device has for itself.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::{limits::status, machine::Machine, request::Leak, rules};
use crate::{
    abi::{GuestAddress, codes::stor_status, configuration::AccessRange, exports::Arguments, guest},
    memory::{DmaRequest, Request},
};

const PAGE: u64 = 4096;
/// A buffer larger than this is a mistake of the arguments.
const LARGEST: u64 = 1 << 30;

struct Buffer {
    /// Device address, length, and where the lab sees it.
    ranges: Vec<(u64, u32, GuestAddress)>,
    place: String,
}

/// All buffers, by the device address of their first ranges.
#[derive(Default)]
pub(super) struct HostBuffers {
    table: Mutex<BTreeMap<u64, Buffer>>,
}

impl HostBuffers {
    /// What the driver never freed; it is forgotten.
    pub(super) fn drain_leaks(&self) -> Vec<Leak> {
        let table = std::mem::take(&mut *self.table.lock());
        let leak = |(address, buffer): (u64, Buffer)| Leak {
            kind: "host memory buffer",
            what: format!(
                "of {} ranges from device address {address:#x} on, allocated by {}",
                buffer.ranges.len(),
                buffer.place
            ),
        };
        table.into_iter().map(leak).collect()
    }
}

impl Machine {
    /// `StorPortAllocateHostMemoryBuffer(HwDeviceExtension, MinimumBytes, PreferredBytes, UtilizationBytes, AlignmentBytes, Lowest,
    /// Highest, Boundary, *PhysicalAddressRanges, *PhysicalAddressRangeCount)`.
    ///
    /// In two ranges where that is possible: "as few as possible" is what a machine with fragmented memory makes of it.
    pub(super) fn allocate_host_buffer(&self, arguments: Arguments) -> u32 {
        let (minimum, preferred) = (arguments.get(2), arguments.get(3));
        let (alignment, boundary) = (arguments.get(5), arguments.get(8));
        let (lowest, highest) = (arguments.get(6), arguments.get(7));
        let (out, out_count) = (arguments.pointer(9), arguments.pointer(10));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("PhysicalAddressRangeCount", out_count)?;
            let room: u32 = guest::read(out_count);
            let sizes = minimum <= preferred && preferred != 0 && preferred.is_multiple_of(PAGE);
            if !sizes || preferred > LARGEST || out == 0 || room == 0 {
                return Err(stor_status::INVALID_PARAMETER);
            }
            if boundary != 0 || !(alignment == 0 || alignment.is_power_of_two()) {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("BoundaryAddressMultiple {boundary:#x}, AlignmentBytes {alignment:#x}")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            self.resources()?;
            let first = (preferred / 2).next_multiple_of(PAGE);
            let lengths = if room >= 2 && first < preferred {
                vec![first, preferred - first]
            } else {
                vec![preferred]
            };
            let ranges = self.host_ranges(&lengths, alignment, lowest, highest)?;
            for (index, (start, length, _)) in (0..).zip(&ranges) {
                let range = AccessRange {
                    range_start: *start,
                    range_length: *length,
                    range_in_memory: 1,
                    padding: [0; 3],
                };
                guest::write(out + index * size_of::<AccessRange>() as u64, &range);
            }
            guest::write(out_count, &u32::try_from(ranges.len()).unwrap_or(0));
            let key = ranges.first().map_or(0, |(start, ..)| *start);
            let buffer = Buffer {
                ranges,
                place: Self::place(),
            };
            self.host_buffers.table.lock().insert(key, buffer);
            Ok(stor_status::SUCCESS)
        })())
    }

    fn host_ranges(
        &self,
        lengths: &[u64],
        alignment: u64,
        lowest: u64,
        highest: u64,
    ) -> Result<Vec<(u64, u32, GuestAddress)>, u32> {
        let mut ranges: Vec<(u64, u32, GuestAddress)> = Vec::new();
        for length in lengths {
            let bytes = usize::try_from(*length).unwrap_or(usize::MAX);
            let aligned = usize::try_from(alignment.max(PAGE)).unwrap_or(usize::MAX);
            let request = Request::new(bytes, "a host memory buffer")
                .aligned(aligned)
                .guarded();
            let mut request = DmaRequest::contiguous(request);
            (request.lowest, request.highest) = (lowest, highest);
            let range = self.memory.port_dma(&request).and_then(|block| {
                let segment = self.memory.dma.translate(block.address)?;
                Some((
                    segment.device_address,
                    u32::try_from(*length).ok()?,
                    block.address,
                ))
            });
            let Some(range) = range else {
                for (_, _, address) in ranges {
                    let _ = self.memory.dma.free(address);
                }
                return Err(stor_status::INSUFFICIENT_RESOURCES);
            };
            ranges.push(range);
        }
        Ok(ranges)
    }

    /// `StorPortFreeHostMemoryBuffer(HwDeviceExtension, *PhysicalAddressRanges, PhysicalAddressRangeCount)`.
    pub(super) fn free_host_buffer(&self, arguments: Arguments) -> u32 {
        let (array, count) = (arguments.pointer(2), arguments.u32(3));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("PhysicalAddressRanges", array)?;
            let given: Vec<(u64, u32)> = (0..u64::from(count.min(1024)))
                .map(|index| {
                    let range: AccessRange = guest::read(array + index * size_of::<AccessRange>() as u64);
                    (range.range_start, range.range_length)
                })
                .collect();
            let key = given.first().map_or(0, |(start, _)| *start);
            let mut table = self.host_buffers.table.lock();
            let matches = table.get(&key).is_some_and(|buffer| {
                let known = buffer.ranges.iter().map(|(start, length, _)| (*start, *length));
                known.eq(given.iter().copied())
            });
            let Some(buffer) = matches.then(|| table.remove(&key)).flatten() else {
                drop(table);
                self.violate(&rules::MEMORY_FREED_TWICE, || {
                    format!("{given:x?} is no host memory buffer, or not all of one")
                });
                return Err(stor_status::UNSUCCESSFUL);
            };
            for (_, _, address) in buffer.ranges {
                self.end_memory(address, "host memory buffer");
                let _ = self.memory.dma.free(address);
            }
            Ok(stor_status::SUCCESS)
        })())
    }
}
