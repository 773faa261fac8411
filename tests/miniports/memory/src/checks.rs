//! The checks. Each ends with the step that failed.

use core::sync::atomic::{AtomicU32, Ordering};

use storport::{
    context::{AtMostDispatch, Context, Dispatch, Exclusion, Irql},
    dma::Dma,
    find_adapter::FindAdapter,
    mdl::Mdl,
    memory::{
        CacheType, Contiguous, ContiguousRequest, HostBufferRequest, Node, NotFreed, Pool, PoolTag,
        page::{Boundary, PAGE_SIZE, page_offset},
    },
    port::Ports,
    register::Registers,
    scatter_gather::{List, Transfer},
    srb::Segment,
};

use crate::{
    MemoryMiniport as M,
    miniport::Adapter,
    protocol::{
        ADDER_PORT, CAPABILITY, COUNTER_PORT, DMA_ADDRESS, DMA_VALUE, IDENTITY, PORT_BYTES, REGISTER_BYTES,
        SCRATCH_OFFSET,
    },
};

/// Passed, or the step that failed (2 and more).
pub(crate) type Check = Result<(), u8>;

/// Tag of all pool memory here.
pub(crate) const TAG: PoolTag = PoolTag::new(*b"Test");

/// Words of pool memory: more than two pages.
pub(crate) const WORDS: usize = 2 * PAGE_SIZE / 4 + 300;

fn must(step: u8, holds: bool) -> Check {
    if holds { Ok(()) } else { Err(step) }
}

/// Has the device store `value` at a bus address.
pub(crate) fn device_writes(registers: Registers<'_>, bus_address: u64, value: u32) {
    registers.write64(DMA_ADDRESS, bus_address);
    registers.write32(DMA_VALUE, value);
}

/// Has the device load from a bus address.
pub(crate) fn device_reads(registers: Registers<'_>, bus_address: u64) -> u32 {
    registers.write64(DMA_ADDRESS, bus_address);
    registers.read32(DMA_VALUE)
}

/// Pool memory: zeroed, shared, freed once, and not under somebody's feet.
pub(crate) fn pool<I: AtMostDispatch, X: Exclusion>(cx: &Context<'_, M, I, X>) -> Check {
    let words: Pool<'_, M, AtomicU32> = cx.allocate_pool(WORDS, TAG).map_err(|_| 2)?;
    let zeroed = cx.with_pool(words, |words| {
        let zeroed = words.iter().all(|word| word.load(Ordering::Relaxed) == 0);
        for (value, word) in (7..).zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        zeroed && words.len() == WORDS
    });
    must(3, zeroed == Some(true))?;
    let held = cx.with_pool(words, |values| {
        let closed = cx.free_pool(words).is_ok() && cx.with_pool(words, |_| ()).is_none();
        let kept = (7..)
            .zip(values)
            .all(|(value, word)| word.load(Ordering::Relaxed) == value);
        closed && kept
    });
    must(4, held == Some(true))?;
    must(5, cx.free_pool(words) == Err(NotFreed))?;
    must(6, cx.allocate_pool::<AtomicU32>(0, TAG).is_err())?;
    // A slot that is used again does not know the old handle.
    let again: Pool<'_, M, AtomicU32> = cx.allocate_pool(1, TAG).map_err(|_| 7)?;
    must(8, cx.with_pool(words, |_| ()).is_none())?;
    must(9, cx.free_pool(again).is_ok())
}

fn device_and_processor_agree(registers: Registers<'_>, memory: Dma<'_>, length: usize) -> Check {
    must(
        20,
        memory.length() == length && page_offset(memory.bus_address()) == 0,
    )?;
    must(
        21,
        (0..length).step_by(4).all(|offset| memory.read32(offset) == 0),
    )?;
    for offset in [0, 4, PAGE_SIZE, length - 4] {
        let bus_address = memory.bus_address() + offset as u64;
        let value = u32::try_from(offset).map_or(0, |offset| 0x1234_0000 + offset);
        memory.write32(offset, value);
        must(22, device_reads(registers, bus_address) == value)?;
        device_writes(registers, bus_address, !value);
        must(23, memory.read32(offset) == !value)?;
        must(24, memory.offset_of(bus_address) == Some(offset))?;
    }
    must(
        25,
        memory.offset_of(memory.bus_address() + length as u64).is_none(),
    )?;
    memory.write64(8, 0x0807_0605_0403_0201);
    let mut bytes = [0; 8];
    must(
        26,
        memory.read(8, &mut bytes) == 8 && bytes == [1, 2, 3, 4, 5, 6, 7, 8],
    )?;
    must(27, memory.write(length - 2, &[9; 4]) == 2)?;
    must(
        28,
        memory.read32(length) == 0 && memory.slice(length - 1, 2).is_none(),
    )
}

