//! Every instruction the emulator knows, on random values.

use std::sync::Arc;

use iced_x86::code_asm::{
    CodeAssembler, ah, al, byte_ptr, ch, cl, cx, dh, dl, dword_ptr, dx, eax, ecx, edx, qword_ptr, r8d, r9,
    r9b, r9d, r9w, r10, rax, rbx, rcx, rdx, word_ptr, xmm0, xmm1, xmmword_ptr,
};

use super::{
    super::{Window, prepare_thread},
    machine::{Code, Context, Ram},
};

/// Offset of the operand in memory.
const OPERAND: i32 = 64;
const LENGTH: usize = 256;
const ROUNDS: usize = 40;
/// All arithmetic flags and the direction.
const FLAGS: u64 = 0xcd5;

type Body = Box<dyn Fn(&mut CodeAssembler)>;

/// Runs an instruction whose memory operand is addressed through rbx on memory and on registers.
fn compare(name: &str, body: &Body, random: &mut fastrand::Rng, edit: &dyn Fn(&mut Context, u64)) {
    compare_code(name, &Code::around(|a| body(a)), random, edit);
    // The first access traps and patches the site; the others go through the trampoline.
    let code = Code::around(|a| body(a)).patchable();
    let before = code.bytes();
    compare_code(name, &code, random, edit);
    assert_ne!(code.bytes(), before, "{name} was not patched");
}

fn compare_code(name: &str, code: &Code, random: &mut fastrand::Rng, edit: &dyn Fn(&mut Context, u64)) {
    for round in 0..ROUNDS {
        let bytes: Vec<u8> = std::iter::repeat_with(|| interesting(random))
            .take(LENGTH)
            .collect();
        let mut start = Context {
            general: std::array::from_fn(|_| random.u64(..)),
            // Bit 1 is always set, bit 9 (interrupts) always on in user code.
            flags: random.u64(..) & FLAGS & !0x400 | 0x202,
            vectors: [[random.u64(..), random.u64(..)], [random.u64(..), random.u64(..)]],
        };
        start.general[2] = random.u64(0..16);

        let mut memory = bytes.clone();
        let base = memory.as_mut_ptr().expose_provenance() as u64;
        let mut expected = start;
        expected.general[3] = base;
        edit(&mut expected, base);
        code.run(&mut expected);

        let ram = Arc::new(Ram::new(&bytes));
        let window = Window::map(LENGTH as u64, ram.clone()).unwrap();
        let mut found = start;
        found.general[3] = window.address();
        edit(&mut found, window.address());
        code.run(&mut found);

        assert!(!ram.accesses().is_empty(), "{name}: the device saw nothing");
        // Registers that pointed into memory differ by its place.
        for (index, (value, original)) in found.general.iter_mut().zip(start.general).enumerate() {
            let moved = value.wrapping_sub(window.address());
            if *value != original && moved < 2 * LENGTH as u64 {
                *value = base + moved;
            }
            assert_eq!(
                *value, expected.general[index],
                "{name}, round {round}: register {index}"
            );
        }
        assert_eq!(
            found.flags & FLAGS,
            expected.flags & FLAGS,
            "{name}, round {round}: flags {:#x}",
            start.flags
        );
        assert_eq!(found.vectors, expected.vectors, "{name}, round {round}: vectors");
        assert_eq!(ram.bytes(), memory, "{name}, round {round}: memory");
    }
}

/// Bytes at the edges of the ranges as often as others.
fn interesting(random: &mut fastrand::Rng) -> u8 {
    match random.u8(..8) {
        0 => 0,
        1 => 0xff,
        2 => 0x80,
        3 => 0x7f,
        _ => random.u8(..),
    }
}

fn plain(_: &mut Context, _: u64) {}

macro_rules! cases {
    ($($name:ident($($operand:expr),*)),* $(,)?) => {
        vec![$((
            concat!(stringify!($name), "(", stringify!($($operand),*), ")"),
            Box::new(|a: &mut CodeAssembler| a.$name($($operand),*).unwrap()) as Body,
        )),*]
    };
}

