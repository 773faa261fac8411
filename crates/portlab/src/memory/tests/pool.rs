//! Ordinary memory.

use std::process::Command;

use super::{
    super::{
        AllocateError, FREED, FRESH, FreeError, GuestMemory, KnownRegion, Placement, PoolArena, PoolOptions,
        Request, describe,
    },
    object, packed,
};
use crate::trap;

fn arena(options: &PoolOptions) -> PoolArena {
    PoolArena::new(options).unwrap()
}

#[test]
fn fresh_memory_is_poisoned_unless_zeroes_are_promised() {
    let arena = arena(&packed());
    for request in [object(100), object(100).guarded()] {
        let block = arena.allocate(&request).unwrap();
        let mut bytes = [0; 100];
        GuestMemory::read(block.address, &mut bytes).unwrap();
        assert_eq!(bytes, [FRESH; 100]);
        let block = arena.allocate(&request.zeroed()).unwrap();
        GuestMemory::read(block.address, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 100]);
    }
}

#[test]
fn guarded_objects_touch_their_guard() {
    let arena = arena(&packed());
    let end = arena.allocate(&object(100).aligned(4).guarded()).unwrap();
    assert_eq!((end.address + 100) % 4096, 0);
    // As near as the alignment allows.
    let aligned = arena.allocate(&object(100).aligned(64).guarded()).unwrap();
    assert_eq!(aligned.address % 4096, 4096 - 128);
    let start = Request {
        placement: Placement::Start,
        ..object(100).guarded()
    };
    assert_eq!(arena.allocate(&start).unwrap().address % 4096, 0);
    let large = arena
        .allocate(&object(1 << 20).aligned(1 << 16).guarded())
        .unwrap();
    assert_eq!(large.address % (1 << 16), 0);
    let packed = arena.allocate(&object(3000).aligned(4096)).unwrap();
    assert_eq!(packed.address % 4096, 0);
}

#[test]
fn one_object_in_n_is_guarded() {
    let arena = arena(&PoolOptions {
        guard_every: 4,
        ..packed()
    });
    let ends = (0..400).filter(|_| {
        let block = arena.allocate(&object(112)).unwrap();
        (block.address + 112).is_multiple_of(4096)
    });
    assert_eq!(ends.count(), 100);
}

#[test]
fn writes_beyond_an_object_are_found_when_it_is_freed() {
    let arena = arena(&packed());
    let block = arena
        .allocate(&Request::new(50, "SRB extension of tag 7"))
        .unwrap();
    let _whole = KnownRegion::new(
        block.address - 16..block.address + 64,
        true,
        "the slack, for the test",
    );
    poke(block.address + 52);
    arena.free(block.address).unwrap();
    let damage = arena.take_damages().pop().unwrap();
    let text = damage.to_string();
    assert!(
        text.starts_with("byte 2 behind the end of SRB extension of tag 7 was overwritten (50 bytes at"),
        "{text}"
    );
    assert!(arena.take_damages().is_empty());

    let block = arena.allocate(&object(50)).unwrap();
    poke(block.address - 3);
    let damage = arena.check().pop().unwrap();
    assert!(
        damage
            .to_string()
            .starts_with("3 bytes before the beginning of an object were overwritten")
    );
    // It is reported once.
    assert!(arena.check().is_empty());
}

/// A write that the model would refuse.
#[expect(unsafe_code, reason = "writes where nobody may")]
fn poke(address: u64) {
    let place = super::super::pointer::<u8>(address);
    // SAFETY: the slack of a live object, or a freed cell: mapped, and nobody's.
    unsafe { place.write_volatile(0x11) };
}

#[test]
fn writes_after_free_are_found_when_the_quarantine_ends() {
    let arena = arena(&PoolOptions {
        quarantine: 4096,
        ..packed()
    });
    let block = arena.allocate(&object(64)).unwrap();
    arena.free(block.address).unwrap();
    poke(block.address + 8);
    assert!(arena.take_damages().is_empty());
    for _ in 0..100 {
        let other = arena.allocate(&object(64)).unwrap();
        assert_ne!(other.address, block.address, "freed memory rests");
        arena.free(other.address).unwrap();
        if let Some(damage) = arena.take_damages().pop() {
            assert!(damage.after_free);
            assert_eq!((damage.found, damage.expected), (0x11, FREED));
            assert!(
                damage
                    .to_string()
                    .starts_with("byte 8 of an object was written after it was freed")
            );
            return;
        }
    }
    panic!("the write was never noticed");
}

