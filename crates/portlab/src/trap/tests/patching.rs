//! Patched sites: what the jump covers still runs as it did, whoever comes along whenever.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use iced_x86::code_asm::{
    CodeAssembler, CodeLabel, dword_ptr, eax, ecx, edx, qword_ptr, r8, r9d, rax, rbx, rcx, rdx, rsi,
};

use super::{
    super::{Mmio, Window, original_address, prepare_thread, statistics},
    machine::{Access, Code, Context, Ram},
};
use crate::device::Width;

fn context(base: u64) -> Context {
    let mut context = Context {
        general: [0; 16],
        flags: 0x202,
        vectors: [[0; 2]; 2],
    };
    context.general[3] = base;
    context
}

/// Counts, and answers reads with the count.
#[derive(Default)]
struct Counter(AtomicU64);

impl Mmio for Counter {
    fn read(&self, _: u64, _: Width) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn write(&self, _: u64, _: Width, _: u64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn neighbouring_accesses_are_all_patched() {
    prepare_thread().unwrap();
    let code = Code::around(|a| {
        a.mov(eax, dword_ptr(rbx)).unwrap();
        a.mov(ecx, dword_ptr(rbx + 4)).unwrap();
        a.mov(edx, dword_ptr(rbx + 8)).unwrap();
        a.mov(dword_ptr(rbx), edx).unwrap();
        a.mov(dword_ptr(rbx + 4), ecx).unwrap();
        a.mov(dword_ptr(rbx + 8), eax).unwrap();
    })
    .patchable();
    let ram = Arc::new(Ram::new(&[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]));
    let window = Window::map(12, ram.clone()).unwrap();
    for round in 0..4 {
        let mut registers = context(window.address());
        code.run(&mut registers);
        let (a, c) = if round % 2 == 0 { (1, 3) } else { (3, 1) };
        assert_eq!(registers.general[..3], [a, 2, c], "round {round}");
        let writes = [
            Access::Write(0, Width::Dword, c),
            Access::Write(4, Width::Dword, 2),
            Access::Write(8, Width::Dword, a),
        ];
        assert_eq!(ram.accesses()[3..], writes, "round {round}");
    }
    // The first round trapped at each; by now none does, though some sites lie within others' jumps.
    let traps = own_traps(|| code.run(&mut context(window.address())));
    assert_eq!(traps, 0);
}

/// Traps of the whole process during `what`, at their fewest: other tests trap as well.
fn own_traps(what: impl Fn()) -> u64 {
    let once = || {
        let before = statistics();
        what();
        let after = statistics();
        after.traps + after.interior_traps - before.traps - before.interior_traps
    };
    (0..50).map(|_| once()).min().unwrap_or(0)
}

#[test]
fn a_branch_into_a_covered_instruction_arrives() {
    prepare_thread().unwrap();
    // Adds one to r8 in each turn; the loop's head is the instruction right behind the access.
    let code = Code::around(|a| {
        let mut head: CodeLabel = a.create_label();
        a.mov(eax, dword_ptr(rbx)).unwrap();
        a.set_label(&mut head).unwrap();
        a.inc(r8).unwrap();
        a.dec(rcx).unwrap();
        a.jne(head).unwrap();
    })
    .patchable();
    let window = Window::map(64, Arc::new(Counter(AtomicU64::new(7)))).unwrap();
    for round in 0..3 {
        let mut registers = context(window.address());
        registers.general[1] = 10;
        code.run(&mut registers);
        assert_eq!((registers.general[0], registers.general[8]), (7 + round, 10));
    }
    assert!(statistics().interior_traps >= 18);
}

#[test]
fn a_polling_loop_runs_without_traps() {
    prepare_thread().unwrap();
    // mov, test and jump are six bytes together: the jump back is covered and must reach the patched site.
    let code = Code::around(|a| {
        let mut head: CodeLabel = a.create_label();
        a.set_label(&mut head).unwrap();
        a.mov(eax, dword_ptr(rbx)).unwrap();
        a.test(eax, 0x3f).unwrap();
        a.jne(head).unwrap();
        a.mov(ecx, eax).unwrap();
    })
    .patchable();
    let window = Window::map(64, Arc::new(Counter(AtomicU64::new(1)))).unwrap();
    code.run(&mut context(window.address()));
    let traps = own_traps(|| {
        let mut registers = context(window.address());
        code.run(&mut registers);
        assert_eq!(registers.general[0] % 64, 0);
        assert_eq!(registers.general[0], registers.general[1]);
    });
    assert_eq!(traps, 0);
}

#[test]
fn a_patched_site_still_reaches_ordinary_memory() {
    prepare_thread().unwrap();
    let code = Code::around(|a| {
        a.mov(eax, dword_ptr(rbx)).unwrap();
        a.add(eax, 1).unwrap();
        a.mov(dword_ptr(rbx + 4), eax).unwrap();
    })
    .patchable();
    let window = Window::map(64, Arc::new(Ram::new(&[5; 64]))).unwrap();
    for _ in 0..2 {
        code.run(&mut context(window.address()));
    }
    let before = statistics().plain_accesses;
    let mut memory = [41_u32, 0];
    code.run(&mut context(memory.as_mut_ptr().expose_provenance() as u64));
    assert_eq!(memory, [41, 42]);
    assert!(statistics().plain_accesses >= before + 2);
}

#[test]
fn sites_can_be_patched_under_threads_that_run_them() {
    const THREADS: u64 = 4;
    const TURNS: u64 = 300;
    for _ in 0..60 {
        // Short instructions all around: whoever is interrupted stands at a covered beginning.
        let code = Code::around(|a: &mut CodeAssembler| {
            let mut head: CodeLabel = a.create_label();
            a.set_label(&mut head).unwrap();
            a.inc(r8).unwrap();
            a.mov(dword_ptr(rbx), ecx).unwrap();
            a.inc(rsi).unwrap();
            a.mov(eax, dword_ptr(rbx)).unwrap();
            a.push(rdx).unwrap();
            a.pop(rdx).unwrap();
            a.inc(rdx).unwrap();
            a.dec(rcx).unwrap();
            a.jne(head).unwrap();
            a.mov(r9d, 77).unwrap();
        })
        .patchable();
        let counter = Arc::new(Counter::default());
        let window = Window::map(64, counter.clone()).unwrap();
        let base = window.address();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    prepare_thread().unwrap();
                    let mut registers = context(base);
                    registers.general[1] = TURNS;
                    code.run(&mut registers);
                    let found = [1, 2, 6, 8, 9].map(|register: usize| registers.general[register]);
                    assert_eq!(found, [0, TURNS, TURNS, TURNS, 77]);
                });
            }
        });
        assert_eq!(counter.0.load(Ordering::Relaxed), THREADS * TURNS * 2);
    }
}

