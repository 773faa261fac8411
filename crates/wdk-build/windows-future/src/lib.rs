//! Nothing: on hosts that are not Windows nobody uses Windows' futures.
#![no_std]
