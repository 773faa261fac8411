//! Keeps a request that nobody resets, for longer than the port driver waits before it stops the adapter.
//!
//! Documented with `ScsiStopAdapter`: no request is outstanding when it is called.
//!
//! zoo: rule=requests-block-stop life=stuck
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RequestsBlockStop;

impl Animal for RequestsBlockStop {}

zoo::exhibit!(RequestsBlockStop);
