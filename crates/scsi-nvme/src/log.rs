//! LOG SENSE (SPC-4; SNTL on the same command): pages made of the health log.

use nvme::log::{SMART_LOG_SIZE, SmartLog};
use scsi::cdb::LogSense;
use scsi::sense::Sense;

use crate::data_in::{Answer, DataIn};
use crate::exchange::{Area, Exchange};
use crate::request::{Request, Translation};
use crate::translate::answer;
use crate::unit::Namespace;

const SUPPORTED_PAGES: u8 = 0x00;
const TEMPERATURE: u8 = 0x0D;
const INFORMATIONAL_EXCEPTIONS: u8 = 0x2F;
const SUPPORTED: [u8; 3] = [SUPPORTED_PAGES, TEMPERATURE, INFORMATIONAL_EXCEPTIONS];

/// A log page that waits for the health log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LogPage {
    temperature: bool,
    parameter_pointer: u16,
    allocation_length: u16,
}

/// LOG SENSE.
pub(crate) fn log_sense(
    request: &Request<'_>,
    namespace: &Namespace,
    command: LogSense,
    data_in: &mut dyn DataIn,
) -> Translation {
    if command.save {
        return Translation::check_condition(Sense::invalid_field(LogSense::SAVE_FIELD));
    }
    if command.subpage != 0 {
        return Translation::check_condition(Sense::invalid_field(LogSense::SUBPAGE_CODE_FIELD));
    }
    // The greatest parameter code of each page.
    let last = match command.page {
        SUPPORTED_PAGES | INFORMATIONAL_EXCEPTIONS => 0,
        TEMPERATURE => 1,
        _ => return Translation::check_condition(Sense::invalid_field(LogSense::PAGE_CODE_FIELD)),
    };
    if command.parameter_pointer > last {
        return Translation::check_condition(Sense::invalid_field(LogSense::PARAMETER_POINTER_FIELD));
    }
    if command.page == SUPPORTED_PAGES {
        return answer(request, u32::from(command.allocation_length), data_in, |answer| {
            answer.put(&header(SUPPORTED_PAGES, 3));
            answer.put(&SUPPORTED);
        });
    }
    let page = LogPage {
        temperature: command.page == TEMPERATURE,
        parameter_pointer: command.parameter_pointer,
        allocation_length: command.allocation_length,
    };
    Exchange::log(request, namespace, page)
}

const fn header(page: u8, length: u8) -> [u8; 4] {
    [page, 0, 0, length]
}

/// Kelvins as the pages have it: degrees Celsius, 0 below, 255 for "not known".
fn celsius(kelvins: u16) -> u8 {
    const ZERO_CELSIUS: u16 = 273;
    const UNKNOWN: u8 = 0xFF;
    match kelvins {
        0 => UNKNOWN,
        _ => u8::try_from(kelvins.saturating_sub(ZERO_CELSIUS))
            .map_or(UNKNOWN - 1, |degrees| degrees.min(UNKNOWN - 1)),
    }
}

/// ADDITIONAL SENSE CODE and qualifier of what the health log warns of: 0Bh/01h, temperature; 5Dh/00h, a failure is to be
/// expected; none.
const fn exception(critical_warning: u8) -> [u8; 2] {
    const TEMPERATURE: u8 = 1 << 1;
    const OTHERS: u8 = 0x3D;
    if critical_warning & OTHERS != 0 {
        [0x5D, 0x00]
    } else if critical_warning & TEMPERATURE != 0 {
        [0x0B, 0x01]
    } else {
        [0, 0]
    }
}

impl LogPage {
    pub(crate) fn allocation_length(self) -> u32 {
        u32::from(self.allocation_length)
    }

    /// The page; the health log lies in the area.
    pub(crate) fn write(self, area: &dyn Area, answer: &mut Answer<'_>) {
        // DU and TSD set, format "binary list" (SPC-4, "Log parameters").
        const CONTROL: u8 = 0x03;
        let mut bytes = [0; SMART_LOG_SIZE];
        area.read(0, &mut bytes);
        let log = SmartLog::new(&bytes);
        let temperature = celsius(log.temperature_kelvins());
        if self.temperature {
            let parameters = [[0, 0, CONTROL, 2, 0, temperature], [0, 1, CONTROL, 2, 0, 0xFF]];
            let parameters = parameters
                .get(usize::from(self.parameter_pointer)..)
                .unwrap_or_default();
            let parameters = parameters.as_flattened();
            answer.put(&header(TEMPERATURE, u8::try_from(parameters.len()).unwrap_or(0)));
            answer.put(parameters);
        } else {
            let [code, qualifier] = exception(log.critical_warning());
            answer.put(&header(INFORMATIONAL_EXCEPTIONS, 8));
            answer.put(&[0, 0, CONTROL, 4, code, qualifier, temperature, 0]);
        }
    }
}
