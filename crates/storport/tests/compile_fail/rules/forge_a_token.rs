//! Only completing, refusing or parking an SRB makes a token.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::srb::{Stage, Token};

fn wrong<S: Stage>() -> Token<S> {
    S::token((), core::ptr::null_mut())
}
