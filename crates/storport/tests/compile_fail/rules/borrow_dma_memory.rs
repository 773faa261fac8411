//! The device writes DMA memory at any time: it is copied, never borrowed.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::dma::Dma;

fn wrong<'dev>(memory: Dma<'dev>) -> Option<u8> {
    let bytes: &[u8] = &memory;
    bytes.first().copied()
}
