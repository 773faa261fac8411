//! Points in the driver's code: the code does not notice them.

use std::cell::RefCell;

use iced_x86::code_asm::{
    CodeAssembler, dword_ptr, eax, ecx, edx, qword_ptr, r8, r9, r10, rax, rbx, rcx, rdx, rsi, xmm0, xmm1,
};

use super::{
    super::{Hooks, Point, hooks, interrupted, patch_sites, preempt, prepare_thread},
    machine::{Code, Context},
};

thread_local! {
    /// The points that came, and how many steps to ask for at each.
    static SEEN: RefCell<(Vec<(Point, u64)>, u32)> = const { RefCell::new((Vec::new(), 0)) };
}

fn seen(point: Point) -> u32 {
    let address = interrupted().map_or(0, |registers| registers.rip);
    // What the lab's code may do to registers.
    std::hint::black_box([1.5_f64; 64].iter().sum::<f64>());
    SEEN.with_borrow_mut(|(points, steps)| {
        points.push((point, address));
        *steps
    })
}

/// Runs with the hooks of this file; the points that came, as offsets into the code.
fn points(steps: u32, code: &Code, run: impl FnOnce()) -> Vec<(Point, u64)> {
    prepare_thread().unwrap();
    hooks::OWN.set(Some(Hooks {
        point: seen,
        time_stamp: || 0x1_2345_6789,
        random: || 0xfeed_f00d_cafe,
        set_irql: super::super::set_current_irql,
    }));
    SEEN.with_borrow_mut(|seen| *seen = (Vec::new(), steps));
    run();
    hooks::OWN.set(None);
    let (points, _) = SEEN.take();
    let offset = |(point, address): (Point, u64)| (point, address.wrapping_sub(code.address()));
    points.into_iter().map(offset).collect()
}

fn context(base: u64) -> Context {
    let mut context = Context {
        general: std::array::from_fn(|index| 0x1111 * (index as u64 + 1)),
        flags: 0x202 | 0x8d5,
        vectors: [[3, 4], [5, 6]],
    };
    context.general[3] = base;
    context.general[1] = 5;
    context
}

/// Atomics, some so near to each other that no jump fits between them, and a loop over them.
fn atomics(a: &mut CodeAssembler) {
    let mut again = a.create_label();
    a.set_label(&mut again).unwrap();
    a.lock().xadd(dword_ptr(rbx), ecx).unwrap();
    a.pause().unwrap();
    a.lock().inc(dword_ptr(rbx + 4)).unwrap();
    a.xchg(qword_ptr(rbx + 8), rdx).unwrap();
    a.movq(xmm0, rdx).unwrap();
    a.paddq(xmm1, xmm0).unwrap();
    a.lock().cmpxchg(qword_ptr(rbx + 16), r8).unwrap();
    a.dec(r9).unwrap();
    a.test(r9, 3).unwrap();
    a.jne(again).unwrap();
    a.adc(r10, 0).unwrap();
    a.lea(rsi, qword_ptr(rbx + 64)).unwrap();
}

/// The addresses of what interlocks in some code.
fn sites(code: &Code) -> Vec<u64> {
    let bytes = code.bytes();
    let mut decoder = iced_x86::Decoder::with_ip(64, &bytes, code.address(), iced_x86::DecoderOptions::NONE);
    let mut sites = Vec::new();
    for instruction in &mut decoder {
        if instruction.mnemonic() == iced_x86::Mnemonic::Ret {
            break;
        }
        if super::super::is_interlocked(&instruction) || super::super::asks_processor(&instruction) {
            sites.push(instruction.ip());
        }
    }
    sites
}

