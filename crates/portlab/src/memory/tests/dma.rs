//! Memory that the device sees.

use std::os::unix::fs::FileExt;

use super::{
    super::{AllocateError, DmaArena, DmaRequest, GuestMemory, Request, Segment},
    DEVICE_BASE, device_view, object, packed, region,
};

fn arena(length: u64) -> (DmaArena, std::fs::File) {
    let region = region(length);
    let view = device_view(&region);
    (DmaArena::new(&region, &packed()).unwrap(), view)
}

fn file_offset(device_address: u64) -> u64 {
    device_address - DEVICE_BASE + 4096
}

#[test]
fn the_device_sees_what_the_driver_writes() {
    let (arena, view) = arena(4 << 20);
    for request in [
        DmaRequest::contiguous(object(10_000)),
        DmaRequest::scattered(object(10_000).guarded()),
    ] {
        let block = arena.allocate(&request).unwrap();
        let data: Vec<u8> = (0..=255).cycle().step_by(3).take(10_000).collect();
        GuestMemory::write(block.address, &data).unwrap();
        let mut seen = Vec::new();
        for Segment {
            device_address,
            length,
        } in arena.segments(block.address, 10_000).unwrap()
        {
            let mut part = vec![0; usize::try_from(length).unwrap()];
            view.read_exact_at(&mut part, file_offset(device_address))
                .unwrap();
            seen.extend(part);
        }
        assert_eq!(seen, data);
    }
}

#[test]
fn contiguous_is_one_segment_and_scattered_is_not() {
    let (arena, _) = arena(4 << 20);
    let block = arena.allocate(&DmaRequest::contiguous(object(64 << 10))).unwrap();
    assert_eq!(arena.segments(block.address, 64 << 10).unwrap().len(), 1);
    let block = arena
        .allocate(&DmaRequest::scattered(object(64 << 10).aligned(4096).guarded()))
        .unwrap();
    let segments = arena.segments(block.address, 64 << 10).unwrap();
    assert_eq!(segments.len(), 16);
    let end = block.address + (64 << 10);
    assert_eq!(arena.translate(end - 1).unwrap().length, 1);
    assert_eq!(arena.translate(end), None);
    assert_eq!(arena.segments(block.address + 1, 64 << 10), None);
}

#[test]
fn constraints_hold_for_device_addresses() {
    let (arena, _) = arena(16 << 20);
    let below = DmaRequest {
        highest: DEVICE_BASE + (1 << 20) - 1,
        ..DmaRequest::contiguous(object(300 << 10))
    };
    let mut count = 0;
    while let Ok(block) = arena.allocate(&below) {
        let Segment {
            device_address,
            length,
        } = arena.translate(block.address).unwrap();
        assert_eq!(length, 300 << 10);
        assert!(device_address + length <= DEVICE_BASE + (1 << 20));
        count += 1;
    }
    assert_eq!(count, 3);
    let boundary = DmaRequest {
        boundary: 64 << 10,
        ..DmaRequest::contiguous(object(40 << 10))
    };
    for _ in 0..8 {
        let block = arena.allocate(&boundary).unwrap();
        let at = arena.translate(block.address).unwrap().device_address;
        assert_eq!(at >> 16, (at + (40 << 10) - 1) >> 16);
    }
    let aligned = DmaRequest::contiguous(object(100).aligned(1 << 16));
    let block = arena.allocate(&aligned).unwrap();
    assert_eq!(block.address % (1 << 16), 0);
    assert_eq!(
        arena.translate(block.address).unwrap().device_address % (1 << 16),
        0
    );
    let high = DmaRequest {
        lowest: DEVICE_BASE + (15 << 20),
        ..DmaRequest::contiguous(object(4096))
    };
    let block = arena.allocate(&high).unwrap();
    assert!(arena.translate(block.address).unwrap().device_address >= DEVICE_BASE + (15 << 20));
    let impossible = DmaRequest {
        boundary: 4096,
        ..DmaRequest::contiguous(object(8192))
    };
    assert!(matches!(
        arena.allocate(&impossible),
        Err(AllocateError::Exhausted)
    ));
    let odd = DmaRequest {
        boundary: 3,
        ..DmaRequest::contiguous(object(1))
    };
    assert!(matches!(arena.allocate(&odd), Err(AllocateError::Request(_))));
}

#[test]
fn device_addresses_are_attributed() {
    let (arena, _) = arena(1 << 20);
    let request = Request::new(6000, "completion queue 1").aligned(4096).guarded();
    let block = arena.allocate(&DmaRequest::contiguous(request)).unwrap();
    let at = arena.translate(block.address).unwrap().device_address;
    assert_eq!(arena.virtual_address(at + 5000), Some(block.address + 5000));
    assert!(
        arena
            .describe_device_address(at + 5000)
            .unwrap()
            .starts_with("byte 5000 of completion queue 1")
    );
    assert!(arena.device_may_access(at, 6000));
    assert!(!arena.device_may_access(at, 6001));
    arena.free(block.address).unwrap();
    assert!(!arena.device_may_access(at, 1));
    assert_eq!(arena.virtual_address(DEVICE_BASE + (1 << 20)), None);
}

#[test]
fn device_writes_after_free_are_noticed() {
    let (arena, view) = arena(1 << 20);
    let request = Request::new(8192, "a PRP list").aligned(4096).guarded();
    let block = arena.allocate(&DmaRequest::contiguous(request)).unwrap();
    let at = arena.translate(block.address).unwrap().device_address;
    arena.free(block.address).unwrap();
    view.write_all_at(&[0x77], file_offset(at) + 4100).unwrap();
    // The quarantine is a quarter of the region: push it out.
    for _ in 0..80 {
        let other = arena
            .allocate(&DmaRequest::contiguous(object(8192).guarded()))
            .unwrap();
        arena.free(other.address).unwrap();
    }
    let damage = arena.take_damages().pop().unwrap();
    assert!(
        damage
            .to_string()
            .starts_with("byte 4100 of a PRP list was written after it was freed"),
        "{damage}"
    );
}

#[test]
fn all_memory_comes_back() {
    let (arena, _) = arena(1 << 20);
    for round in 0..200 {
        let mut blocks = Vec::new();
        let shape = if round % 2 == 0 {
            DmaRequest::contiguous
        } else {
            DmaRequest::scattered
        };
        while let Ok(block) = arena.allocate(&shape(object(50_000).guarded())) {
            blocks.push(block);
        }
        assert!(blocks.len() >= 19, "round {round}: {}", blocks.len());
        for block in blocks {
            arena.free(block.address).unwrap();
        }
    }
    assert!(arena.take_damages().is_empty());
}
