//! Random use of both arenas, checked against a plain list.

use proptest::prelude::*;

use super::{
    super::{
        Block, DmaArena, DmaRequest, GuestMemory, Placement, PoolArena, PoolOptions, Request,
        extent::{Constraint, Extents},
    },
    DEVICE_BASE, object, region,
};

fn overlaps(a: &Block, b: &Block) -> bool {
    a.address < b.address + b.length as u64 && b.address < a.address + a.length as u64
}

fn request(length: usize, alignment: u32, placement: u8) -> Request {
    let placement = [Placement::End, Placement::Start, Placement::Either][usize::from(placement % 3)];
    Request {
        placement,
        ..object(length).aligned(1 << alignment)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn live_objects_are_apart_aligned_and_keep_their_content(
        seed in any::<u64>(),
        guard_every in 1_u32..20,
        steps in proptest::collection::vec((1_usize..70_000, 0_u32..14, any::<u8>(), any::<bool>(), any::<u16>()), 1..120),
    ) {
        let options = PoolOptions { guard_every, seed, quarantine: 100_000, ..PoolOptions::default() };
        let pool = PoolArena::new(&options).unwrap();
        let dma = DmaArena::new(&region(32 << 20), &options).unwrap();
        let mut live: Vec<(Block, u8, bool)> = Vec::new();
        for (length, alignment, placement, free, choice) in steps {
            let mark = placement ^ choice.to_le_bytes()[0];
            if free && !live.is_empty() {
                let (block, mark, device) = live.swap_remove(usize::from(choice) % live.len());
                let mut bytes = vec![0; block.length];
                GuestMemory::read(block.address, &mut bytes).unwrap();
                prop_assert!(bytes.iter().all(|byte| *byte == mark));
                let freed = if device { dma.free(block.address) } else { pool.free(block.address) };
                prop_assert_eq!(freed, Ok(block));
                continue;
            }
            let device = choice % 2 == 0;
            let request = request(length, alignment, placement);
            let block = match (device, choice % 4) {
                (false, _) => pool.allocate(&request),
                (_, 0) => dma.allocate(&DmaRequest::contiguous(request)),
                _ if alignment <= 12 => dma.allocate(&DmaRequest::scattered(request)),
                _ => continue,
            }
            .unwrap();
            prop_assert_eq!(block.length, length);
            prop_assert_eq!(block.address % (1 << alignment), 0);
            for (other, ..) in &live {
                prop_assert!(!overlaps(&block, other));
            }
            GuestMemory::fill(block.address, block.length, mark).unwrap();
            live.push((block, mark, device));
        }
        prop_assert_eq!(pool.live().0 + dma.live().0, live.len());
        prop_assert!(pool.check().is_empty());
        prop_assert!(dma.check().is_empty());
    }

    #[test]
    fn runs_of_device_memory_satisfy_their_constraints(
        requests in proptest::collection::vec((1_u64..40, 0_u32..20, 0_u32..22, any::<bool>(), any::<u8>()), 1..60),
    ) {
        const LENGTH: u64 = 2 << 20;
        let mut extents = Extents::new(DEVICE_BASE, LENGTH);
        let mut taken: Vec<(u64, u64)> = Vec::new();
        for (pages, alignment, boundary, free, choice) in requests {
            if free && !taken.is_empty() {
                let (start, length) = taken.swap_remove(usize::from(choice) % taken.len());
                extents.give(start, length);
                continue;
            }
            let length = pages * 4096;
            let boundary = if boundary >= 12 { 1 << boundary } else { 0 };
            let constraint = Constraint { alignment: 1 << alignment, lowest: DEVICE_BASE + 4096, highest: DEVICE_BASE + LENGTH - 4097, boundary };
            let Some(start) = extents.take(DEVICE_BASE, length, &constraint) else { continue };
            prop_assert_eq!(start % (1 << alignment), 0);
            prop_assert!(start >= constraint.lowest && start + length - 1 <= constraint.highest);
            if let Some(size) = start.checked_div(boundary) {
                prop_assert_eq!(size, (start + length - 1) / boundary);
            }
            for (other, other_length) in &taken {
                prop_assert!(start + length <= *other || other + other_length <= start);
            }
            taken.push((start, length));
        }
        let used: u64 = taken.iter().map(|(_, length)| length).sum();
        prop_assert_eq!(extents.available(), LENGTH - used);
        for (start, length) in taken {
            extents.give(start, length);
        }
        prop_assert_eq!(extents.take(DEVICE_BASE, LENGTH, &Constraint::none()), Some(DEVICE_BASE));
    }
}
