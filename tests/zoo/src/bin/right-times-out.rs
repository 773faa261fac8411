//! Odd, and right: keeps a request until Storport has waited long enough and resets the unit.
//!
//! zoo: rule=none life=time-out
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RightTimesOut;

impl Animal for RightTimesOut {}

zoo::exhibit!(RightTimesOut);