#[test]
fn addresses_in_trampolines_lead_back_to_the_driver() {
    prepare_thread().unwrap();
    let code = Code::around(|a| {
        a.mov(rax, qword_ptr(rbx)).unwrap();
        a.mov(rcx, qword_ptr(rbx + 8)).unwrap();
    })
    .patchable();
    let before = code.bytes();
    let window = Window::map(64, Arc::new(Counter::default())).unwrap();
    code.run(&mut context(window.address()));
    let after = code.bytes();
    let site = before.iter().zip(&after).position(|(a, b)| a != b).unwrap();
    assert_eq!(after[site], 0xe9);
    let address = code.address() + site as u64;
    assert_eq!(original_address(address), address);
    let distance = i32::from_le_bytes(after[site + 1..site + 5].try_into().unwrap());
    let pad = (address + 5).wrapping_add_signed(distance.into());
    // The pad jumps on to the trampoline: jmp [rip + 0], address.
    let mut bytes = [0; 14];
    assert_eq!(super::super::read_own_memory(pad, &mut bytes), 14);
    let trampoline = u64::from_le_bytes(bytes[6..].try_into().unwrap());
    assert_eq!(original_address(trampoline), address);
    // Behind the entry and the copy of the first access (three bytes) is the copy of the second.
    assert_eq!(original_address(trampoline + 32), address);
    assert_eq!(original_address(trampoline + 35), address + 3);
}

#[test]
fn wide_vectors_survive_an_access() {
    use iced_x86::code_asm::{ymm0, ymm15, ymmword_ptr};
    if !is_x86_feature_detected!("avx") {
        return;
    }
    prepare_thread().unwrap();
    let values: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
    let mut found = [0_u64; 8];
    let code = Code::around(|a| {
        a.vmovups(ymm0, ymmword_ptr(rsi)).unwrap();
        a.vmovups(ymm15, ymmword_ptr(rsi + 32)).unwrap();
        a.mov(eax, dword_ptr(rbx)).unwrap();
        a.vmovups(ymmword_ptr(rdx), ymm0).unwrap();
        a.vmovups(ymmword_ptr(rdx + 32), ymm15).unwrap();
        a.vzeroupper().unwrap();
    })
    .patchable();
    let window = Window::map(64, Arc::new(Ram::new(&[9; 64]))).unwrap();
    for _ in 0..3 {
        let mut registers = context(window.address());
        registers.general[6] = values.as_ptr().expose_provenance() as u64;
        registers.general[2] = found.as_mut_ptr().expose_provenance() as u64;
        code.run(&mut registers);
        assert_eq!(found, values);
        found = [0; 8];
    }
}

/// Prints the cost of an access; run by hand with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn cost_of_an_access() {
    const TURNS: u64 = 100_000;
    prepare_thread().unwrap();
    let window = Window::map(64, Arc::new(Counter::default())).unwrap();
    for patched in [false, true] {
        let code = Code::around(|a| {
            let mut head: CodeLabel = a.create_label();
            a.set_label(&mut head).unwrap();
            a.mov(eax, dword_ptr(rbx)).unwrap();
            a.dec(rcx).unwrap();
            a.jne(head).unwrap();
        });
        let code = if patched { code.patchable() } else { code };
        let mut registers = context(window.address());
        registers.general[1] = TURNS;
        let start = Instant::now();
        code.run(&mut registers);
        println!(
            "patched: {patched}, {} ns per access",
            start.elapsed().as_nanos() / u128::from(TURNS)
        );
    }
}
