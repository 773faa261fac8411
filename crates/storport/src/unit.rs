//! What a miniport tells of its logical units, and what the port driver tells of requests.

use wdk_sys::{
    GUID, RAID_ASYNC_NOTIFY_FLAG_DEVICE_OPERATION, RAID_ASYNC_NOTIFY_FLAG_DEVICE_STATUS,
    RAID_ASYNC_NOTIFY_FLAG_MEDIA_STATUS, STOR_REQUEST_INFO_V1, STOR_REQUEST_INFO_VER_1,
};

use crate::{
    context::{Context, Exclusion, Irql},
    ffi::{Place, system as ffi},
    miniport::Miniport,
    power::Guid,
    srb::{Address, Srb, Stage},
    status::{ActivityIdError, NotificationError, PortNumberError, RequestInfoError, UnitAttributesError},
};

/// `STOR_UNIT_ATTRIBUTES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitAttributes {
    /// The unit reports events that need attention.
    pub device_attention: bool,
    /// The unit sends asynchronous notifications.
    pub async_notification: bool,
    /// The unit does not come back from D3 cold.
    pub d3_cold_not_supported: bool,
}

/// What an asynchronous notification is about (`RAID_ASYNC_NOTIFY_FLAG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AsyncNotification {
    /// The status of the medium.
    pub media_status: bool,
    /// The status of the device.
    pub device_status: bool,
    /// An operation of the device.
    pub device_operation: bool,
}

/// How urgent a request is (`STOR_IO_PRIORITY_HINT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriorityHint {
    /// Very low.
    VeryLow,
    /// Low.
    Low,
    /// Normal.
    Normal,
    /// High.
    High,
    /// Critical.
    Critical,
    /// A value that the header does not know.
    Other(i32),
}

/// What the port driver knows of a request (`STOR_REQUEST_INFO_V1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestInfo {
    /// How urgent it is.
    pub priority: PriorityHint,
    /// Flags of the request.
    pub flags: u32,
    /// Its key.
    pub key: u32,
    /// Bytes of the whole transfer that it is part of.
    pub length: u32,
    /// It writes.
    pub is_write: bool,
}

impl<'dev, M: Miniport, I: Irql, X: Exclusion> Context<'dev, M, I, X> {
    /// Sets a logical unit's attributes (`StorPortSetUnitAttributes`; Windows 8; any IRQL).
    ///
    /// # Errors
    /// See [`UnitAttributesError`].
    pub fn set_unit_attributes(
        &self,
        unit: Address,
        attributes: UnitAttributes,
    ) -> Result<(), UnitAttributesError> {
        const DEVICE_ATTENTION: u32 = 1;
        const ASYNC_NOTIFICATION: u32 = 2;
        const D3_COLD_NOT_SUPPORTED: u32 = 4;
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        let bits = bit(attributes.device_attention, DEVICE_ATTENTION)
            | bit(attributes.async_notification, ASYNC_NOTIFICATION)
            | bit(attributes.d3_cold_not_supported, D3_COLD_NOT_SUPPORTED);
        let mut place = Place::new(Some(unit));
        // SAFETY: the extension is live; the address outlives the call.
        UnitAttributesError::check(unsafe { ffi::set_unit_attributes(self.raw(), place.pointer(), bits) })
    }

    /// Passes a device's asynchronous notification on (`StorPortAsyncNotificationDetected`; Windows 8; any IRQL).
    ///
    /// # Errors
    /// See [`NotificationError`].
    pub fn async_notification_detected(
        &self,
        unit: Address,
        notification: AsyncNotification,
    ) -> Result<(), NotificationError> {
        let bit = |set: bool, bit: u32| if set { u64::from(bit) } else { 0 };
        let flags = bit(notification.media_status, RAID_ASYNC_NOTIFY_FLAG_MEDIA_STATUS)
            | bit(notification.device_status, RAID_ASYNC_NOTIFY_FLAG_DEVICE_STATUS)
            | bit(
                notification.device_operation,
                RAID_ASYNC_NOTIFY_FLAG_DEVICE_OPERATION,
            );
        let mut place = Place::new(Some(unit));
        // SAFETY: the extension is live; the address outlives the call.
        NotificationError::check(unsafe {
            ffi::async_notification_detected(self.raw(), place.pointer(), flags)
        })
    }

    /// What the port driver knows of a request (`StorPortGetRequestInfo`; Windows 8; any IRQL).
    ///
    /// # Errors
    /// See [`RequestInfoError`].
    pub fn request_info<S: Stage>(&self, srb: &Srb<'dev, M, S>) -> Result<RequestInfo, RequestInfoError> {
        use wdk_sys::_STOR_IO_PRIORITY_HINT as Hint;
        let mut info = STOR_REQUEST_INFO_V1 {
            Version: u16::try_from(STOR_REQUEST_INFO_VER_1).unwrap_or(0),
            Size: u16::try_from(size_of::<STOR_REQUEST_INFO_V1>()).unwrap_or(0),
            ..Default::default()
        };
        // SAFETY: the extension is live, the SRB is ours, the structure outlives the call.
        RequestInfoError::check(unsafe {
            ffi::get_request_info(self.raw(), srb.pointer(), (&raw mut info).cast())
        })?;
        Ok(RequestInfo {
            priority: match info.PriorityHint {
                Hint::StorIoPriorityVeryLow => PriorityHint::VeryLow,
                Hint::StorIoPriorityLow => PriorityHint::Low,
                Hint::StorIoPriorityNormal => PriorityHint::Normal,
                Hint::StorIoPriorityHigh => PriorityHint::High,
                Hint::StorIoPriorityCritical => PriorityHint::Critical,
                other => PriorityHint::Other(other),
            },
            flags: info.Flags,
            key: info.Key,
            length: info.Length,
            is_write: info.IsWriteRequest != 0,
        })
    }

    /// The activity that a request belongs to, for correlation in event traces (`StorPortGetActivityIdSrb`; Windows 8; any
    /// IRQL).
    ///
    /// # Errors
    /// See [`ActivityIdError`]; unsuccessful if the request has no activity.
    pub fn activity_id<S: Stage>(&self, srb: &Srb<'dev, M, S>) -> Result<Guid, ActivityIdError> {
        let mut id = GUID::default();
        // SAFETY: the extension is live, the SRB is ours, the place outlives the call.
        ActivityIdError::check(unsafe { ffi::get_activity_id(self.raw(), srb.pointer(), &raw mut id) })?;
        Ok(id.into())
    }

    /// The number that the system gave the adapter's port (`StorPortGetSystemPortNumber`; Windows 8).
    ///
    /// # Errors
    /// See [`PortNumberError`]; the device is in the wrong state as long as no number is assigned.
    pub fn system_port_number(&self) -> Result<u16, PortNumberError> {
        let mut place = Place::new(Some(Address {
            path: 0,
            target: 0,
            lun: 0,
        }));
        // SAFETY: the extension is live; the address outlives the call.
        PortNumberError::check(unsafe { ffi::get_system_port_number(self.raw(), place.pointer()) })?;
        Ok(place.port().unwrap_or(0))
    }
}