fn request() -> ContiguousRequest {
    ContiguousRequest {
        boundary: Boundary::new(64 << 10),
        cache: CacheType::Cached,
        node: Node::Preferred(0),
        ..ContiguousRequest::anywhere(3 * PAGE_SIZE + 100)
    }
}

fn contiguous_memory<'dev, I: AtMostDispatch, X: Exclusion>(
    cx: &Context<'dev, M, I, X>,
    registers: Registers<'dev>,
    memory: Contiguous<'dev, M>,
) -> Check {
    let length = request().length & !3;
    let used = cx.with_contiguous(memory, |memory| {
        let whole = memory.slice(0, length).ok_or(3)?;
        device_and_processor_agree(registers, whole, length)?;
        let boundary = Boundary::new(64 << 10).ok_or(4)?;
        must(5, boundary.keeps(memory.bus_address(), memory.length() as u64))
    });
    used.unwrap_or(Err(6))?;
    must(7, cx.free_contiguous(memory).is_ok())?;
    must(8, cx.free_contiguous(memory) == Err(NotFreed))?;
    must(9, cx.with_contiguous(memory, |_| ()).is_none())
}

/// Contiguous memory: where it is wanted, and where the device sees it.
pub(crate) fn contiguous<'dev, I: AtMostDispatch, X: Exclusion>(
    cx: &Context<'dev, M, I, X>,
    registers: Registers<'dev>,
) -> Check {
    let memory = cx.allocate_contiguous(&request()).map_err(|_| 2)?;
    contiguous_memory(cx, registers, memory)?;
    must(
        10,
        cx.allocate_contiguous(&ContiguousRequest::anywhere(0)).is_err(),
    )?;
    // Nothing lies between these addresses: the port driver's refusal is reported, and its slot is free again.
    let nowhere = ContiguousRequest {
        lowest: 0,
        highest: 0xFFF,
        ..ContiguousRequest::anywhere(2 * PAGE_SIZE)
    };
    must(11, cx.allocate_contiguous(&nowhere).is_err())
}

/// The same by the call that returns the address itself.
pub(crate) fn dma_memory<'dev, I: AtMostDispatch, X: Exclusion>(
    cx: &Context<'dev, M, I, X>,
    registers: Registers<'dev>,
) -> Check {
    let memory = cx.allocate_dma_memory(&request()).map_err(|_| 2)?;
    contiguous_memory(cx, registers, memory)
}

/// A host memory buffer: the ranges are the device's, and add up.
pub(crate) fn host_buffer<'dev, I: AtMostDispatch, X: Exclusion>(
    cx: &Context<'dev, M, I, X>,
    registers: Registers<'dev>,
) -> Check {
    let wish = HostBufferRequest {
        minimum: PAGE_SIZE,
        preferred: 4 * PAGE_SIZE,
        utilization: 0,
        alignment: PAGE_SIZE,
        lowest: 0,
        highest: u64::MAX >> 1,
        ranges: 4,
    };
    let buffer = cx.allocate_host_buffer(&wish).map_err(|_| 2)?;
    let mut total = 0;
    for index in 0..4 {
        let Some(range) = cx.host_buffer_range(buffer, index) else {
            break;
        };
        must(3, page_offset(range.bus_address) == 0 && range.length != 0)?;
        device_writes(registers, range.bus_address, 0x77);
        must(4, device_reads(registers, range.bus_address) == 0x77)?;
        total += range.length as usize;
    }
    must(5, total == wish.preferred)?;
    must(6, cx.free_host_buffer(buffer).is_ok())?;
    must(7, cx.free_host_buffer(buffer) == Err(NotFreed))?;
    must(8, cx.host_buffer_range(buffer, 0).is_none())?;
    let wrong = HostBufferRequest {
        preferred: PAGE_SIZE + 1,
        ..wish
    };
    must(9, cx.allocate_host_buffer(&wrong).is_err())
}

/// An MDL keeps the memory that it describes.
pub(crate) fn mdl<I: AtMostDispatch, X: Exclusion>(cx: &Context<'_, M, I, X>) -> Check {
    let words: Pool<'_, M, AtomicU32> = cx.allocate_pool(WORDS, TAG).map_err(|_| 2)?;
    let mdl = cx.describe_pool(words).map_err(|_| 3)?;
    must(4, cx.free_pool(words).is_ok())?;
    must(5, cx.describe_pool(words).is_err())?;
    must(6, cx.free_mdl(mdl).is_ok())?;
    must(7, cx.free_mdl(mdl) == Err(NotFreed))
}

