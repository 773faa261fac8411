//! Interrupt messages: what the platform granted.

use wdk_sys::MESSAGE_INTERRUPT_INFORMATION;

use crate::{
    context::{AtMostDispatch, Context, Exclusion, Initialize},
    ffi,
    miniport::Miniport,
    status::MessageError,
};

/// An interrupt message (`MESSAGE_INTERRUPT_INFORMATION`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Number of the message.
    pub id: u32,
    /// What the device writes.
    pub data: u32,
    /// Where the device writes it.
    pub address: u64,
    /// The interrupt vector.
    pub vector: u32,
    /// The device's IRQL.
    pub irql: u32,
    /// Edge-triggered, as messages are.
    pub latched: bool,
}

fn message_information<M: Miniport, I: crate::context::Irql, X: Exclusion>(
    cx: &Context<'_, M, I, X>,
    message: u32,
) -> Result<Message, MessageError> {
    let mut information = MESSAGE_INTERRUPT_INFORMATION::default();
    // SAFETY: the extension is live; the place outlives the call and is of the documented type.
    MessageError::check(unsafe { ffi::get_msi_info(cx.raw(), message, (&raw mut information).cast()) })?;
    Ok(Message {
        id: information.MessageId,
        data: information.MessageData,
        // SAFETY: every bit pattern of the union is an i64.
        address: unsafe { information.MessageAddress.QuadPart }.cast_unsigned(),
        vector: information.InterruptVector,
        irql: information.InterruptLevel,
        latched: information.InterruptMode == wdk_sys::_KINTERRUPT_MODE::Latched,
    })
}

impl<M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'_, M, I, X> {
    /// Tells of message `message` (`StorPortGetMSIInfo`; any IRQL, never in a message's interrupt routine, whose context
    /// has no such method).
    ///
    /// # Errors
    /// See [`MessageError`]; a message that was not granted is an invalid parameter.
    pub fn message(&self, message: u32) -> Result<Message, MessageError> {
        message_information(self, message)
    }
}

impl<M: Miniport> Initialize<'_, M> {
    /// Tells of message `message` (`StorPortGetMSIInfo`).
    ///
    /// # Errors
    /// See [`MessageError`]; a message that was not granted is an invalid parameter.
    pub fn message(&self, message: u32) -> Result<Message, MessageError> {
        message_information(self, message)
    }
}

#[cfg(feature = "inferred-ddi")]
mod inferred {
    use super::{AtMostDispatch, Exclusion, Miniport};
    use crate::{
        context::Irql,
        ffi::{self, system::widened},
        status::InferredError,
        version::{Newer, Way, gate},
    };

    impl<M: Miniport, I: Irql, X: Exclusion, W: Way> Newer<'_, '_, M, I, X, W> {
        /// Masks or unmasks an MSI-X message (`StorPortMaskMsixInterrupt`; Windows Server 2022; tier \[I\]).
        ///
        /// # Errors
        /// See [`InferredError`].
        pub fn mask_message(&self, message: u32, masked: bool) -> Result<(), InferredError> {
            gate!(M, W, Server2022);
            // SAFETY: the extension is live.
            InferredError::check(unsafe {
                ffi::inferred::mask_msix_interrupt(self.raw(), message, widened(masked))
            })
        }
    }

    impl<M: Miniport, I: AtMostDispatch, X: Exclusion, W: Way> Newer<'_, '_, M, I, X, W> {
        /// The message that interrupts processor `index`, a number over all groups
        /// (`StorPortGetMessageInterruptIDFromProcessorIndex`; Windows 11 22H2; tier \[I\]).
        ///
        /// # Errors
        /// See [`InferredError`].
        pub fn message_of_processor(&self, index: u32) -> Result<u32, InferredError> {
            gate!(M, W, V11_22H2);
            let mut message = 0;
            // SAFETY: the extension is live; the place outlives the call.
            InferredError::check(unsafe {
                ffi::inferred::get_message_interrupt_id(self.raw(), index, &raw mut message)
            })?;
            Ok(message)
        }
    }
}
