//! The port driver hands out the device extension as zeroes, and a reference is not zero.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::{Control, ResetBus, StartIo},
    find_adapter::{FindAdapter, Limits},
    miniport::{FindError, InitializeError, Miniport, OneChannel, PerMessage, ResetOutcome, Slots},
    srb::{Completion, Fresh, Srb, SrbStatus, Started},
};

struct Wrong;

impl Miniport for Wrong {
    type Adapter<'dev> = &'dev u32;
    type StartIoState<'dev> = ();
    type DpcState<'dev> = ();
    type SrbExtension = ();
    type UnitExtension = ();
    type Slots = Slots<0, 0, 0>;
    type Interrupts = PerMessage;
    type Channels = OneChannel;

    support::callbacks!();
}
