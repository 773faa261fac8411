//! The guide's small miniport breaks no rule: what the other files break one in compiles when nothing is broken.
#![no_std]
#![no_main]

#[path = "../../../../examples/zero/src/answers.rs"]
mod answers;
#[path = "../../../../examples/zero/src/miniport.rs"]
mod miniport;

storport::miniport!(miniport::Zero);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
