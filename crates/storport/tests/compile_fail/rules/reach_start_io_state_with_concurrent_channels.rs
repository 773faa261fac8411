//! With concurrent channels `HwStorStartIo` does not hold the StartIo lock.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::{Control, ResetBus, StartIo},
    find_adapter::{FindAdapter, Limits},
    miniport::{ConcurrentChannels, FindError, InitializeError, Miniport, PerMessage, ResetOutcome, Slots},
    srb::{Completion, Fresh, Srb, SrbStatus, Started},
};

struct Wrong;

impl Miniport for Wrong {
    type Adapter<'dev> = ();
    type StartIoState<'dev> = u32;
    type DpcState<'dev> = ();
    type SrbExtension = ();
    type UnitExtension = ();
    type Slots = Slots<0, 0, 0>;
    type Interrupts = PerMessage;
    type Channels = ConcurrentChannels;

    support::callbacks!();
}

fn wrong<'dev>(cx: &mut StartIo<'dev, Wrong>) {
    *cx.start_io_state() = 1;
}
