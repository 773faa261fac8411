//! The Storport DDI for miniports, made safe.
#![no_std]
