//! What is done with a driver: a small fixed set of lives.
//!
//! Nothing here judges: a life goes on whatever a command ends with, and the lab says which rules were broken.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portlab::model::{Address, DataBuffer, Direction, Lab, PowerAction, Request, Resources, SrbFunction};

/// Time-out of a command.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Time-out of a request that the disk is to keep for long.
const LONG: Duration = Duration::from_mins(10);
/// Bytes of a block, and blocks of a request.
const BLOCK: usize = 512;
const BLOCKS: u8 = 4;
/// Requests of the traffic at a time.
const DEPTH: u8 = 8;
/// The command that the zoo's disks keep until they are reset.
const HOLD: u8 = 0xC5;
/// An SRB function that nobody knows (`SRB_FUNCTION_SET_LINK_TIMEOUT`).
const UNKNOWN_FUNCTION: u8 = 0x21;

/// A life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Start, commands and traffic, the three resets with requests in flight, stop and restart, removal.
    Whole,
    /// `DriverEntry` only.
    Load,
    /// Start and removal.
    Start,
    /// Start, commands, a request that times out, and what Storport makes of it; removal.
    TimeOut,
    /// Start, commands, removal with requests in flight.
    Held,
    /// Start, commands, down to D3 and up again, commands; removal.
    Power,
    /// Start, commands, other resources, commands; removal.
    Rebalance,
    /// Start, commands, requests in flight, the device is gone; removal.
    Surprise,
    /// Start, commands, a stop with requests in flight.
    Stuck,
    /// Start, the question for the dump driver, removal.
    Dump,
    /// Start, commands, stop; found again, commands; removal.
    Again,
}

impl FromStr for Life {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "whole" => Ok(Self::Whole),
            "load" => Ok(Self::Load),
            "start" => Ok(Self::Start),
            "time-out" => Ok(Self::TimeOut),
            "held" => Ok(Self::Held),
            "power" => Ok(Self::Power),
            "rebalance" => Ok(Self::Rebalance),
            "surprise" => Ok(Self::Surprise),
            "stuck" => Ok(Self::Stuck),
            "dump" => Ok(Self::Dump),
            "again" => Ok(Self::Again),
            _ => Err(()),
        }
    }
}

impl Life {
    /// Lives it, from the start of the adapter to its removal.
    pub fn live(self, lab: &Lab) {
        if self == Self::Load {
            return;
        }
        if lab.start().is_ok() {
            self.between(lab);
        }
        let _ = lab.remove();
    }

    fn between(self, lab: &Lab) {
        match self {
            Self::Load | Self::Start => {}
            Self::Whole => {
                commands(lab);
                resets(lab);
                traffic(lab);
                if lab.stop().is_ok() && lab.restart().is_ok() {
                    traffic(lab);
                }
            }
            Self::TimeOut => {
                commands(lab);
                let ended = hold(lab, 1, Duration::from_secs(2));
                lab.wait_until(LONG, &mut || ended.load(Ordering::Acquire) == 1);
                traffic(lab);
            }
            Self::Held => {
                commands(lab);
                hold(lab, 3, LONG);
                lab.wait_until(TIMEOUT, &mut || false);
            }
            Self::Power => {
                commands(lab);
                if lab.power_down(PowerAction::Sleep).is_ok() {
                    lab.wait_until(Duration::from_secs(1), &mut || false);
                    let _ = lab.power_up(PowerAction::Sleep);
                }
                commands(lab);
            }
            Self::Rebalance => {
                commands(lab);
                let moved = Resources {
                    moved_by: 1 << 20,
                    messages: None,
                };
                if lab.rebalance(moved).is_ok() {
                    commands(lab);
                }
            }
            Self::Surprise => {
                commands(lab);
                hold(lab, 3, LONG);
                let _ = lab.notice_absence();
            }
            Self::Stuck => {
                commands(lab);
                hold(lab, 1, LONG);
                let _ = lab.stop();
            }
            Self::Dump => {
                let _ = lab.dump_driver();
            }
            Self::Again => {
                commands(lab);
                if lab.stop().is_ok() && lab.find_again().is_ok() {
                    commands(lab);
                }
            }
        }
    }
}

