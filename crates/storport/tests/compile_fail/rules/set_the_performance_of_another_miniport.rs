//! Options that a miniport with concurrent channels may set are not those of another, though its type be a subtype.
#![no_std]
#![no_main]
#![allow(unused, coherence_leak_check, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::{Control, PassiveInitialize, ResetBus, StartIo},
    find_adapter::{FindAdapter, Limits},
    miniport::{
        ConcurrentChannels, FindError, InitializeError, LineOnly, Miniport, OneChannel, ResetOutcome, Slots,
    },
    performance::Performance,
    srb::{Completion, Fresh, Srb, SrbStatus, Started},
};
use support::callbacks;

/// A subtype of the other: whoever wants that one's function may be given this one's.
type One = Of<for<'a> fn(Life<'a>)>;
type Concurrent = Of<fn(Life<'static>)>;

/// A lifetime and nothing else: what two types have in common the compiler prints at one time and not at another.
struct Life<'a>(core::marker::PhantomData<&'a ()>);

struct Of<F>(core::marker::PhantomData<F>);

macro_rules! miniport {
    ($name:ty, $channels:ty) => {
        impl Miniport for $name {
            type Adapter<'dev> = ();
            type StartIoState<'dev> = u32;
            type DpcState<'dev> = ();
            type SrbExtension = u64;
            type UnitExtension = ();
            type Slots = Slots<0, 0, 0>;
            type Interrupts = LineOnly;
            type Channels = $channels;

            callbacks!();
        }
    };
}

miniport!(One, OneChannel);
miniport!(Concurrent, ConcurrentChannels);

fn wrong(cx: &mut PassiveInitialize<'_, One>) {
    let performance: Performance<Concurrent> = Performance::new().concurrent_channels(2);
    let _ = cx.set_performance(&performance);
}
