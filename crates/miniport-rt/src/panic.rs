//! The panic handler that cannot be linked.
#![expect(unsafe_code, reason = "declares the symbol that does not exist")]

use core::panic::PanicInfo;

/// Refers to a symbol that does not exist. Whole-program optimisation drops this handler from an image in which no
/// panic is reachable; every other image fails to link (docs/adr/0012).
#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn miniport_rt_a_panic_is_reachable() -> !;
    }
    // SAFETY: never executed: an image that holds this call does not link.
    unsafe { miniport_rt_a_panic_is_reachable() }
}