/// A scatter/gather list that is on its way, and the memory that it describes.
#[derive(Clone, Copy)]
pub(crate) struct Pending<'dev> {
    list: List<'dev, M>,
    words: Pool<'dev, M, AtomicU32>,
    mdl: Mdl<'dev, M>,
}

/// Has a list built.
pub(crate) fn begin_list<'dev, X: Exclusion>(
    cx: &Context<'dev, M, Dispatch, X>,
    dpc: usize,
) -> Result<Pending<'dev>, u8> {
    let words: Pool<'_, M, AtomicU32> = cx.allocate_pool(WORDS, TAG).map_err(|_| 2)?;
    let mdl = cx.describe_pool(words).map_err(|_| 3)?;
    let list = cx
        .build_scatter_gather(mdl, Transfer::FromDevice, Some(dpc))
        .map_err(|_| 4)?;
    Ok(Pending { list, words, mdl })
}

/// Where the bytes of a list lie, one word after the other.
fn bus_addresses(segments: impl Iterator<Item = Segment>) -> impl Iterator<Item = u64> {
    segments.flat_map(|segment| {
        (0..u64::from(segment.length) / 4).map(move |word| segment.bus_address + 4 * word)
    })
}

/// Looks at a list; `None` while it is not there.
pub(crate) fn end_list<'dev, X: Exclusion>(
    cx: &Context<'dev, M, Dispatch, X>,
    registers: Registers<'dev>,
    pending: Pending<'dev>,
) -> Option<Check> {
    let Pending { list, words, mdl } = pending;
    let seen: Check = cx.with_scatter_gather(list, |list| {
        let total: u64 = list.segments().map(|segment| u64::from(segment.length)).sum();
        must(10, total == 4 * WORDS as u64)?;
        for (value, bus_address) in (1..).zip(bus_addresses(list.segments())).step_by(61) {
            device_writes(registers, bus_address, value);
        }
        Ok(())
    })?;
    let finish = || {
        seen?;
        let written = cx.with_pool(words, |words| {
            let mut all = (1..).zip(words).step_by(61);
            all.all(|(value, word)| word.load(Ordering::Relaxed) == value)
        });
        must(11, written == Some(true))?;
        // What a list needs is kept, whoever frees it.
        must(12, cx.free_mdl(mdl).is_ok() && cx.free_pool(words).is_ok())?;
        must(13, cx.with_scatter_gather(list, |_| ()).is_some())?;
        must(14, cx.put_scatter_gather(list).is_ok())?;
        must(15, cx.put_scatter_gather(list) == Err(NotFreed))?;
        must(16, cx.with_scatter_gather(list, |_| ()).is_none())
    };
    Some(finish())
}

/// What was allocated in `HwStorFindAdapter`, at whatever IRQL.
pub(crate) fn kept<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, M, I, X>,
    adapter: &Adapter<'dev>,
    registers: Registers<'dev>,
) -> Check {
    let words = adapter.words.get().ok_or(2)?;
    let counted = cx.with_pool(words, |words| {
        words.first().map(|word| word.fetch_add(1, Ordering::Relaxed))
    });
    must(3, counted.flatten().is_some())?;
    let memory = adapter.memory.get().ok_or(4)?;
    let agreed = cx.with_contiguous(memory, |memory| {
        memory.write32(64, 0xABCD);
        let seen = device_reads(registers, memory.bus_address() + 64);
        device_writes(registers, memory.bus_address() + 64, 0xDCBA);
        seen == 0xABCD && memory.read32(64) == 0xDCBA
    });
    must(5, agreed == Some(true))
}

/// The uncached extension, found again by its address.
pub(crate) fn uncached<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, M, I, X>,
    adapter: &Adapter<'dev>,
    registers: Registers<'dev>,
) -> Check {
    let whole = adapter.uncached.get().ok_or(2)?;
    let part = cx.uncached_at(whole.bus_address() + 256, 64).ok_or(3)?;
    whole.write32(256, 0x5A5A);
    must(4, part.read32(0) == 0x5A5A && part.length() == 64)?;
    must(5, device_reads(registers, part.bus_address()) == 0x5A5A)?;
    must(
        6,
        cx.uncached_at(whole.bus_address().wrapping_sub(1 << 20), 4)
            .is_none(),
    )?;
    must(7, cx.uncached_at(whole.bus_address(), usize::MAX).is_none())?;
    let target = whole.slice(1024, 64).ok_or(8)?;
    target.zero();
    must(9, target.copy_from(&part) == 64 && target.read32(0) == 0x5A5A)
}

