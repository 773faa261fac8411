//! Register access by plain memory access: faults decoded, emulated, patched.
