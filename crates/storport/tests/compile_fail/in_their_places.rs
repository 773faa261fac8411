//! What the rules refuse for want of a method has that method where it belongs: no rule holds only because a name has changed.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

#[path = "rules/support/mod.rs"]
mod support;

use storport::{
    context::{Configuration, Dpc, PassiveInitialize, StartIo},
    find_adapter::{FindAdapter, Limits},
    mdl::Mdl,
    performance::Performance,
    registry::Value,
    scatter_gather::Transfer,
    srb::{Fresh, Srb, Started},
};
use support::Toy;

fn find_adapter<'dev>(cx: &mut FindAdapter<'_, 'dev, Toy>, limits: &Limits) {
    let _ = cx.map_registers(0);
    let _ = cx.uncached_extension(4096, limits);
}

fn passive_initialize<'dev>(cx: &mut PassiveInitialize<'dev, Toy>, value: Value<'_>) {
    let _ = cx.read_dword(value);
    let _ = cx.set_performance(&Performance::new());
    let _ = cx.update_adapter_max_io(8);
}

fn configure<'dev>(cx: &Configuration<'dev, Toy>) {
    let _ = cx.pci_configuration();
}

fn start_io<'dev, 'srb>(cx: &mut StartIo<'dev, Toy>, srb: Srb<'dev, Toy, Fresh<'srb>>) -> Started<'srb> {
    let _ = cx.adapter();
    srb.busy(cx)
}

fn dpc<'dev>(cx: &mut Dpc<'dev, Toy>, mdl: Mdl<'dev, Toy>, transfer: Transfer) {
    *cx.state() = 1;
    let _ = cx.build_scatter_gather(mdl, transfer, None);
}
