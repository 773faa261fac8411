//! Nobody would run its drop glue.
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
struct State {
    value: u32,
}

impl Drop for State {
    fn drop(&mut self) {}
}

impl Miniport for Wrong {
    type Adapter<'dev> = ();
    type StartIoState<'dev> = State;
    type DpcState<'dev> = ();
    type SrbExtension = ();
    type UnitExtension = ();
    type Slots = Slots<0, 0, 0>;
    type Interrupts = PerMessage;
    type Channels = OneChannel;

    support::callbacks!();
}

storport::miniport!(Wrong);
