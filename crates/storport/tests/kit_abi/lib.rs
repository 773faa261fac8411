//! The structures that `storport` names, as wdk-sys' bindings of *this* build have them, against a kit's figures.
//!
//! On Windows the bindings come from the installed kit, elsewhere from the open headers. Everything is compared while this is
//! compiled: a field that lies elsewhere names its line. Kits newer than the figures have added fields at the end of
//! some structures, so that a size may be larger, never smaller; where a field lies, and how a structure is aligned, stays.
#![no_std]
#![cfg(windows)]

use core::mem::offset_of;

/// Asserts the layout of a structure at compile time.
macro_rules! layout {
    ($name:ident, size $size:literal, align $align:literal, { $($field:ident: $offset:literal,)* }) => {
        const _: () = {
            assert!(size_of::<wdk_sys::$name>() >= $size, concat!(stringify!($name), " is smaller than in the kit"));
            assert!(align_of::<wdk_sys::$name>() == $align, concat!("alignment of ", stringify!($name)));
            $(assert!(
                offset_of!(wdk_sys::$name, $field) == $offset,
                concat!(stringify!($name), "::", stringify!($field), " lies elsewhere than in the kit")
            );)*
        };
    };
}

include!("figures.rs");

// What has to be noticed: scripts/kit-abi.sh checks with each of these, too.
#[cfg(feature = "wrong-size")]
layout!(_ACCESS_RANGE, size 17, align 8, {});
#[cfg(feature = "wrong-alignment")]
layout!(_GUID, size 16, align 8, {});
#[cfg(feature = "wrong-offset")]
layout!(_GROUP_AFFINITY, size 16, align 8, { Group: 10, });
