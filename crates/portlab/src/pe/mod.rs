//! Loads the .sys: mapping, relocation, imports, symbols.
