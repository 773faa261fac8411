//! A controller that misbehaves: every request completes once, in time or by a reset, and the data is right.

use super::Bench;

const BYTES: u64 = 4 << 20;

/// Traffic under a fault plan. The number of resets that the port driver had to make.
fn survive(faults: &str) -> u64 {
    let bench = Bench::start(&format!("lab:nvme,size=16M,ram=128M,faults={faults}"));
    let traffic = bench.traffic(BYTES, Vec::new());
    assert_eq!(traffic.bytes_verified, BYTES, "{faults}");
    let resets = bench.lab.statistics().resets;
    bench.finish();
    resets
}

#[test]
fn a_completion_that_never_comes_is_reset_away() {
    assert!(survive("lose-completion+opcode=io:0x01+nth=20") > 0);
}

#[test]
fn a_completion_that_comes_after_the_reset_completes_nobody() {
    assert!(survive("late-completion+opcode=io:0x01+nth=20") > 0);
}

#[test]
fn a_completion_under_a_wrong_name_completes_nobody() {
    assert!(survive("wrong-command+opcode=io:0x01+nth=20") > 0);
    assert!(survive("wrong-queue+opcode=io:0x01+nth=20") > 0);
}

#[test]
fn a_completion_that_comes_twice_counts_once() {
    survive("duplicate-completion+opcode=io:0x01+times=all");
}

#[test]
fn interrupts_for_nothing_do_no_harm() {
    survive("storm=2000+opcode=io:0x01+nth=5+times=3");
}

#[test]
fn a_fatal_controller_is_reset() {
    assert!(survive("fatal+opcode=io:0x01+nth=20") > 0);
}

#[test]
fn a_slow_command_is_waited_for() {
    assert_eq!(survive("slow=300+opcode=io:0x01+nth=20"), 0);
}
