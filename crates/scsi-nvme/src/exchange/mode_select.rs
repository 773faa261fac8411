//! MODE SELECT (SPC-4; SNTL on the same commands): one value can be changed, WCE, by Set Features.

use nvme::admin;
use scsi::cdb;
use scsi::mode::PageCode;
use scsi::sense::Sense;

use super::{Command, Data, DataOut, Exchange, Kind, Next};
use crate::mode::Pages;
use crate::request::{Request, Translation};
use crate::unit::{Controller, Namespace};

/// Pages that one list may hold, counting repetitions.
const MOST_PAGES: usize = 16;
/// The longest page that there is: Power Condition.
const LONGEST_PAGE: usize = 40;

/// MODE SELECT under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub(super) struct ModeSelect {
    ten: bool,
    list_length: u16,
    has_cache: bool,
    cache_enabled: bool,
    enable: bool,
}

impl Exchange {
    /// MODE SELECT.
    pub(crate) fn mode_select(
        request: &Request<'_>,
        controller: &Controller,
        namespace: &Namespace,
        command: cdb::ModeSelect,
    ) -> Translation {
        if !command.page_format {
            return Translation::check_condition(Sense::invalid_field(cdb::ModeSelect::PAGE_FORMAT_FIELD));
        }
        if command.save {
            return Translation::check_condition(Sense::invalid_field(cdb::ModeSelect::SAVE_FIELD));
        }
        if command.parameter_list_length == 0 {
            return Translation::GOOD;
        }
        let state = ModeSelect {
            ten: command.ten,
            list_length: command.parameter_list_length,
            has_cache: controller.volatile_write_cache,
            cache_enabled: controller.write_cache_enabled,
            enable: false,
        };
        let too_short = Translation::check_condition(Sense::PARAMETER_LIST_LENGTH_ERROR);
        let bytes = u32::from(command.parameter_list_length);
        Self::with_data_out(request, namespace, bytes, too_short, Kind::ModeSelect(state))
    }
}

impl ModeSelect {
    pub(super) fn begin(&mut self, data: &mut dyn DataOut) -> Next {
        let controller = Controller {
            serial_number: [0; 20],
            model_number: [0; 40],
            firmware_revision: [0; 8],
            volatile_write_cache: self.has_cache,
            write_cache_enabled: self.cache_enabled,
            max_transfer_bytes: 0,
            features: crate::Features::default(),
        };
        match self.wanted(&controller, data) {
            Err(sense) => Next::check_condition(sense),
            Ok(Some(enable)) => {
                self.enable = enable;
                Next::Submit(Command::admin(
                    admin::set_volatile_write_cache(enable),
                    Data::None,
                    0,
                ))
            }
            Ok(None) => Next::Done {
                transferred: u32::from(self.list_length),
            },
        }
    }

    pub(super) fn done(&mut self) -> Next {
        Next::CacheSet {
            transferred: u32::from(self.list_length),
            enabled: self.enable,
        }
    }

    /// Checks the list, all of it before anything is changed; `Some`: what WCE is to be.
    fn wanted(self, controller: &Controller, data: &mut dyn DataOut) -> Result<Option<bool>, Sense> {
        let (header, descriptors_at) = if self.ten { (8, 6) } else { (4, 3) };
        let list_length = usize::from(self.list_length);
        let mut descriptors = [0_u8; 2];
        let target = if self.ten {
            descriptors.as_mut_slice()
        } else {
            descriptors.get_mut(1..).unwrap_or_default()
        };
        if list_length < header || data.read(descriptors_at, target) != target.len() {
            return Err(Sense::PARAMETER_LIST_LENGTH_ERROR);
        }
        let descriptors = usize::from(u16::from_be_bytes(descriptors));
        // One block descriptor at most; what it says about the format is not taken.
        if !matches!(descriptors, 0 | 8 | 16) {
            return Err(Sense::INVALID_FIELD_IN_PARAMETER_LIST);
        }
        let (current, changeable) = (Pages::current(controller), Pages::changeable(controller));
        let mut at = header.saturating_add(descriptors);
        let mut wanted = None;
        for _ in 0..MOST_PAGES {
            if at == list_length {
                return Ok(wanted);
            }
            let mut head = [0_u8; 1];
            let mut page = [0_u8; LONGEST_PAGE];
            data.read(at, &mut head);
            let code = PageCode(head.first().copied().unwrap_or(0) & 0x3F);
            let (Some(now), Some(mask)) = (current.get(code), changeable.get(code)) else {
                return Err(Sense::INVALID_FIELD_IN_PARAMETER_LIST);
            };
            let end = at.saturating_add(now.len());
            let Some(page) = page.get_mut(..now.len()).filter(|_| end <= list_length) else {
                return Err(Sense::PARAMETER_LIST_LENGTH_ERROR);
            };
            if data.read(at, page) != page.len() {
                return Err(Sense::PARAMETER_LIST_LENGTH_ERROR);
            }
            let is_kept =
                page.iter()
                    .zip(now.iter().zip(mask))
                    .enumerate()
                    .all(|(index, (is, (now, mask)))| {
                        // PS is reserved here; page code and length are no values to be changed.
                        let mask = if index == 0 {
                            0x80
                        } else if index == 1 {
                            0
                        } else {
                            *mask
                        };
                        (is ^ now) & !mask == 0
                    });
            if !is_kept {
                return Err(Sense::INVALID_FIELD_IN_PARAMETER_LIST);
            }
            if code == PageCode::CACHING && self.has_cache {
                const WCE: u8 = 0x04;
                wanted = page.get(2).map(|flags| flags & WCE != 0);
            }
            at = end;
        }
        Err(Sense::INVALID_FIELD_IN_PARAMETER_LIST)
    }
}
