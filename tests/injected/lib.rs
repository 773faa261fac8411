//! The smallest miniport, with one mistake by choice.
//!
//! `tests/gates` builds it as the release flavour of any miniport is built, once without a mistake and once with each, and
//! looks at what refuses it. It drives nothing.
#![no_std]
#![cfg(windows)]

// Panic handler and memory functions.
extern crate miniport_rt;

#[cfg(feature = "writable-code")]
mod writable_code;

use storport::{
    Miniport,
    context::{Control, ResetBus, StartIo},
    find_adapter::{FindAdapter, Limits},
    miniport::{FindError, InitializeError, LineOnly, OneChannel, ResetOutcome, Slots},
    srb::{Completion, Fresh, Srb, SrbStatus, Started},
};

struct Injected;

storport::miniport!(Injected);

/// What depends on a length that only the port driver knows.
#[cfg_attr(
    not(any(
        feature = "unwrap",
        feature = "index",
        feature = "kernel-call",
        feature = "big-frame",
        feature = "recursion"
    )),
    expect(unused_variables, reason = "each mistake has its own use of it")
)]
fn mistake(length: u32) {
    #[cfg(feature = "unwrap")]
    core::hint::black_box(u16::try_from(length).unwrap());
    #[cfg(feature = "index")]
    core::hint::black_box(core::hint::black_box([0_u8; 4])[length as usize]);
    #[cfg(feature = "kernel-call")]
    kernel_call(length);
    #[cfg(feature = "big-frame")]
    big_frame(length);
    #[cfg(feature = "recursion")]
    memset(length);
}

/// A call of what `storport.sys` does not have.
#[cfg(feature = "kernel-call")]
#[expect(unsafe_code, reason = "a mistake on purpose")]
fn kernel_call(length: u32) {
    unsafe extern "C" {
        fn KeBugCheckEx(code: u32, _: usize, _: usize, _: usize, _: usize) -> !;
    }
    if length == u32::MAX {
        // SAFETY: any IRQL; the miniport is never loaded.
        unsafe { KeBugCheckEx(length, 0, 0, 0, 0) }
    }
}

/// A frame of more than a page.
#[cfg(feature = "big-frame")]
#[inline(never)]
fn big_frame(length: u32) {
    core::hint::black_box([length; 1500]);
}

/// Calls itself, as LLVM would make a function of this name do.
#[cfg(feature = "recursion")]
#[inline(never)]
fn memset(length: u32) {
    if let Some(rest) = core::hint::black_box(length).checked_sub(1) {
        memset(rest);
        core::hint::black_box(rest);
    }
}

impl Miniport for Injected {
    type Adapter<'dev> = [u8; 0];
    type StartIoState<'dev> = [u8; 0];
    type DpcState<'dev> = [u8; 0];
    type SrbExtension = [u8; 0];
    type UnitExtension = [u8; 0];
    type Slots = Slots<0, 0, 0>;
    type Interrupts = LineOnly;
    type Channels = OneChannel;

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
        mistake(srb.data_length());
        if cfg!(feature = "dropped-srb") && srb.data_length() == 512 {
            drop(srb);
            loop {
                core::hint::spin_loop();
            }
        }
        srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest))
    }

    fn reset_bus<'dev>(_: &mut ResetBus<'dev, Self>, _: &'dev Self::Adapter<'dev>, _: u8) -> ResetOutcome {
        ResetOutcome::Done
    }

    fn stop<'dev>(_: &Control<'dev, Self>, _: &'dev Self::Adapter<'dev>) {}

    fn restart<'dev>(_: &Control<'dev, Self>, _: &'dev Self::Adapter<'dev>) -> Result<(), InitializeError> {
        Ok(())
    }

    fn remove<'dev>(_: &mut StartIo<'dev, Self>, _: &'dev Self::Adapter<'dev>) {}
}