fn request(cdb: Vec<u8>, direction: Direction, buffer: Option<DataBuffer>) -> Request {
    Request {
        processor: 0,
        address: Address::default(),
        cdb,
        direction,
        buffer,
        timeout: TIMEOUT,
    }
}

/// A command that reads `length` bytes.
fn read(lab: &Lab, cdb: Vec<u8>, length: usize) {
    if let Ok(buffer) = lab.buffer(length) {
        let _ = lab.execute(request(cdb, Direction::In, Some(buffer)));
    }
}

/// What Windows sends to a new disk, in short: right commands, wrong ones, other functions; then traffic.
fn commands(lab: &Lab) {
    read(lab, vec![0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0], 16);
    read(lab, vec![0x12, 0, 0, 0, 36, 0], 36);
    read(lab, vec![0x12, 1, 0x83, 0, 255, 0], 255);
    let _ = lab.execute(request(vec![0; 6], Direction::None, None));
    read(lab, vec![0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8);
    // No such block, no such command.
    read(lab, vec![0x28, 0, 0xFF, 0, 0, 0, 0, 0, 1, 0], BLOCK);
    let _ = lab.execute(request(
        vec![0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        Direction::None,
        None,
    ));
    let _ = lab.srb_function(SrbFunction::Other(UNKNOWN_FUNCTION), Address::default());
    if lab.limits().caches_data {
        let _ = lab.srb_function(SrbFunction::Flush, Address::default());
    }
    traffic(lab);
}

/// Writes, then reads, several at a time, from all processors.
fn traffic(lab: &Lab) {
    for (opcode, direction) in [(0x2A, Direction::Out), (0x28, Direction::In)] {
        let ended = Arc::new(AtomicUsize::new(0));
        let mut sent = 0;
        for index in 0..DEPTH {
            let length = usize::from(BLOCKS) * BLOCK;
            if length > lab.limits().max_transfer as usize {
                return;
            }
            let Ok(buffer) = lab.buffer(length) else {
                continue;
            };
            buffer.fill(index);
            let cdb = vec![opcode, 0, 0, 0, 0, index * BLOCKS, 0, 0, BLOCKS, 0];
            let ended = Arc::clone(&ended);
            lab.submit(
                Request {
                    processor: index.into(),
                    ..request(cdb, direction, Some(buffer))
                },
                Box::new(move |_| {
                    ended.fetch_add(1, Ordering::AcqRel);
                }),
            );
            sent += 1;
        }
        lab.wait_until(LONG, &mut || ended.load(Ordering::Acquire) == sent);
    }
}

/// Sends requests that the disk keeps, and sees to it that it has them.
fn hold(lab: &Lab, count: u64, timeout: Duration) -> Arc<AtomicUsize> {
    let ended = Arc::new(AtomicUsize::new(0));
    let before = lab.statistics().srbs_issued;
    for _ in 0..count {
        let ended = Arc::clone(&ended);
        lab.submit(
            Request {
                timeout,
                ..request(vec![HOLD, 0, 0, 0, 0, 0], Direction::None, None)
            },
            Box::new(move |_| {
                ended.fetch_add(1, Ordering::AcqRel);
            }),
        );
    }
    lab.wait_until(Duration::from_secs(1), &mut || {
        lab.statistics().srbs_issued >= before + count
    });
    // In the driver, too, not only on the way to it.
    lab.wait_until(Duration::from_millis(20), &mut || false);
    ended
}

/// Each reset, with requests in flight.
fn resets(lab: &Lab) {
    for function in [SrbFunction::ResetLogicalUnit, SrbFunction::ResetDevice] {
        hold(lab, 2, LONG);
        let _ = lab.srb_function(function, Address::default());
    }
    hold(lab, 2, LONG);
    let _ = lab.reset_bus(0);
}
