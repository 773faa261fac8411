//! The base of all animals, which does nothing otherwise: a right driver.
//!
//! zoo: rule=none
#![no_std]
#![no_main]

use zoo::prelude::*;

struct Right;

impl Animal for Right {}

zoo::exhibit!(Right);
