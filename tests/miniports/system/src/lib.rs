//! `system`: a miniport that calls the system half of the safe DDI, each call where it is legal, and checks the answers.
//!
//! For the lab's scratch device. Each answer becomes one line of debug output, `ok NAME` or `WRONG NAME`; the end-to-end
//! test reads them, and asks the lab which functions were called.
#![no_std]
#![cfg(windows)]

mod checks;
mod miniport;

extern crate miniport_rt;

/// The miniport.
pub(crate) struct System;

storport::miniport!(System);
