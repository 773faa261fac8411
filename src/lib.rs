//! The NVMe miniport.
#![no_std]
