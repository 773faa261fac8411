//! The port driver aligns device extensions to 16 bytes at most.
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
use zerocopy::FromZeros;

struct Wrong;

#[derive(FromZeros)]
#[repr(align(64))]
struct Adapter {
    value: u32,
}

impl Miniport for Wrong {
    type Adapter<'dev> = Adapter;
    type StartIoState<'dev> = ();
    type DpcState<'dev> = ();
    type SrbExtension = ();
    type UnitExtension = ();
    type Slots = Slots<0, 0, 0>;
    type Interrupts = PerMessage;
    type Channels = OneChannel;

    support::callbacks!();
}

storport::miniport!(Wrong);
