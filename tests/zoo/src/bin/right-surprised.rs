//! Odd, and right: its device is gone before anybody asked, with requests in flight.
//!
//! zoo: rule=none life=surprise
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RightSurprised;

impl Animal for RightSurprised {}

zoo::exhibit!(RightSurprised);
