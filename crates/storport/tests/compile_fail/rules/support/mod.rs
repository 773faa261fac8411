//! A miniport that breaks no rule. Each file beside this folder breaks one with it.

use storport::{
    cell::SetOnce,
    context::{Control, ResetBus, StartIo, WorkItem},
    find_adapter::{FindAdapter, Limits},
    lock::{DpcLock, Guarded, InterruptLock, PerMessageState},
    miniport::{FindError, InitializeError, Miniport, OneChannel, PerMessage, ResetOutcome, Slots},
    register::Registers,
    srb::{Completion, Fresh, InFlight, Srb, SrbStatus, Started},
    timer::TimerHandle,
    work_item::{Work, Worker},
};
use zerocopy::FromZeros;

/// The callbacks that a miniport must have, for the types that a file declares.
macro_rules! callbacks {
    () => {
        fn find_adapter<'dev>(
            _: &mut FindAdapter<'_, 'dev, Self>,
            _: &'dev Self::Adapter<'dev>,
        ) -> Result<Limits, FindError> {
            Err(FindError::NotFound)
        }

        fn start_io<'dev, 'srb>(
            cx: &mut StartIo<'dev, Self>,
            _: &'dev Self::Adapter<'dev>,
            srb: Srb<'dev, Self, Fresh<'srb>>,
        ) -> Started<'srb> {
            srb.complete(cx, Completion::Status(SrbStatus::NoDevice))
        }

        fn reset_bus<'dev>(
            _: &mut ResetBus<'dev, Self>,
            _: &'dev Self::Adapter<'dev>,
            _: u8,
        ) -> ResetOutcome {
            ResetOutcome::Done
        }

        fn stop<'dev>(_: &Control<'dev, Self>, _: &'dev Self::Adapter<'dev>) {}

        fn restart<'dev>(
            _: &Control<'dev, Self>,
            _: &'dev Self::Adapter<'dev>,
        ) -> Result<(), InitializeError> {
            Ok(())
        }

        fn remove<'dev>(_: &mut StartIo<'dev, Self>, _: &'dev Self::Adapter<'dev>) {}
    };
}
pub(crate) use callbacks;

pub struct Toy;

#[derive(FromZeros)]
pub struct Adapter<'dev> {
    pub registers: SetOnce<Registers<'dev>>,
    pub worker: SetOnce<Worker<'dev, Toy, Job>>,
    pub timer: SetOnce<TimerHandle<'dev>>,
    pub srbs: InFlight<'dev, Toy, 8>,
    pub interrupts: Guarded<'dev, Toy, InterruptLock, u32>,
    pub first_dpc: Guarded<'dev, Toy, DpcLock<0>, u32>,
    pub messages: PerMessageState<'dev, Toy, u32, 4>,
}

pub struct Job;

impl Work<Toy> for Job {
    fn run<'dev>(self, _: &mut WorkItem<'dev, Toy>, _: &'dev Adapter<'dev>, _: Worker<'dev, Toy, Self>) {}
}

impl Miniport for Toy {
    type Adapter<'dev> = Adapter<'dev>;
    type StartIoState<'dev> = u32;
    type DpcState<'dev> = u32;
    type SrbExtension = u64;
    type UnitExtension = u64;
    type Slots = Slots<1, 1, 2>;
    type Interrupts = PerMessage;
    type Channels = OneChannel;

    callbacks!();
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
