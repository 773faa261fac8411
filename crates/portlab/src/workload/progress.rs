//! How a workload tells what it does while it does it.

/// Hears of a workload's progress. A command line draws it; a test ignores it.
pub trait Progress: Sync {
    /// A phase of `bytes` bytes begins; 0 means that it has no measure.
    fn begin(&self, phase: &str, bytes: u64);
    /// So many bytes of the phase are done.
    fn advance(&self, bytes: u64);
    /// Something worth a line happened.
    fn note(&self, text: &str);
    /// The phase is over.
    fn end(&self);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _phase: &str, _bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
    fn note(&self, _text: &str) {}
    fn end(&self) {}
}
