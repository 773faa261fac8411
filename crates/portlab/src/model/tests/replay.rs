//! Fake miniports in the deterministic engine: lives replay, a race is found by some seeds, a crash ends its life only.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::bench::{Bench, Miniport, call, complete, notify, out, word};
use crate::{
    abi::{
        codes::notification as kind,
        guest,
        srb::status,
        synchronization::{START_IO_LOCK, StorLockHandle},
    },
    model::EngineKind,
};

/// Where the DPC object, the number of waiting SRBs and the SRBs themselves are.
const DPC: u64 = 8;
const WAITING: u64 = 40;
const FIRST: u64 = 41;
/// Requests of a life, at most as many as there are places.
const REQUESTS: u32 = 16;

/// A miniport whose DPC completes what StartIo left for it, under the lock that guards the list or without it.
struct Deferred<const LOCKED: bool>;

impl<const LOCKED: bool> Miniport for Deferred<LOCKED> {
    fn passive_initialize(extension: u64) -> bool {
        let routine = (dpc::<LOCKED> as *const ()).expose_provenance() as u64;
        notify(kind::INITIALIZE_DPC, extension, &[word(extension, DPC), routine]);
        true
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        let waiting: u64 = guest::read(word(extension, WAITING));
        call("KeGetCurrentIrql", &[]);
        guest::write(word(extension, FIRST + waiting), &srb);
        guest::write(word(extension, WAITING), &(waiting + 1));
        let mut queued = 0_i32;
        let arguments = [word(extension, DPC), 0, 0, out(&mut queued)];
        notify(kind::ISSUE_DPC, extension, &arguments);
        true
    }
}

extern "win64" fn dpc<const LOCKED: bool>(_dpc: u64, extension: u64, _first: u64, _second: u64) -> u64 {
    let mut handle = StorLockHandle::default();
    if LOCKED {
        let arguments = [u64::from(START_IO_LOCK), 0, out(&mut handle)];
        notify(kind::ACQUIRE_SPIN_LOCK, extension, &arguments);
    }
    let waiting: u64 = guest::read(word(extension, WAITING));
    for index in 0..waiting {
        complete(
            extension,
            guest::read(word(extension, FIRST + index)),
            status::SUCCESS,
        );
    }
    guest::write(word(extension, WAITING), &0_u64);
    if LOCKED {
        notify(kind::RELEASE_SPIN_LOCK, extension, &[out(&mut handle)]);
    }
    0
}

fn load<M: Miniport>(seed: u64) -> Bench {
    let bench = Bench::load_with::<M>(|options| {
        options.engine = EngineKind::Deterministic;
        options.seed = seed;
    });
    bench.try_start().expect("a start");
    bench
}

/// A life: whether all requests succeeded without a time-out, and its hash.
fn life<M: Miniport>(seed: u64) -> (bool, (u64, u64)) {
    let bench = load::<M>(seed);
    let (ended, good) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    for index in 0..REQUESTS {
        let mut request = bench.command(0x28, 512);
        request.processor = index % 2;
        let (ended, good) = (Arc::clone(&ended), Arc::clone(&good));
        let done = move |outcome: crate::model::Outcome| {
            ended.fetch_add(1, Ordering::SeqCst);
            good.fetch_add(u32::from(outcome.is_success()), Ordering::SeqCst);
        };
        bench.lab.submit(request, Box::new(done));
    }
    let all = &mut || ended.load(Ordering::SeqCst) == REQUESTS;
    let all_ended = bench.lab.wait_until(Duration::from_mins(1), all);
    let clean = all_ended && good.load(Ordering::SeqCst) == REQUESTS && bench.lab.statistics().time_outs == 0;
    (clean, bench.lab.event_hash().expect("a book"))
}

#[test]
fn a_list_without_its_lock_loses_a_request_in_some_lives() {
    let bad: Vec<u64> = (0..40).filter(|seed| !life::<Deferred<false>>(*seed).0).collect();
    assert!((1..40).contains(&bad.len()), "{bad:?}");
    // What was found once is found again.
    for seed in bad.iter().take(5) {
        assert!(!life::<Deferred<false>>(*seed).0);
    }
    let bad: Vec<u64> = (0..40).filter(|seed| !life::<Deferred<true>>(*seed).0).collect();
    assert_eq!(bad, [0_u64; 0]);
}

