//! The smallest miniport: it finds its adapter, has no unit, and breaks no rule.
#![no_std]
#![no_main]

#[path = "rules/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the rules use more of it")]
mod support;

storport::miniport!(support::Toy);
