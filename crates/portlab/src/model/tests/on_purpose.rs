//! What goes wrong on purpose: allocations that fail, answers that are wrong.

use super::bench::{Bench, Miniport, extended, pool, word};
use crate::{
    abi::{
        codes::{function_code as code, stor_status},
        guest,
    },
    model::{Change, Mutation},
};

/// Allocates four times and notes which of them succeeded.
struct Allocating;
impl Miniport for Allocating {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        for index in 1..=4 {
            let block = pool(extension, 64);
            guest::write(word(extension, index), &u64::from(block != 0));
            if block != 0 {
                extended(code::FREE_POOL, extension, &[block]);
            }
        }
        1
    }
}

#[test]
fn the_chosen_allocation_fails() {
    for (plan, expected, failed) in [
        ("2", [1_u64, 0, 1, 1], 1),
        ("AllocatePool in HwStorFindAdapter:3+", [1, 1, 0, 0], 2),
        ("AllocateContiguousMemory:1+", [1, 1, 1, 1], 0),
    ] {
        let bench = Bench::load_with::<Allocating>(|options| {
            options.allocation_failures = Some(plan.parse().expect(plan));
        });
        bench.try_start().expect("a start");
        let extension = bench.lab.machine.setup().extension;
        let succeeded = [1, 2, 3, 4].map(|index| guest::read::<u64>(word(extension, index)));
        assert_eq!(succeeded, expected, "{plan}");
        let statistics = bench.lab.statistics();
        assert_eq!(
            (statistics.allocations, statistics.allocations_failed),
            (4, failed),
            "{plan}"
        );
        assert!(bench.broken().is_empty());
    }
}

/// Makes a worker, notes what it is told, and frees what it got.
struct Asking;
impl Miniport for Asking {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        let status = extended(code::INITIALIZE_WORKER, extension, &[word(extension, 1)]);
        guest::write(word(extension, 2), &u64::from(status));
        let worker: u64 = guest::read(word(extension, 1));
        if worker != 0 {
            extended(code::FREE_WORKER, extension, &[worker]);
        }
        1
    }
}

#[test]
fn the_chosen_answer_is_wrong() {
    let success = stor_status::SUCCESS;
    let busy = stor_status::BUSY;
    for (call, change, told, has_worker, made) in [
        (
            "StorPortInitializeWorker",
            Change::Answer {
                from: success,
                to: busy,
            },
            busy,
            true,
            1,
        ),
        (
            "StorPortInitializeWorker",
            Change::Ignored { answer: success },
            success,
            false,
            1,
        ),
        (
            "StorPortInitializeWorker",
            Change::Argument { index: 2, value: 0 },
            stor_status::INVALID_PARAMETER,
            false,
            1,
        ),
        (
            "StorPortInitializeWorker",
            Change::Answer {
                from: busy,
                to: success,
            },
            success,
            true,
            0,
        ),
        (
            "StorPortInitializeTimer",
            Change::Answer {
                from: success,
                to: busy,
            },
            success,
            true,
            0,
        ),
    ] {
        let bench = Bench::load::<Asking>();
        bench.lab.mutate(Some(Mutation {
            call: call.to_owned(),
            change,
        }));
        bench.try_start().expect("a start");
        let extension = bench.lab.machine.setup().extension;
        let noted: u64 = guest::read(word(extension, 2));
        let worker: u64 = guest::read(word(extension, 1));
        assert_eq!((noted, worker != 0), (u64::from(told), has_worker), "{change:?}");
        assert_eq!(bench.lab.mutations_made(), made, "{change:?}");
    }
}
