//! Odd, and right: is powered down and up again, keeps nothing and loses nothing.
//!
//! zoo: rule=none life=power
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RightPoweredDown;

impl Animal for RightPoweredDown {}

zoo::exhibit!(RightPoweredDown);
