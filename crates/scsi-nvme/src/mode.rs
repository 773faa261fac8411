//! MODE SENSE (SPC-4; SBC-3 on the Caching mode page; SNTL on both).

use scsi::cdb::{ModeSense, ModeSenseForm};
use scsi::mode::{
    CachingPage, DeviceSpecific, Header6, Header10, LongBlockDescriptor, PageCode, PageControl,
    ShortBlockDescriptor, SubpageCode, control_page, informational_exceptions_page, power_condition_page,
};
use scsi::sense::Sense;
use zerocopy::IntoBytes;

use crate::data_in::DataIn;
use crate::request::{Request, Translation};
use crate::translate::answer;
use crate::unit::{Controller, Namespace};

/// Which block descriptor an answer holds.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Descriptor {
    None,
    Short,
    Long,
}

impl Descriptor {
    const fn of(command: ModeSense) -> Self {
        match command.form {
            _ if command.disable_block_descriptors => Self::None,
            ModeSenseForm::Ten {
                long_lba_accepted: true,
            } => Self::Long,
            ModeSenseForm::Ten {
                long_lba_accepted: false,
            }
            | ModeSenseForm::Six => Self::Short,
        }
    }

    const fn length(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Short => ShortBlockDescriptor::LENGTH,
            Self::Long => LongBlockDescriptor::LENGTH,
        }
    }
}

/// The mode pages, in ascending order, which is that of [`PageCode::ALL`] (SPC-4: page 00h last; there is none).
#[derive(Clone, Copy)]
pub(crate) struct Pages {
    caching: CachingPage,
    control: [u8; 12],
    power_condition: [u8; 40],
    informational_exceptions: [u8; 12],
}

impl Pages {
    /// Their values; there are no defaults to go back to, so that these are the defaults, too.
    pub(crate) const fn current(controller: &Controller) -> Self {
        Self {
            caching: CachingPage::new(controller.volatile_write_cache && controller.write_cache_enabled),
            control: control_page(true),
            power_condition: power_condition_page(),
            informational_exceptions: informational_exceptions_page(true),
        }
    }

    /// Ones where MODE SELECT may change a value: WCE of a cache that there is, and nothing else.
    pub(crate) const fn changeable(controller: &Controller) -> Self {
        Self {
            caching: CachingPage::new(controller.volatile_write_cache),
            control: control_page(false),
            power_condition: power_condition_page(),
            informational_exceptions: informational_exceptions_page(false),
        }
    }

    /// All, each by its code.
    fn all(&self) -> [(PageCode, &[u8]); 4] {
        [
            (PageCode::CACHING, self.caching.as_bytes()),
            (PageCode::CONTROL, &self.control),
            (PageCode::POWER_CONDITION, &self.power_condition),
            (PageCode::INFORMATIONAL_EXCEPTIONS, &self.informational_exceptions),
        ]
    }

    /// The page with that code.
    pub(crate) fn get(&self, code: PageCode) -> Option<&[u8]> {
        let (_, page) = self.all().into_iter().find(|(page, _)| *page == code)?;
        Some(page)
    }
}

/// Answers with header, block descriptor unless disabled, and the page or all pages.
pub(crate) fn mode_sense(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    command: ModeSense,
    data_in: &mut dyn DataIn,
) -> Translation {
    let pages = match command.page_control {
        PageControl::Changeable => Pages::changeable(controller),
        PageControl::Current | PageControl::Default | PageControl::Saved => Pages::current(controller),
    };
    let is_wanted = |code| command.page == PageCode::ALL || command.page == code;
    let wanted = || pages.all().into_iter().filter(|(code, _)| is_wanted(*code));
    let Some(length) = wanted().map(|(_, page)| page.len()).reduce(usize::saturating_add) else {
        return Translation::check_condition(Sense::invalid_field(ModeSense::PAGE_CODE_FIELD));
    };
    if !matches!(command.subpage, SubpageCode::NONE | SubpageCode::ALL) {
        return Translation::check_condition(Sense::invalid_field(ModeSense::SUBPAGE_CODE_FIELD));
    }
    if command.page_control == PageControl::Saved {
        return Translation::check_condition(Sense::SAVING_PARAMETERS_NOT_SUPPORTED);
    }
    let device_specific = DeviceSpecific::new()
        .with_dpofua(true)
        .with_write_protected(namespace.write_protected);
    let descriptor = Descriptor::of(command);
    let (descriptors, length) = (descriptor.length(), u8::try_from(length).unwrap_or(u8::MAX));
    answer(request, u32::from(command.allocation_length), data_in, |answer| {
        match command.form {
            ModeSenseForm::Six => {
                answer.put(Header6::new(device_specific, descriptors, length).as_bytes());
            }
            ModeSenseForm::Ten { .. } => {
                let long_lba = descriptor == Descriptor::Long;
                answer.put(Header10::new(device_specific, long_lba, descriptors, length).as_bytes());
            }
        }
        let (blocks, block_length) = (namespace.blocks(), namespace.block_length());
        match descriptor {
            Descriptor::None => {}
            Descriptor::Short => answer.put(ShortBlockDescriptor::new(blocks, block_length).as_bytes()),
            Descriptor::Long => answer.put(LongBlockDescriptor::new(blocks, block_length).as_bytes()),
        }
        for (_, page) in wanted() {
            answer.put(page);
        }
    })
}
