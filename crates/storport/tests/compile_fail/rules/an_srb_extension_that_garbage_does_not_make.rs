//! SRB extensions arrive with arbitrary contents, of which not all make a `bool`.
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
    type Adapter<'dev> = ();
    type StartIoState<'dev> = ();
    type DpcState<'dev> = ();
    type SrbExtension = bool;
    type UnitExtension = ();
    type Slots = Slots<0, 0, 0>;
    type Interrupts = PerMessage;
    type Channels = OneChannel;

    support::callbacks!();
}
