//! storport.sys and ntoskrnl.exe as documented; violations.
