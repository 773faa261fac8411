//! What the disk stack sends: start-up commands, verified traffic.
