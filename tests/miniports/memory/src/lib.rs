//! A test miniport: every memory call of the Storport DDI, in every callback where it is legal, checked.
//!
//! | module | idea |
//! | --- | --- |
//! | `protocol` | what it has in common with its test |
//! | `checks` | the checks, generic over the callback's context |
//! | `miniport` | the callbacks |
#![no_std]
#![cfg(windows)]

mod checks;
mod miniport;
mod protocol;

extern crate wdk_panic;

#[global_allocator]
static ALLOCATOR: wdk_alloc::WdkAllocator = wdk_alloc::WdkAllocator;

/// The test miniport.
pub(crate) struct MemoryMiniport;

storport::miniport!(MemoryMiniport);
