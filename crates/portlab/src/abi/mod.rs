//! The Storport and kernel structures, with explicit widths.
