//! The packaged driver on QEMU's controller.

mod events;
mod lifecycle;
mod resets;
mod startup;
mod transfer;