#[test]
fn every_atomic_is_a_point_and_the_code_does_not_notice() {
    let run = |patched: bool| {
        let code = Code::around(atomics).patchable();
        let sites = sites(&code);
        assert_eq!(sites.len(), 5);
        if patched {
            assert_eq!(patch_sites(&sites), 0);
        }
        let mut memory = [7_u64; 16];
        let mut context = context(memory.as_mut_ptr().expose_provenance() as u64);
        let points = points(0, &code, || code.run(&mut context));
        // Where its memory lies is the run's own.
        for register in [3, 6] {
            context.general[register] = context.general[register].wrapping_sub(memory.as_ptr() as u64);
        }
        let sites: Vec<u64> = sites.iter().map(|site| site - code.address()).collect();
        (memory, context, points, sites)
    };
    let (memory, context, points, _) = run(false);
    assert_eq!(points, []);
    let patched = run(true);
    assert_eq!((patched.0, patched.1), (memory, context));
    let turns = patched.2.len() / 5;
    assert!(turns >= 1);
    let expected: Vec<_> = (0..turns)
        .flat_map(|_| patched.3.iter().map(|site| (Point::Site, *site)))
        .collect();
    assert_eq!(patched.2, expected);
}

#[test]
fn a_point_comes_between_any_two_instructions_and_the_code_does_not_notice() {
    let run = |steps: u32| {
        let code = Code::around(atomics).patchable();
        let mut memory = [7_u64; 16];
        let mut context = context(memory.as_mut_ptr().expose_provenance() as u64);
        // popfq of the code around would end the stepping.
        context.flags |= u64::from(steps != 0) << 8;
        let points = points(steps, &code, || {
            preempt::begin(steps);
            code.run(&mut context);
            preempt::end();
        });
        context.flags &= !(1 << 8);
        for register in [3, 6] {
            context.general[register] = context.general[register].wrapping_sub(memory.as_ptr() as u64);
        }
        (memory, context, points)
    };
    let plain = run(0);
    let each = run(1);
    assert_eq!((each.0, each.1), (plain.0, plain.1));
    let places: std::collections::BTreeSet<u64> = each.2.iter().map(|(_, place)| *place).collect();
    assert!(places.len() > 30 && each.2.iter().all(|(point, _)| *point == Point::Stepped));
    let seventh = run(7);
    assert_eq!((seventh.0, seventh.1), (plain.0, plain.1));
    assert_eq!(seventh.2.len(), each.2.len() / 7);
}

#[test]
fn the_processor_answers_the_same_everywhere() {
    let code = Code::around(|a| {
        a.rdtsc().unwrap();
        a.mov(dword_ptr(rbx), eax).unwrap();
        a.mov(dword_ptr(rbx + 4), edx).unwrap();
        a.rdrand(rax).unwrap();
        a.mov(qword_ptr(rbx + 8), rax).unwrap();
        a.setc(iced_x86::code_asm::byte_ptr(rbx + 16)).unwrap();
        a.mov(r8, rbx).unwrap();
        a.xor(eax, eax).unwrap();
        a.cpuid().unwrap();
        a.xchg(rbx, r8).unwrap();
        a.mov(qword_ptr(rbx + 24), r8).unwrap();
        a.mov(rcx, iced_x86::code_asm::cr8).unwrap();
        a.mov(eax, 7).unwrap();
        a.mov(iced_x86::code_asm::cr8, rax).unwrap();
        a.mov(rax, iced_x86::code_asm::cr8).unwrap();
        a.mov(iced_x86::code_asm::cr8, rcx).unwrap();
        a.mov(qword_ptr(rbx + 32), rax).unwrap();
    })
    .patchable();
    // CR8 is answered without a patch too: the processor refuses it.
    for patched in [false, true] {
        let sites = sites(&code);
        assert_eq!(sites.len(), 7);
        if patched {
            assert_eq!(patch_sites(&sites), 0);
        }
        let mut memory = [0_u64; 8];
        let mut context = context(memory.as_mut_ptr().expose_provenance() as u64);
        points(0, &code, || code.run(&mut context));
        assert_eq!(memory[4], 7);
        assert_eq!(super::super::current_irql(), 0);
        if patched {
            assert_eq!(memory[0], 0x1_2345_6789);
            assert_eq!((memory[1], memory[2]), (0xfeed_f00d_cafe, 1));
            assert_eq!(memory[3], 0x756e_6547);
        }
    }
}