#[test]
fn moves_agree_with_the_processor() {
    prepare_thread().unwrap();
    let cases = cases![
        mov(al, byte_ptr(rbx + OPERAND)),
        mov(ah, byte_ptr(rbx + OPERAND)),
        mov(ch, byte_ptr(rbx + OPERAND)),
        mov(r9b, byte_ptr(rbx + OPERAND)),
        mov(dx, word_ptr(rbx + OPERAND)),
        mov(eax, dword_ptr(rbx + OPERAND)),
        mov(r9d, dword_ptr(rbx + OPERAND)),
        mov(r9, qword_ptr(rbx + OPERAND)),
        mov(rbx, qword_ptr(rbx + OPERAND)),
        mov(eax, dword_ptr(rbx + rdx * 4 + OPERAND)),
        mov(rcx, qword_ptr(rbx + rdx * 8)),
        mov(byte_ptr(rbx + OPERAND), al),
        mov(byte_ptr(rbx + OPERAND), ah),
        mov(byte_ptr(rbx + OPERAND), dh),
        mov(word_ptr(rbx + OPERAND), r9w),
        mov(dword_ptr(rbx + OPERAND), ecx),
        mov(qword_ptr(rbx + OPERAND), r10),
        mov(byte_ptr(rbx + OPERAND), 0x5a),
        mov(word_ptr(rbx + OPERAND), 0x5a5a),
        mov(dword_ptr(rbx + OPERAND), 0x1234_5678),
        mov(qword_ptr(rbx + OPERAND), -5),
        movnti(dword_ptr(rbx + OPERAND), ecx),
        movnti(qword_ptr(rbx + OPERAND), rcx),
        movzx(eax, byte_ptr(rbx + OPERAND)),
        movzx(cx, byte_ptr(rbx + OPERAND)),
        movzx(r9, byte_ptr(rbx + OPERAND)),
        movzx(eax, word_ptr(rbx + OPERAND)),
        movzx(rax, word_ptr(rbx + OPERAND)),
        movsx(eax, byte_ptr(rbx + OPERAND)),
        movsx(cx, byte_ptr(rbx + OPERAND)),
        movsx(rcx, word_ptr(rbx + OPERAND)),
        movsx(ecx, word_ptr(rbx + OPERAND)),
        movsxd(rcx, dword_ptr(rbx + OPERAND)),
        xchg(dword_ptr(rbx + OPERAND), ecx),
        xchg(byte_ptr(rbx + OPERAND), ah),
        xchg(qword_ptr(rbx + OPERAND), rcx),
        movd(xmm0, dword_ptr(rbx + OPERAND)),
        movq(xmm1, qword_ptr(rbx + OPERAND)),
        movups(xmm0, xmmword_ptr(rbx + OPERAND)),
        movdqu(xmm1, xmmword_ptr(rbx + OPERAND)),
        movss(xmm0, dword_ptr(rbx + OPERAND)),
        movsd_2(xmm0, qword_ptr(rbx + OPERAND)),
        movlps(xmm0, qword_ptr(rbx + OPERAND)),
        movd(dword_ptr(rbx + OPERAND), xmm0),
        movq(qword_ptr(rbx + OPERAND), xmm1),
        movups(xmmword_ptr(rbx + OPERAND), xmm0),
        movdqu(xmmword_ptr(rbx + OPERAND), xmm1),
        movss(dword_ptr(rbx + OPERAND), xmm0),
    ];
    let mut random = fastrand::Rng::with_seed(1);
    for (name, body) in cases {
        compare(name, &body, &mut random, &plain);
    }
}

