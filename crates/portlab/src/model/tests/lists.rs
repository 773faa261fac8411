//! Lists and spin locks of the driver's own.

use super::bench::{Bench, Miniport, extended, out, pool};
use crate::{
    abi::{codes::stor_status, guest, synchronization::START_IO_LOCK},
    model::tests::bench::notify,
};

const INITIALIZE_SLIST_HEAD: u32 = 35;
const FLUSH_SLIST: u32 = 36;
const POP_SLIST: u32 = 37;
const PUSH_SLIST: u32 = 38;
const DEPTH_SLIST: u32 = 39;
const INSERT_HEAD: u32 = 72;
const INSERT_TAIL: u32 = 73;
const REMOVE_HEAD: u32 = 74;
const INITIALIZE_SPIN_LOCK: u32 = 75;
const ACQUIRE_SPIN_LOCK_EX: u32 = 93;
const RELEASE_SPIN_LOCK: u32 = 0x1004;

/// Uses both kinds of list as their pages say.
struct Lists;
impl Miniport for Lists {
    fn passive_initialize(extension: u64) -> bool {
        doubly_linked(extension);
        singly_linked(extension);
        let mut handle = [0_u64; 4];
        let handle = out(&mut handle);
        let taken = extended(
            ACQUIRE_SPIN_LOCK_EX,
            extension,
            &[u64::from(START_IO_LOCK), 0, handle],
        );
        assert_eq!(taken, stor_status::SUCCESS);
        notify(RELEASE_SPIN_LOCK, extension, &[handle]);
        true
    }
}

fn doubly_linked(extension: u64) {
    let block = pool(extension, 256);
    let (lock, head) = (block, block + 16);
    let entries = [block + 64, block + 96, block + 128];
    assert_eq!(extended(INITIALIZE_SPIN_LOCK, extension, &[lock]), 0);
    guest::write(head, &[head, head]);
    let mut result = 1_u64;
    let insert = |function, entry, expected| {
        let mut result = 1_u64;
        let status = extended(function, extension, &[head, entry, out(&mut result), lock]);
        assert_eq!((status, result), (0, expected));
    };
    insert(INSERT_HEAD, entries[0], 0);
    insert(INSERT_TAIL, entries[1], entries[0]);
    insert(INSERT_HEAD, entries[2], entries[0]);
    for expected in [entries[2], entries[0], entries[1], 0] {
        let status = extended(REMOVE_HEAD, extension, &[head, out(&mut result), lock]);
        assert_eq!((status, result), (0, expected));
    }
    assert_eq!(guest::read::<[u64; 2]>(head), [head, head]);
    super::bench::call("StorPortExtendedFunction", &[1, extension, block]);
}

fn singly_linked(extension: u64) {
    let block = pool(extension, 256).next_multiple_of(16);
    let entries = [block + 64, block + 96];
    assert_eq!(extended(INITIALIZE_SLIST_HEAD, extension, &[block]), 0);
    let mut result = 1_u64;
    for (entry, expected) in [(entries[0], 0), (entries[1], entries[0])] {
        let status = extended(PUSH_SLIST, extension, &[block, entry, out(&mut result)]);
        assert_eq!((status, result), (0, expected));
    }
    let mut depth = 0_u16;
    assert_eq!(extended(DEPTH_SLIST, extension, &[block, out(&mut depth)]), 0);
    assert_eq!(depth, 2);
    assert_eq!(extended(POP_SLIST, extension, &[block, out(&mut result)]), 0);
    assert_eq!(result, entries[1]);
    assert_eq!(extended(FLUSH_SLIST, extension, &[block, out(&mut result)]), 0);
    assert_eq!((result, guest::read::<u64>(result)), (entries[0], 0));
    assert_eq!(extended(POP_SLIST, extension, &[block, out(&mut result)]), 0);
    assert_eq!(result, 0);
    super::bench::call("StorPortExtendedFunction", &[1, extension, block]);
}

#[test]
fn lists_are_linked_as_their_pages_say() {
    let broken = Bench::start::<Lists>().broken();
    assert_eq!(broken, ["function-code-inferred"], "AcquireSpinLockEx's only");
}

/// Uses them wrongly.
struct Careless;
impl Miniport for Careless {
    fn passive_initialize(extension: u64) -> bool {
        let block = pool(extension, 256).next_multiple_of(16);
        let (lock, head, mut result) = (block, block + 16, 0_u64);
        let refused = stor_status::INVALID_PARAMETER;
        guest::write(head, &[head, head]);
        let entry = block + 64;
        // A lock that was never initialised.
        let status = extended(INSERT_HEAD, extension, &[head, entry, out(&mut result), lock]);
        assert_eq!(status, refused);
        assert_eq!(extended(INITIALIZE_SPIN_LOCK, extension, &[lock]), 0);
        assert_eq!(extended(INITIALIZE_SPIN_LOCK, extension, &[0]), refused);
        assert_eq!(extended(INSERT_HEAD, extension, &[head, entry, 0, lock]), refused);
        // A list whose neighbours do not point back.
        guest::write(head, &[entry, head]);
        guest::write(entry, &[0_u64; 2]);
        let status = extended(REMOVE_HEAD, extension, &[head, out(&mut result), lock]);
        assert_eq!(status, refused);
        // A list that was never initialised, and one that is not aligned.
        assert_eq!(extended(POP_SLIST, extension, &[head, out(&mut result)]), refused);
        assert_eq!(extended(INITIALIZE_SLIST_HEAD, extension, &[block + 8]), refused);
        assert_eq!(extended(INITIALIZE_SLIST_HEAD, extension, &[block]), 0);
        let status = extended(PUSH_SLIST, extension, &[block, block + 72, out(&mut result)]);
        assert_eq!(status, refused);
        // A context with a lock that has none.
        let mut handle = [0_u64; 4];
        let arguments = [u64::from(START_IO_LOCK), block, out(&mut handle)];
        assert_eq!(extended(ACQUIRE_SPIN_LOCK_EX, extension, &arguments), refused);
        super::bench::call("StorPortExtendedFunction", &[1, extension, block]);
        true
    }
}

#[test]
fn misuse_of_lists_is_refused_and_told() {
    let (_, violations) = Bench::start::<Careless>().finish();
    let told = violations
        .iter()
        .filter(|violation| violation.rule == "bad-parameter");
    assert_eq!(told.count(), 8, "{violations:#?}");
}