/// Registers of every width.
pub(crate) fn registers(registers: Registers<'_>, base: u32) -> Check {
    must(2, registers.length() == REGISTER_BYTES)?;
    registers.write64(base, 0x1122_3344_5566_7788);
    must(3, registers.read64(base) == 0x1122_3344_5566_7788)?;
    must(
        4,
        registers.read32(base) == 0x5566_7788 && registers.read32(base + 4) == 0x1122_3344,
    )?;
    must(
        5,
        registers.read16(base + 2) == 0x5566 && registers.read8(base + 7) == 0x11,
    )?;
    registers.write32(base, 0xA1A2_A3A4);
    registers.write16(base + 4, 0xB1B2);
    registers.write8(base + 6, 0xC1);
    must(6, registers.read64(base) == 0x11C1_B1B2_A1A2_A3A4)?;
    let (mut bytes, mut words, mut doubles, mut quads) = ([0; 3], [0; 3], [0; 3], [0; 2]);
    registers.write_buffer8(base, &[1, 2, 3]);
    registers.read_buffer8(base, &mut bytes);
    must(7, bytes == [1, 2, 3])?;
    registers.write_buffer16(base, &[0x101, 0x202, 0x303]);
    registers.read_buffer16(base, &mut words);
    must(8, words == [0x101, 0x202, 0x303])?;
    registers.write_buffer32(base, &[1 << 20, 2 << 20, 3 << 20]);
    registers.read_buffer32(base, &mut doubles);
    must(9, doubles == [1 << 20, 2 << 20, 3 << 20])?;
    registers.write_buffer64(base, &[1 << 40, 2 << 40]);
    registers.read_buffer64(base, &mut quads);
    must(10, quads == [1 << 40, 2 << 40])?;
    // Outside, or across: all ones, and nothing reaches the bus.
    must(
        11,
        registers.read32(REGISTER_BYTES) == u32::MAX && registers.read32(base + 2) == u32::MAX,
    )?;
    must(12, registers.read64(REGISTER_BYTES - 4) == u64::MAX)
}

/// Ports of every width.
pub(crate) fn ports(ports: Ports<'_>) -> Check {
    must(10, ports.length() == PORT_BYTES)?;
    ports.write32(0, 0x4433_2211);
    must(
        2,
        ports.read8(1) == 0x22 && ports.read16(2) == 0x4433 && ports.read32(0) == 0x4433_2211,
    )?;
    ports.write16(4, 0x6655);
    ports.write8(6, 0x77);
    must(3, ports.read16(4) == 0x6655 && ports.read8(6) == 0x77)?;
    // One port, again and again.
    let (mut bytes, mut words, mut doubles) = ([0; 3], [0; 3], [0; 3]);
    must(
        4,
        ports.read_buffer8(COUNTER_PORT, &mut bytes) && consecutive(bytes.map(u32::from)),
    )?;
    must(
        5,
        ports.read_buffer16(COUNTER_PORT, &mut words) && consecutive(words.map(u32::from)),
    )?;
    must(
        6,
        ports.read_buffer32(COUNTER_PORT, &mut doubles) && consecutive(doubles),
    )?;
    let before = ports.read32(ADDER_PORT);
    let written = ports.write_buffer8(ADDER_PORT, &[1, 2])
        && ports.write_buffer16(ADDER_PORT, &[300, 400])
        && ports.write_buffer32(ADDER_PORT, &[50_000, 60_000]);
    must(
        7,
        written && ports.read32(ADDER_PORT) == before.wrapping_add(110_703),
    )?;
    must(
        8,
        ports.read8(ports.length()) == u8::MAX && ports.read32(2) == u32::MAX,
    )?;
    must(9, !ports.read_buffer32(ports.length(), &mut doubles))
}

fn consecutive(values: [u32; 3]) -> bool {
    let [first, second, third] = values.map(|value| value & 0xFF);
    (first + 1) & 0xFF == second && (second + 1) & 0xFF == third
}

/// Configuration space, and a mapping for a moment.
pub(crate) fn bus(cx: &FindAdapter<'_, '_, M>) -> Check {
    let space = cx.pci_configuration().ok_or(2)?;
    must(3, (space.vendor(), space.device()) == IDENTITY)?;
    must(4, space.capability(CAPABILITY.0) == Some(CAPABILITY.1))?;
    let changed = space.read8(SCRATCH_OFFSET) ^ 0xFF;
    must(
        5,
        cx.write_pci_configuration(u32::from(SCRATCH_OFFSET), &[changed]) == 1,
    )?;
    let again = cx.pci_configuration().ok_or(6)?;
    must(7, again.read8(SCRATCH_OFFSET) == changed)?;
    let read = cx.with_registers(0, |registers| {
        registers.write32(0x700, 0xFEED);
        registers.read32(0x700)
    });
    must(8, read == Some(0xFEED))?;
    must(9, cx.map_registers(1).is_none() && cx.map_ports(0).is_none())?;
    must(10, cx.access_range(7).is_none())
}