#[test]
fn arithmetic_agrees_with_the_processor() {
    prepare_thread().unwrap();
    macro_rules! both {
        ($($name:ident),*) => {{
            let mut all: Vec<(&str, Body)> = Vec::new();
            $(all.extend(cases![
                $name(byte_ptr(rbx + OPERAND), cl), $name(byte_ptr(rbx + OPERAND), ah), $name(word_ptr(rbx + OPERAND), cx),
                $name(dword_ptr(rbx + OPERAND), ecx), $name(qword_ptr(rbx + OPERAND), rcx),
                $name(byte_ptr(rbx + OPERAND), 0x7f), $name(word_ptr(rbx + OPERAND), 0x1234), $name(dword_ptr(rbx + OPERAND), -3),
                $name(dword_ptr(rbx + OPERAND), 0x1234_5678), $name(qword_ptr(rbx + OPERAND), -3),
            ]);)*
            all
        }};
    }
    macro_rules! loads {
        ($($name:ident),*) => {{
            let mut all: Vec<(&str, Body)> = Vec::new();
            $(all.extend(cases![
                $name(dl, byte_ptr(rbx + OPERAND)), $name(cx, word_ptr(rbx + OPERAND)), $name(r8d, dword_ptr(rbx + OPERAND)),
                $name(rcx, qword_ptr(rbx + OPERAND)), $name(ah, byte_ptr(rbx + OPERAND)),
            ]);)*
            all
        }};
    }
    macro_rules! ones {
        ($($name:ident),*) => {{
            let mut all: Vec<(&str, Body)> = Vec::new();
            $(all.extend(cases![
                $name(byte_ptr(rbx + OPERAND)), $name(word_ptr(rbx + OPERAND)), $name(dword_ptr(rbx + OPERAND)),
                $name(qword_ptr(rbx + OPERAND)),
            ]);)*
            all
        }};
    }
    let mut cases = both!(add, adc, sub, sbb, and, or, xor, cmp, test);
    cases.extend(loads!(add, adc, sub, sbb, and, or, xor, cmp));
    cases.extend(ones!(inc, dec, neg, not));
    cases.extend(cases![
        xadd(dword_ptr(rbx + OPERAND), ecx),
        xadd(byte_ptr(rbx + OPERAND), ah),
        xadd(qword_ptr(rbx + OPERAND), rcx),
        cmpxchg(dword_ptr(rbx + OPERAND), ecx),
        cmpxchg(byte_ptr(rbx + OPERAND), cl),
        cmpxchg(word_ptr(rbx + OPERAND), cx),
        cmpxchg(qword_ptr(rbx + OPERAND), rcx),
        bt(dword_ptr(rbx + OPERAND), 5),
        bts(dword_ptr(rbx + OPERAND), 31),
        btr(qword_ptr(rbx + OPERAND), 63),
        btc(word_ptr(rbx + OPERAND), 15),
        bt(dword_ptr(rbx + OPERAND), edx),
        bts(qword_ptr(rbx + OPERAND), rdx),
        btr(word_ptr(rbx + OPERAND), dx),
        sete(byte_ptr(rbx + OPERAND)),
        setl(byte_ptr(rbx + OPERAND)),
        setbe(byte_ptr(rbx + OPERAND)),
        setg(byte_ptr(rbx + OPERAND)),
        setp(byte_ptr(rbx + OPERAND)),
        seto(byte_ptr(rbx + OPERAND)),
        setns(byte_ptr(rbx + OPERAND)),
        seta(byte_ptr(rbx + OPERAND)),
        cmove(ecx, dword_ptr(rbx + OPERAND)),
        cmovl(rcx, qword_ptr(rbx + OPERAND)),
        cmovb(cx, word_ptr(rbx + OPERAND)),
        cmovge(ecx, dword_ptr(rbx + OPERAND)),
        cmovle(ecx, dword_ptr(rbx + OPERAND)),
        cmovno(ecx, dword_ptr(rbx + OPERAND)),
    ]);
    let mut random = fastrand::Rng::with_seed(2);
    for (name, body) in cases {
        compare(name, &body, &mut random, &plain);
    }
    // The exchange happens when the accumulator is right.
    let body: Body = Box::new(|a| {
        a.mov(eax, dword_ptr(rbx + OPERAND)).unwrap();
        a.lock().cmpxchg(dword_ptr(rbx + OPERAND), ecx).unwrap();
    });
    compare("cmpxchg that succeeds", &body, &mut random, &plain);
    // Negative bit offsets reach words before the operand.
    let body: Body = Box::new(|a| a.bts(dword_ptr(rbx + OPERAND), ecx).unwrap());
    compare("bts with a negative offset", &body, &mut random, &|context, _| {
        context.general[1] = (-70_i64).cast_unsigned();
    });
}

#[test]
fn string_instructions_agree_with_the_processor() {
    prepare_thread().unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let mut check = |name: &str, body: Body, backwards: bool| {
        compare(name, &body, &mut random, &move |context, base| {
            context.general[1] = 5;
            context.general[6] = base + 64;
            context.general[7] = base + 128;
            if backwards {
                context.flags |= 0x400;
            }
        });
    };
    for backwards in [false, true] {
        check("rep movsb", Box::new(|a| a.rep().movsb().unwrap()), backwards);
        check("rep movsw", Box::new(|a| a.rep().movsw().unwrap()), backwards);
        check("rep movsd", Box::new(|a| a.rep().movsd().unwrap()), backwards);
        check("rep movsq", Box::new(|a| a.rep().movsq().unwrap()), backwards);
        check("movsd", Box::new(|a| a.movsd().unwrap()), backwards);
        check("rep stosb", Box::new(|a| a.rep().stosb().unwrap()), backwards);
        check("rep stosq", Box::new(|a| a.rep().stosq().unwrap()), backwards);
        check("stosd", Box::new(|a| a.stosd().unwrap()), backwards);
        check("lodsb", Box::new(|a| a.lodsb().unwrap()), backwards);
        check("lodsd", Box::new(|a| a.lodsd().unwrap()), backwards);
        check("rep lodsq", Box::new(|a| a.rep().lodsq().unwrap()), backwards);
    }
    // From ordinary memory into registers.
    let source: Vec<u8> = (0..64).collect();
    let from = source.as_ptr().expose_provenance() as u64;
    let body: Body = Box::new(|a| a.rep().movsd().unwrap());
    compare(
        "rep movsd from memory",
        &body,
        &mut random,
        &move |context, base| {
            context.general[1] = 7;
            context.general[6] = from;
            context.general[7] = base + 32;
        },
    );
}
