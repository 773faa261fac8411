//! The count of instructions is exact.

use std::sync::Arc;

use iced_x86::code_asm::{CodeAssembler, dword_ptr, eax, ecx, rax, rbx, rcx, rdi, rsi};

use super::{
    super::{
        Window, accesses_of_this_thread, prepare_thread,
        step::{self, Profile},
    },
    machine::{Code, Context, Ram},
};

fn context() -> Context {
    Context {
        general: [0; 16],
        flags: 0x202,
        vectors: [[0; 2]; 2],
    }
}

/// Instructions that `body` adds to the code around it.
fn count_with(context: &mut Context, body: impl FnOnce(&mut CodeAssembler)) -> (u64, &'static Profile) {
    prepare_thread().unwrap();
    // What surrounds the body loads and stores the registers; popfq, its seventh load, ends the stepping, so that the
    // body sets the flag again with the flags it is given.
    let code = Code::around(body);
    let range = code.address()..code.address() + 8192;
    let profile: &'static Profile = Box::leak(Box::new(Profile::new(range)));
    context.flags |= 1 << 8;
    let before = step::begin(profile);
    code.run(context);
    let count = step::end(before);
    (count, profile)
}

fn count(body: impl FnOnce(&mut CodeAssembler)) -> u64 {
    count_with(&mut context(), body).0 - count_with(&mut context(), |_| {}).0
}

#[test]
fn a_thousand_instructions_are_a_thousand() {
    assert_eq!(count(|a| (0..1000).for_each(|_| a.nop().unwrap())), 1000);
}

#[test]
fn a_loop_counts_every_turn() {
    let turns = |a: &mut CodeAssembler| {
        let mut again = a.create_label();
        a.mov(ecx, 50).unwrap();
        a.set_label(&mut again).unwrap();
        a.dec(ecx).unwrap();
        a.jnz(again).unwrap();
    };
    assert_eq!(count(turns), 1 + 50 * 2);
}

#[test]
fn a_branch_to_itself_counts_every_turn() {
    let turns = |a: &mut CodeAssembler| {
        let mut again = a.create_label();
        a.mov(rcx, 40_u64).unwrap();
        a.set_label(&mut again).unwrap();
        a.loop_(again).unwrap();
    };
    assert_eq!(count(turns), 1 + 40);
}

#[test]
fn a_repeated_string_instruction_is_one() {
    let mut target = [0_u8; 64];
    let source = [7_u8; 64];
    let mut context = context();
    context.general[6] = source.as_ptr() as u64;
    context.general[7] = target.as_mut_ptr() as u64;
    let mut plain = context;
    let copy = |a: &mut CodeAssembler| {
        a.mov(ecx, 64).unwrap();
        a.rep().movsb().unwrap();
        a.mov(rax, rsi).unwrap();
        a.mov(rax, rdi).unwrap();
    };
    let counted = count_with(&mut context, copy).0 - count_with(&mut plain, |_| {}).0;
    assert_eq!(target, source);
    assert_eq!(counted, 4);
}

#[test]
fn a_register_access_is_one_instruction() {
    let window = Window::map(64, Arc::new(Ram::new(&[1; 64]))).unwrap();
    let mut context = context();
    context.general[3] = window.address();
    let mut plain = context;
    let before = accesses_of_this_thread();
    let access = |a: &mut CodeAssembler| {
        a.mov(eax, dword_ptr(rbx)).unwrap();
        a.mov(dword_ptr(rbx + 4), eax).unwrap();
        a.nop().unwrap();
    };
    let counted = count_with(&mut context, access).0 - count_with(&mut plain, |_| {}).0;
    assert_eq!(counted, 3);
    let after = accesses_of_this_thread();
    assert_eq!((after.reads - before.reads, after.writes - before.writes), (1, 1));
}

#[test]
fn the_profile_says_where() {
    let (count, profile) = count_with(&mut context(), |a| {
        let mut again = a.create_label();
        a.mov(ecx, 9).unwrap();
        a.set_label(&mut again).unwrap();
        a.dec(ecx).unwrap();
        a.jnz(again).unwrap();
    });
    assert_eq!(profile.executed().map(|(_, times)| times).sum::<u64>(), count);
    assert_eq!(profile.executed().filter(|(_, times)| *times == 9).count(), 2);
    profile.clear();
    assert_eq!(profile.executed().count(), 0);
}

#[test]
fn suspended_code_is_not_counted() {
    let code = Code::around(|a| (0..10).for_each(|_| a.nop().unwrap()));
    prepare_thread().unwrap();
    let range = code.address()..code.address() + 8192;
    let profile: &'static Profile = Box::leak(Box::new(Profile::new(range)));
    let before = step::begin(profile);
    let counting = step::suspend();
    assert!(counting);
    code.run(&mut context());
    step::resume(counting);
    assert_eq!(step::end(before), 0);
    assert!(!step::suspend());
}
