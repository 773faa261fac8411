//! Calling into the driver.
#![expect(unsafe_code, reason = "jumps into the driver's machine code")]

use super::GuestAddress;

/// A routine of the driver, by address; all its arguments are integers or pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Routine(GuestAddress);

type Fn12 = unsafe extern "win64" fn(u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64) -> u64;

impl Routine {
    /// The routine at `address`; `None` for NULL.
    #[must_use]
    pub const fn new(address: GuestAddress) -> Option<Self> {
        if address == 0 { None } else { Some(Self(address)) }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(self) -> GuestAddress {
        self.0
    }

    /// Calls it with up to twelve arguments (the rest are ignored) and returns RAX. Of a BOOLEAN only the lowest
    /// byte counts, of a ULONG the lowest four.
    ///
    /// The Microsoft x64 convention lets the caller clean up, so spare arguments do no harm.
    #[must_use]
    pub fn call(self, arguments: &[u64]) -> u64 {
        let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
        let pointer: *const () = std::ptr::with_exposed_provenance(usize::try_from(self.0).unwrap_or(0));
        // SAFETY: the driver registered this address as a routine of the Microsoft x64 convention.
        let entry = unsafe { std::mem::transmute::<*const (), Fn12>(pointer) };
        // SAFETY: the model passes what the routine's documentation promises; beyond that the driver is
        // believed as the kernel believes it.
        unsafe {
            entry(
                argument(0),
                argument(1),
                argument(2),
                argument(3),
                argument(4),
                argument(5),
                argument(6),
                argument(7),
                argument(8),
                argument(9),
                argument(10),
                argument(11),
            )
        }
    }
}

/// BOOLEAN from RAX.
#[must_use]
pub const fn boolean(rax: u64) -> bool {
    rax & 0xFF != 0
}

/// ULONG from RAX.
#[must_use]
pub const fn ulong(rax: u64) -> u32 {
    (rax & 0xFFFF_FFFF) as u32
}
