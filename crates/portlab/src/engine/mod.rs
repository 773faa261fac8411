//! Virtual processors, IRQL, DPCs, timers, worker threads.
