//! What to do about asynchronous events (Base 2.0, section 5.2).

use nvme::log::LogPageId;
use nvme::{AsyncEvent, AsyncEventResult, ErrorEvent, Status};

/// The reaction to an event. Whatever it is, the request is to be submitted again unless [`Reaction::Stop`] says not to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Run [`crate::control::Request::Rescan`]: namespaces came, went or changed. Reading the log clears the event.
    Rescan,
    /// Run [`crate::control::Request::ReadLog`] of that page, which clears the event.
    ReadLog(LogPageId),
    /// The controller is no longer to be relied on: reset it.
    Reset,
    /// Nothing beyond submitting the request again.
    Ignore,
    /// The request failed (aborted, past the controller's limit, refused): do not submit it again.
    Stop,
}

/// Decides on the completion of an Asynchronous Event Request.
///
/// An event stays masked until its log page is read (Base 2.0, 5.2), so every kind that can repeat leads to a read
/// of a page that exists on every controller, never of a page the device names freely.
#[must_use]
pub const fn reaction(status: Status, result: u32) -> Reaction {
    if !status.is_success() {
        // Aborted, past the controller's limit, or failing at once: asked again, it would fail again for ever.
        return Reaction::Stop;
    }
    match AsyncEventResult::from_bits(result).event() {
        AsyncEvent::NamespaceAttributeChanged => Reaction::Rescan,
        AsyncEvent::FirmwareActivationStarting => Reaction::ReadLog(LogPageId::FIRMWARE_SLOT),
        AsyncEvent::Health(_) => Reaction::ReadLog(LogPageId::SMART),
        AsyncEvent::Error(ErrorEvent::PersistentInternal) => Reaction::Reset,
        AsyncEvent::Error(_) => Reaction::ReadLog(LogPageId::ERROR),
        AsyncEvent::Notice(_)
        | AsyncEvent::CommandSetSpecific(_)
        | AsyncEvent::Vendor(_)
        | AsyncEvent::Reserved { .. } => Reaction::Ignore,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn namespace_notice_leads_to_a_rescan() {
        assert_eq!(reaction(Status::new(), 0x0004_0002), Reaction::Rescan);
    }

    #[test]
    fn health_and_errors_lead_to_the_page_that_clears_them() {
        assert_eq!(
            reaction(Status::new(), 0x0002_0101),
            Reaction::ReadLog(LogPageId::SMART)
        );
        assert_eq!(
            reaction(Status::new(), 0x0001_0400),
            Reaction::ReadLog(LogPageId::ERROR)
        );
        assert_eq!(reaction(Status::new(), 0x0001_0300), Reaction::Reset);
    }

    proptest! {
        /// A device cannot choose the log page that is read.
        #[test]
        fn only_pages_every_controller_has_are_read(result in any::<u32>()) {
            if let Reaction::ReadLog(page) = reaction(Status::new(), result) {
                prop_assert!([LogPageId::ERROR, LogPageId::SMART, LogPageId::FIRMWARE_SLOT].contains(&page));
            }
        }

        /// A failed request is not repeated, or it would fail again for ever.
        #[test]
        fn a_failed_request_is_not_repeated(code in 1..=255_u8, kind in 0..8_u8, result in any::<u32>()) {
            let status = Status::new().with_status_code(code).with_status_code_type(kind);
            prop_assert_eq!(reaction(status, result), Reaction::Stop);
        }
    }
}