#[test]
fn a_life_is_its_seed() {
    let hashes: Vec<_> = (0..10).map(|seed| life::<Deferred<true>>(seed).1).collect();
    let again: Vec<_> = (0..10).map(|seed| life::<Deferred<true>>(seed).1).collect();
    assert_eq!(hashes, again);
    assert_eq!(hashes.into_iter().collect::<BTreeSet<_>>().len(), 10);
}

struct Faulting;
impl Miniport for Faulting {
    fn start_io(_extension: u64, _srb: u64) -> bool {
        guest::write(8, &1_u64);
        true
    }
}

struct Crashing;
impl Miniport for Crashing {
    fn start_io(_extension: u64, _srb: u64) -> bool {
        call("KeBugCheckEx", &[0x1234, 0, 0, 0, 0]);
        true
    }
}

#[test]
fn a_crash_ends_its_life_and_no_other() {
    for seed in 0..5 {
        let bench = load::<Faulting>(seed);
        assert_eq!(bench.execute(0x28, 512).srb_status, status::INTERNAL_ERROR);
        assert_eq!(bench.lab.bug_check().expect("a bug check").code, 0x50);
        let (report, violations) = bench.finish();
        assert!(!report.clean);
        assert!(violations.iter().any(|violation| violation.rule == "bug-check"));
        let bench = load::<Crashing>(seed);
        assert_eq!(bench.execute(0x28, 512).srb_status, status::INTERNAL_ERROR);
        assert_eq!(bench.lab.bug_check().expect("a bug check").code, 0x1234);
        drop(bench);
        assert!(life::<Deferred<true>>(seed).0);
    }
}

struct Spinning;
impl Miniport for Spinning {
    fn start_io(_extension: u64, _srb: u64) -> bool {
        loop {
            call("KeGetCurrentIrql", &[]);
        }
    }
}

#[test]
fn a_callback_that_never_returns_is_a_livelock() {
    let bench = load::<Spinning>(1);
    let outcome = bench.execute(0x28, 512);
    assert!(!outcome.is_success());
    let rules: Vec<_> = bench
        .lab
        .violations()
        .iter()
        .map(|violation| violation.rule)
        .collect();
    assert!(rules.contains(&"livelock"), "{rules:?}");
}

/// Does what its addresses tell it: the extension's, the request's, its stack's.
struct Superstitious;
impl Miniport for Superstitious {
    fn start_io(extension: u64, srb: u64) -> bool {
        let mut local = 0_u64;
        let sum = (extension >> 6) ^ (srb >> 4) ^ (out(&mut local) >> 4);
        for _ in 0..sum % 7 {
            call("KeGetCurrentIrql", &[]);
        }
        complete(extension, srb, status::SUCCESS);
        true
    }
}

#[test]
fn a_life_is_the_same_in_another_process_though_it_looks_at_addresses() {
    const CHILD: &str = "PORTLAB_TEST_LIVES";
    const NAME: &str = "a_life_is_the_same_in_another_process_though_it_looks_at_addresses";
    let lives = |seeds: &[u64]| -> Vec<String> {
        let one = |seed: &u64| format!("life {seed} {:x?}", life::<Superstitious>(*seed).1);
        seeds.iter().map(one).collect()
    };
    if let Ok(seeds) = std::env::var(CHILD) {
        let seeds: Vec<u64> = seeds.split(',').filter_map(|seed| seed.parse().ok()).collect();
        println!("\n{}", lives(&seeds).join("\n"));
        return;
    }
    let child = |seeds: &str| -> Vec<String> {
        let output = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args([NAME, "--nocapture"])
            .env(CHILD, seeds)
            .output()
            .expect("another process");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lives = text.lines().filter(|line| line.starts_with("life "));
        lives.map(ToOwned::to_owned).collect()
    };
    let together = child("1,2,3,4");
    assert_eq!(together.len(), 4);
    // Alone, and after other lives.
    assert_eq!(child("3"), together[2..3]);
    assert_eq!(child("4,4,1"), [3, 3, 0].map(|index| together[index].clone()));
}
