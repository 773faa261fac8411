//! MODE SENSE (SPC-4; SBC-3 on the Caching mode page; SNTL on both).

use scsi::cdb::{ModeSense, ModeSenseForm};
use scsi::mode::{
    CachingPage, DeviceSpecific, Header6, Header10, LongBlockDescriptor, PageCode, PageControl,
    ShortBlockDescriptor, SubpageCode,
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

/// Answers with header, block descriptor unless disabled, and the Caching page, the only one there is.
pub(crate) fn mode_sense(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    command: ModeSense,
    data_in: &mut dyn DataIn,
) -> Translation {
    if !matches!(command.page, PageCode::CACHING | PageCode::ALL) {
        return Translation::check_condition(Sense::invalid_field(ModeSense::PAGE_CODE_FIELD));
    }
    if !matches!(command.subpage, SubpageCode::NONE | SubpageCode::ALL) {
        return Translation::check_condition(Sense::invalid_field(ModeSense::SUBPAGE_CODE_FIELD));
    }
    let write_cache_enable = match command.page_control {
        // There is no MODE SELECT, hence the default is what is.
        PageControl::Current | PageControl::Default => {
            controller.volatile_write_cache && controller.write_cache_enabled
        }
        PageControl::Changeable => false,
        PageControl::Saved => return Translation::check_condition(Sense::SAVING_PARAMETERS_NOT_SUPPORTED),
    };
    let device_specific = DeviceSpecific::new()
        .with_dpofua(true)
        .with_write_protected(namespace.write_protected);
    let descriptor = Descriptor::of(command);
    let (descriptors, pages) = (descriptor.length(), CachingPage::LENGTH);
    answer(request, u32::from(command.allocation_length), data_in, |answer| {
        match command.form {
            ModeSenseForm::Six => {
                answer.put(Header6::new(device_specific, descriptors, pages).as_bytes());
            }
            ModeSenseForm::Ten { .. } => {
                let long_lba = descriptor == Descriptor::Long;
                answer.put(Header10::new(device_specific, long_lba, descriptors, pages).as_bytes());
            }
        }
        let (blocks, block_length) = (namespace.blocks(), namespace.block_length());
        match descriptor {
            Descriptor::None => {}
            Descriptor::Short => answer.put(ShortBlockDescriptor::new(blocks, block_length).as_bytes()),
            Descriptor::Long => answer.put(LongBlockDescriptor::new(blocks, block_length).as_bytes()),
        }
        answer.put(CachingPage::new(write_cache_enable).as_bytes());
    })
}
