//! What goes on in a driver's own code, between its calls: the deterministic engine comes between there too.

use std::{
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use iced_x86::code_asm::{
    CodeAssembler, byte_ptr, cr8, dword_ptr, eax, edx, qword_ptr, rax, rbx, rcx, rdx, rsi,
};

use super::bench::{Bench, Dummy, Miniport, word};
use crate::{
    abi::{entry::Routine, guest},
    device::Device,
    model::{EngineKind, Lab, LabOptions, Outcome, Preemption, driver},
    pe::tests::builder::{Builder, DATA_ADDRESS, TEXT_ADDRESS},
    trap::{self, tests::machine::Code},
};

/// Where the word is that the code works on.
const WORD: u64 = 10;
const REQUESTS: u32 = 16;

/// Machine code of a driver: a function of one argument, in RCX. `sites` says which instructions are points.
struct Routines {
    code: Code,
}

impl Routines {
    fn new(sites: bool, write: impl FnOnce(&mut CodeAssembler)) -> Self {
        let mut assembler = CodeAssembler::new(64).expect("an assembler");
        write(&mut assembler);
        let code = Code::new(&assembler.assemble(0x10_0000).expect("code")).patchable();
        if sites {
            let addresses: Vec<u64> = crate::pe::sites_of(&code.bytes())
                .into_iter()
                .map(|offset| code.address() + u64::from(offset))
                .collect();
            assert!(!addresses.is_empty());
            trap::prepare_thread().expect("a thread");
            assert_eq!(trap::patch_sites(&addresses), 0);
        }
        Self { code }
    }

    fn call(&self, argument: u64) -> u64 {
        Routine::new(self.code.address())
            .expect("an address")
            .call(&[argument])
    }
}

fn load<M: Miniport>(seed: u64, preemption: Preemption) -> Bench {
    let bench = Bench::load_with::<M>(|options| {
        options.engine = EngineKind::Deterministic;
        options.seed = seed;
        options.preemption = preemption;
    });
    bench.try_start().expect("a start");
    bench
}

/// Sends requests on both processors; whether all ended well.
fn requests(bench: &Bench) -> bool {
    let (ended, good) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    for index in 0..REQUESTS {
        let mut request = bench.command(0x28, 512);
        request.processor = index % 2;
        let (ended, good) = (Arc::clone(&ended), Arc::clone(&good));
        let done = move |outcome: Outcome| {
            ended.fetch_add(1, Ordering::SeqCst);
            good.fetch_add(u32::from(outcome.is_success()), Ordering::SeqCst);
        };
        bench.lab.submit(request, Box::new(done));
    }
    let all = &mut || ended.load(Ordering::SeqCst) == REQUESTS;
    bench.lab.wait_until(Duration::from_mins(1), all) && good.load(Ordering::SeqCst) == REQUESTS
}

thread_local! {
    static EXTENSION: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Adds one to a word four times in each request, by loads and stores: nothing keeps the processors apart.
struct Racing;
impl Miniport for Racing {
    fn build_io(extension: u64, _srb: u64) -> bool {
        static CODE: OnceLock<Routines> = OnceLock::new();
        let code = CODE.get_or_init(|| {
            Routines::new(false, |a| {
                for _ in 0..4 {
                    a.mov(rax, qword_ptr(rcx)).unwrap();
                    a.add(rax, 1).unwrap();
                    a.mov(qword_ptr(rcx), rax).unwrap();
                }
                a.ret().unwrap();
            })
        });
        code.call(word(extension, WORD));
        EXTENSION.set(extension);
        true
    }
}

/// Whether an update was lost, and the life's hash.
fn racing(seed: u64, preemption: Preemption) -> (bool, (u64, u64)) {
    let bench = load::<Racing>(seed, preemption);
    assert!(requests(&bench));
    let sum: u64 = guest::read(word(EXTENSION.get(), WORD));
    (
        sum != 4 * u64::from(REQUESTS),
        bench.lab.event_hash().expect("a book"),
    )
}

#[test]
fn a_race_between_two_plain_accesses_is_found_by_preemption_between_instructions_only() {
    let lost = |preemption| {
        (0..80)
            .filter(|seed| racing(*seed, preemption).0)
            .collect::<Vec<u64>>()
    };
    assert_eq!(lost(Preemption::AtPoints), [0_u64; 0]);
    let found = lost(Preemption::BySeed);
    assert!((1..80).contains(&found.len()), "{found:?}");
    // And found again.
    for seed in found.into_iter().take(3) {
        assert_eq!(racing(seed, Preemption::BySeed), racing(seed, Preemption::BySeed));
    }
}

/// The first request waits, in its own code, for the second; by `pause`, or by loads alone.
struct Waiting<const PAUSES: bool>;
impl<const PAUSES: bool> Miniport for Waiting<PAUSES> {
    fn build_io(extension: u64, _srb: u64) -> bool {
        static CODE: OnceLock<[Routines; 2]> = OnceLock::new();
        let code = CODE.get_or_init(|| {
            [false, true].map(|pauses| {
                Routines::new(true, |a| {
                    let mut again = a.create_label();
                    a.set_label(&mut again).unwrap();
                    if pauses {
                        a.pause().unwrap();
                    }
                    a.cmp(dword_ptr(rcx), 2).unwrap();
                    a.jb(again).unwrap();
                    a.ret().unwrap();
                })
            })
        });
        let address = word(extension, WORD);
        let before: u64 = guest::read(address);
        guest::write(address, &(before + 1));
        code[usize::from(PAUSES)].call(address);
        true
    }
}

#[test]
fn who_spins_on_memory_lets_the_others_go_on() {
    for seed in 0..20 {
        assert!(
            requests(&load::<Waiting<true>>(seed, Preemption::AtPoints)),
            "{seed}"
        );
        assert!(
            requests(&load::<Waiting<false>>(seed, Preemption::AtPoints)),
            "{seed}"
        );
    }
}

/// Spins for ever; on memory, or over nothing at all.
struct Endless<const LOADS: bool>;
impl<const LOADS: bool> Miniport for Endless<LOADS> {
    fn start_io(extension: u64, _srb: u64) -> bool {
        static CODE: OnceLock<[Routines; 2]> = OnceLock::new();
        let code = CODE.get_or_init(|| {
            [false, true].map(|loads| {
                Routines::new(loads, |a| {
                    let mut again = a.create_label();
                    a.set_label(&mut again).unwrap();
                    if loads {
                        a.cmp(byte_ptr(rcx), 0).unwrap();
                        a.je(again).unwrap();
                        a.ret().unwrap();
                    } else {
                        a.inc(rax).unwrap();
                        a.jmp(again).unwrap();
                    }
                })
            })
        });
        code[usize::from(LOADS)].call(word(extension, WORD));
        true
    }
}

/// The rules broken by a request that never ends.
fn endless<M: Miniport>() -> Vec<&'static str> {
    let bench = load::<M>(1, Preemption::AtPoints);
    assert!(!bench.execute(0x28, 512).is_success());
    let violations = bench.lab.violations();
    violations.iter().map(|violation| violation.rule).collect()
}

#[test]
fn a_spin_that_never_ends_is_a_livelock() {
    assert!(endless::<Endless<true>>().contains(&"livelock"));
}

#[test]
fn code_that_comes_to_no_point_is_a_livelock() {
    assert!(endless::<Endless<false>>().contains(&"livelock"));
}

/// As [`Endless`], while a timer of its own fires again and again.
struct Ticking;
impl Miniport for Ticking {
    fn start_io(extension: u64, srb: u64) -> bool {
        super::bench::notify(
            crate::abi::codes::notification::REQUEST_TIMER_CALL,
            extension,
            &[(tick as *const ()).expose_provenance() as u64, 10],
        );
        Endless::<true>::start_io(extension, srb)
    }
}

extern "win64" fn tick(extension: u64) -> u64 {
    super::bench::notify(
        crate::abi::codes::notification::REQUEST_TIMER_CALL,
        extension,
        &[(tick as *const ()).expose_provenance() as u64, 10],
    );
    0
}

#[test]
fn a_livelock_is_one_though_timers_fire() {
    assert!(endless::<Ticking>().contains(&"livelock"));
}

/// Asks the processor whatever it can.
struct Asking;
impl Miniport for Asking {
    fn start_io(extension: u64, srb: u64) -> bool {
        static CODE: OnceLock<Routines> = OnceLock::new();
        let code = CODE.get_or_init(|| {
            Routines::new(true, |a| {
                a.push(rbx).unwrap();
                a.push(rsi).unwrap();
                a.mov(rsi, rcx).unwrap();
                a.rdtsc().unwrap();
                a.mov(dword_ptr(rsi), eax).unwrap();
                a.mov(dword_ptr(rsi + 4), edx).unwrap();
                a.rdrand(rax).unwrap();
                a.mov(qword_ptr(rsi + 8), rax).unwrap();
                a.mov(rdx, cr8).unwrap();
                a.mov(qword_ptr(rsi + 16), rdx).unwrap();
                a.mov(eax, 5).unwrap();
                a.mov(cr8, rax).unwrap();
                a.mov(rax, cr8).unwrap();
                a.mov(qword_ptr(rsi + 24), rax).unwrap();
                a.mov(cr8, rdx).unwrap();
                a.pop(rsi).unwrap();
                a.pop(rbx).unwrap();
                a.ret().unwrap();
            })
        });
        code.call(word(extension, WORD));
        EXTENSION.set(extension);
        super::bench::complete(extension, srb, crate::abi::srb::status::SUCCESS);
        true
    }
}

#[test]
fn what_the_processor_says_is_the_lifes_own() {
    let answers = |seed| {
        let bench = load::<Asking>(seed, Preemption::AtPoints);
        assert!(bench.execute(0x28, 512).is_success());
        let words: [u64; 4] =
            std::array::from_fn(|index| guest::read(word(EXTENSION.get(), WORD + index as u64)));
        assert_eq!(words[2..], [2, 5]);
        assert_eq!(bench.broken(), [""; 0]);
        words
    };
    assert_eq!(answers(3), answers(3));
    assert_ne!(answers(3)[1], answers(4)[1]);
    // Half a nanosecond each, since the machine was switched on: no host is that young.
    assert!(answers(3)[0] < 2_000_000_000);
}

#[test]
fn a_livelock_is_told_with_its_place_in_the_image() {
    let mut assembler = CodeAssembler::new(64).expect("an assembler");
    let mut again = assembler.create_label();
    assembler.set_label(&mut again).unwrap();
    // cmp dword ptr [.data], 0
    assembler.db(&[0x83, 0x3d]).unwrap();
    assembler
        .db(&(DATA_ADDRESS - TEXT_ADDRESS - 7 + 16).to_le_bytes())
        .unwrap();
    assembler.db(&[0]).unwrap();
    assembler.je(again).unwrap();
    assembler.ret().unwrap();
    let text = assembler.assemble(0).expect("code");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("spin.sys");
    std::fs::write(&path, Builder::driver(&text).build()).expect("a file");
    let mut options = LabOptions::new(path.clone(), Dummy::new() as Arc<dyn Device>);
    options.engine = EngineKind::Deterministic;
    let lab = Lab::build(options).expect("a machine");
    driver::load(&lab.machine, Path::new(&path)).expect("an image");
    let entry = lab
        .machine
        .image
        .get()
        .and_then(|loaded| driver::entry(&loaded.image));
    assert!(lab.driver_entry(entry).is_err());
    let violations = lab.violations();
    let livelock = violations
        .iter()
        .find(|violation| violation.rule == "livelock")
        .expect("a livelock");
    assert!(livelock.detail.contains("spin.sys+0x1007"), "{}", livelock.detail);
    assert!(!livelock.backtrace.is_empty());
}

/// Reads its stack where it never wrote.
struct Uninitialised;
impl Miniport for Uninitialised {
    fn start_io(extension: u64, srb: u64) -> bool {
        static CODE: OnceLock<Routines> = OnceLock::new();
        let code = CODE.get_or_init(|| {
            Routines::new(false, |a| {
                a.mov(rax, qword_ptr(iced_x86::code_asm::rsp - 0xc000)).unwrap();
                a.ret().unwrap();
            })
        });
        guest::write(word(extension, WORD), &code.call(0));
        EXTENSION.set(extension);
        super::bench::complete(extension, srb, crate::abi::srb::status::SUCCESS);
        true
    }
}

#[test]
fn stacks_hold_the_lifes_own_pattern() {
    let read = |seed| {
        let bench = load::<Uninitialised>(seed, Preemption::AtPoints);
        assert!(bench.execute(0x28, 512).is_success());
        guest::read::<u64>(word(EXTENSION.get(), WORD))
    };
    assert_ne!(read(1), 0);
    assert_eq!(read(1), read(1));
    assert_ne!(read(1), read(2));
}
