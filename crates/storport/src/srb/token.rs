//! Whose an SRB is, and what its owner has to show for it.

use core::{ffi::c_void, marker::PhantomData, ptr};

mod sealed {
    use core::ffi::c_void;

    /// Only the framework has one.
    pub struct Proof(pub(in crate::srb) ());

    /// How a stage makes its token; nobody else has the argument for it.
    pub trait Token {
        type Token;
        fn token(proof: Proof, parked: *mut c_void) -> Self::Token;
    }
}

/// Where an SRB came from: [`Fresh`] or [`Issued`].
pub trait Stage: sealed::Token {}

/// Given to `HwStorStartIo` just now: nothing was issued for it. `'srb` is this SRB's alone.
pub struct Fresh<'srb>(PhantomData<&'srb mut &'srb ()>);

/// Taken back from where it was parked: a command was issued for it.
pub struct Issued(());

/// Proof that `HwStorStartIo` has dealt with its SRB, and with no other: it was completed, refused or parked.
#[must_use = "HwStorStartIo returns it"]
pub struct Started<'srb> {
    /// The SRB if it was parked, else NULL. Only compared, never read.
    parked: *mut c_void,
    srb: PhantomData<&'srb mut &'srb ()>,
}

impl Started<'_> {
    pub(super) fn parked(&self) -> *mut c_void {
        self.parked
    }
}

impl<'srb> sealed::Token for Fresh<'srb> {
    type Token = Started<'srb>;

    fn token(_proof: sealed::Proof, parked: *mut c_void) -> Started<'srb> {
        Started {
            parked,
            srb: PhantomData,
        }
    }
}

impl sealed::Token for Issued {
    type Token = ();

    fn token(_proof: sealed::Proof, _parked: *mut c_void) {}
}

impl Stage for Fresh<'_> {}
impl Stage for Issued {}

/// What the owner of an SRB in stage `S` shows for it: a [`Started`] for a [`Fresh`] one, nothing for an [`Issued`] one.
pub type Token<S> = <S as sealed::Token>::Token;

/// The token of an SRB that was completed.
pub(super) fn completed<S: Stage>() -> Token<S> {
    S::token(sealed::Proof(()), ptr::null_mut())
}

/// The token of an SRB that was parked.
pub(super) fn parked<S: Stage>(srb: *mut c_void) -> Token<S> {
    S::token(sealed::Proof(()), srb)
}
