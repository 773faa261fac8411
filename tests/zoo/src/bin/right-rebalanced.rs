//! Odd, and right: is moved to other bus addresses in the middle of its life.
//!
//! zoo: rule=none life=rebalance
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RightRebalanced;

impl Animal for RightRebalanced {}

zoo::exhibit!(RightRebalanced);
