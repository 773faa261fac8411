//! `StorPortAcquireMSISpinLock` is for `InterruptSynchronizePerMessage` only.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::{Control, ResetBus, StartIo},
    find_adapter::{FindAdapter, Limits},
    miniport::{FindError, InitializeError, Miniport, OneChannel, ResetOutcome, Slots, SynchronizeAll},
    srb::{Completion, Fresh, Srb, SrbStatus, Started},
};

struct Wrong;

impl Miniport for Wrong {
    type Adapter<'dev> = ();
    type StartIoState<'dev> = ();
    type DpcState<'dev> = ();
    type SrbExtension = ();
    type UnitExtension = ();
    type Slots = Slots<0, 0, 0>;
    type Interrupts = SynchronizeAll;
    type Channels = OneChannel;

    support::callbacks!();
}

fn wrong<'dev>(cx: &mut StartIo<'dev, Wrong>) {
    cx.with_message_lock(0, |_| ());
}
