//! What is no register access becomes a fault with the right words; each in a process of its own.

use std::{process::Command, sync::Arc};

use iced_x86::code_asm::{
    CodeAssembler, cr0, cr8, dword_ptr, eax, ecx, qword_ptr, r9, rax, rbx, rcx, rdx, tbyte_ptr,
};

use super::{
    super::{Window, prepare_thread, set_current_irql, set_current_processor, set_fault_hook},
    machine::{Code, Context, Ram},
};

const CHILD: &str = "PORTLAB_TEST_FAULT";
/// Nothing is ever mapped there.
const NOWHERE: u64 = 0x1234_5678_9000;

/// The fault that a case of [`a_fault_is_described`] ends in.
fn fault_of(case: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["a_fault_is_described", "--nocapture"])
        .env(CHILD, case)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(17), "{case}: {text}");
    text.lines()
        .find_map(|line| line.strip_prefix("fault: "))
        .unwrap_or_default()
        .to_owned()
}

fn context(base: u64) -> Context {
    let mut context = Context {
        general: [0; 16],
        flags: 0x202,
        vectors: [[0; 2]; 2],
    };
    context.general[3] = base;
    context
}

/// Runs in the child.
fn provoke(case: &str) {
    set_fault_hook(|fault| {
        println!("fault: {fault}");
        std::process::exit(17)
    });
    prepare_thread().unwrap();
    let window = Window::map(64, Arc::new(Ram::new(&[0; 64]))).unwrap();
    let base = window.address();
    let read_only = CHILD.as_ptr() as u64;
    let run = |base: u64, body: fn(&mut CodeAssembler)| Code::around(body).run(&mut context(base));
    match case {
        "null" => run(0, |a| a.mov(eax, dword_ptr(rbx + 8)).unwrap()),
        "unmapped" => run(NOWHERE, |a| a.mov(dword_ptr(rbx), ecx).unwrap()),
        "read-only" => run(read_only, |a| a.mov(dword_ptr(rbx), ecx).unwrap()),
        "canonical" => run(1 << 60, |a| a.mov(eax, dword_ptr(rbx)).unwrap()),
        "jump" => run(NOWHERE, |a| a.call(rbx).unwrap()),
        "no instruction" => run(0, |a| a.ud2().unwrap()),
        "privileged" => run(0, |a| a.mov(rax, cr0).unwrap()),
        "halt" => run(0, |a| a.hlt().unwrap()),
        "breakpoint" => run(0, |a| a.int3().unwrap()),
        "division" => run(0, |a| a.div(rcx).unwrap()),
        "beyond" => run(base, |a| a.mov(eax, dword_ptr(rbx + 62)).unwrap()),
        "behind" => run(base, |a| a.mov(eax, dword_ptr(rbx + 64)).unwrap()),
        "before" => run(base, |a| a.mov(eax, dword_ptr(rbx - 2)).unwrap()),
        "unknown" => run(base, |a| a.fld(tbyte_ptr(rbx)).unwrap()),
        "string" => {
            let code = Code::around(|a| a.rep().movsd().unwrap());
            let mut context = context(0);
            (context.general[1], context.general[6], context.general[7]) = (4, base, NOWHERE);
            code.run(&mut context);
        }
        "stack" => run(0, |a| {
            let mut head = a.create_label();
            a.set_label(&mut head).unwrap();
            a.push(rcx).unwrap();
            a.jmp(head).unwrap();
        }),
        other => panic!("no such case: {other}"),
    }
    unreachable!("the hook does not return");
}

#[test]
fn a_fault_is_described() {
    if let Ok(case) = std::env::var(CHILD) {
        return provoke(&case);
    }
    let expected = [
        ("null", "read from 0x8: null pointer, by code at 0x"),
        (
            "unmapped",
            "write to 0x123456789000: nothing is mapped there, by code at",
        ),
        ("read-only", ": the memory does not allow it, by code at"),
        ("canonical", "fault: general protection"),
        ("jump", "jump to 0x123456789000: nothing is mapped there"),
        ("no instruction", "fault: illegal instruction"),
        ("privileged", "fault: privileged instruction"),
        ("halt", "fault: privileged instruction"),
        ("breakpoint", "fault: breakpoint"),
        ("division", "fault: division error"),
        ("beyond", "4 bytes reach beyond the end of the registers"),
        ("behind", ": beyond the end of the device's registers"),
        ("before", ": beyond the end of the device's registers"),
        ("unknown", "the lab cannot emulate this instruction on a register"),
        ("string", "write to 0x123456789000: nothing is mapped there"),
        ("stack", ": stack overflow"),
    ];
    for (case, words) in expected {
        let text = fault_of(case);
        assert!(text.contains(words), "{case}: {text}");
    }
}

#[test]
fn a_fault_names_the_drivers_own_instruction() {
    assert!(
        fault_of("null").ends_with("`mov eax, [rbx+8]`"),
        "{}",
        fault_of("null")
    );
    assert!(
        fault_of("unknown").ends_with("`fld st, tbyte ptr [rbx]`"),
        "{}",
        fault_of("unknown")
    );
    // The emulator made the access, the driver's instruction is named.
    assert!(
        fault_of("string").contains("`rep movsd"),
        "{}",
        fault_of("string")
    );
}

#[test]
fn the_gs_block_answers_inline_kernel_functions() {
    prepare_thread().unwrap();
    set_current_processor(5);
    set_current_irql(2);
    let code = Code::around(|a| {
        a.mov(eax, dword_ptr(0x1a4).gs()).unwrap();
        a.mov(rcx, cr8).unwrap();
        a.mov(rdx, qword_ptr(0x18).gs()).unwrap();
        a.mov(rdx, qword_ptr(rdx + 0x18)).unwrap();
        a.mov(r9, qword_ptr(0x188).gs()).unwrap();
    });
    let mut registers = context(0);
    code.run(&mut registers);
    assert_eq!(registers.general[..2], [5, 2]);
    // The self pointer points to itself, the current thread is some object.
    assert_ne!(registers.general[2], 0);
    assert_ne!(registers.general[9], 0);
    // KeRaiseIrql is as inline.
    let code = Code::around(|a| {
        a.mov(rax, 5_u64).unwrap();
        a.mov(cr8, rax).unwrap();
        a.mov(rcx, cr8).unwrap();
    });
    code.run(&mut registers);
    assert_eq!((registers.general[1], super::super::current_irql()), (5, 5));
    set_current_irql(0);
}