#[test]
fn wrong_frees_are_told_apart() {
    let arena = arena(&packed());
    for request in [object(64), object(64).guarded()] {
        let block = arena.allocate(&request).unwrap();
        let inside = arena.free(block.address + 8);
        assert!(matches!(inside, Err(FreeError::Inside { object, .. }) if object == block.address));
        assert_eq!(arena.free(block.address), Ok(block));
        let twice = arena.free(block.address).unwrap_err();
        assert_eq!(
            twice.to_string(),
            format!("an object at {:#x} was freed already", block.address)
        );
    }
    assert_eq!(arena.free(0x1000), Err(FreeError::Unknown(0x1000)));
    assert_eq!(arena.live(), (0, 0));
}

#[test]
fn addresses_are_described() {
    let arena = arena(&packed());
    let block = arena
        .allocate(&Request::new(100, "the sense buffer").aligned(4).guarded())
        .unwrap();
    let at = |address| describe(address).unwrap();
    assert!(at(block.address + 5).starts_with("byte 5 of the sense buffer (100 bytes at"));
    assert!(at(block.address + 100).starts_with("0 bytes behind the end of the sense buffer"));
    assert!(at(block.address + 200).starts_with("100 bytes behind the end of the sense buffer"));
    assert!(at(block.address - 1).starts_with("1 bytes before the sense buffer"));
    arena.free(block.address).unwrap();
    assert!(at(block.address + 5).starts_with("byte 5 of freed the sense buffer"));
    let left: Vec<_> = arena.live_objects();
    assert!(left.is_empty());
    drop(arena);
    assert_eq!(describe(block.address), None);
}

#[test]
fn the_model_touches_live_memory_only() {
    let arena = arena(&packed());
    let block = arena.allocate(&object(16)).unwrap();
    GuestMemory::write_pod(block.address, &0x1122_3344_5566_7788_u64).unwrap();
    assert_eq!(GuestMemory::read_pod::<u32>(block.address + 4), Ok(0x1122_3344));
    assert_eq!(
        GuestMemory::read_pod::<[u8; 3]>(block.address + 1),
        Ok([0x77, 0x66, 0x55])
    );
    let beyond = GuestMemory::read_pod::<u64>(block.address + 12).unwrap_err();
    assert!(
        beyond
            .to_string()
            .contains("are not memory of the driver (byte 12 of an object"),
        "{beyond}"
    );
    assert!(GuestMemory::write(block.address + 16, &[1]).is_err());
    assert!(GuestMemory::read(u64::MAX - 2, &mut [0; 8]).is_err());
    arena.free(block.address).unwrap();
    assert!(GuestMemory::fill(block.address, 16, 0).is_err());
    // A driver's own stack counts, once its thread is prepared.
    std::thread::spawn(|| {
        trap::prepare_thread().unwrap();
        let local = 7_u64;
        assert_eq!(GuestMemory::read_pod::<u64>((&raw const local) as u64), Ok(7));
    })
    .join()
    .unwrap();
}

#[test]
fn senseless_requests_are_refused() {
    let arena = arena(&packed());
    assert!(matches!(
        arena.allocate(&object(8).aligned(3)),
        Err(AllocateError::Request(_))
    ));
    assert!(matches!(
        arena.allocate(&object(usize::MAX)),
        Err(AllocateError::Request(_))
    ));
    assert!(matches!(
        arena.allocate(&object(1 << 45)),
        Err(AllocateError::Exhausted)
    ));
    assert_eq!(arena.live(), (0, 0));
}

#[test]
fn the_kernels_limit_on_mappings_is_kept() {
    let arena = arena(&PoolOptions {
        quarantine: 0,
        ..packed()
    });
    let mut blocks = Vec::new();
    let error = loop {
        match arena.allocate(&object(8).guarded()) {
            Ok(block) => blocks.push(block),
            Err(error) => break error,
        }
    };
    assert_eq!(error, AllocateError::TooManyMappings);
    assert!(blocks.len() > 5_000);
    // Packed objects still fit the slabs that exist; freed slots can be had again.
    arena.free(blocks[0].address).unwrap();
    arena.allocate(&object(8).guarded()).unwrap();
}

#[test]
fn a_touched_guard_is_reported_with_the_owner() {
    const CHILD: &str = "PORTLAB_TEST_GUARD";
    if std::env::var_os(CHILD).is_some() {
        trap::prepare_thread().unwrap();
        trap::set_fault_hook(|fault| {
            println!("violation: {fault}");
            std::process::exit(17)
        });
        let arena = arena(&packed());
        let block = arena
            .allocate(&Request::new(96, "the LUN extension").guarded())
            .unwrap();
        poke(block.address + 96);
        unreachable!("the hook does not return");
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["a_touched_guard_is_reported_with_the_owner", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(17), "{text}");
    assert!(text.contains("violation: write to 0x"), "{text}");
    assert!(
        text.contains(": 0 bytes behind the end of the LUN extension (96 bytes at"),
        "{text}"
    );
}
