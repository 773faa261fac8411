//! String instructions: one side may be ordinary memory.
#![expect(unsafe_code, reason = "ordinary memory as the other operand")]

use iced_x86::Register;

use super::{Refusal, registers::write_register, target};
use crate::{
    device::Width,
    memory::pointer,
    trap::{flags, frame::Frame, operation::StringKind, thread, window::mask},
};

/// Runs the whole repetition.
pub(super) fn run(
    frame: &mut Frame,
    site: u64,
    kind: StringKind,
    width: Width,
    repeat: bool,
) -> Result<(), Refusal> {
    const COUNT: usize = 1;
    const SOURCE: usize = 6;
    const DESTINATION: usize = 7;
    let bytes = width.bytes() as u64;
    let step = if frame.rflags & flags::DIRECTION == 0 {
        bytes
    } else {
        bytes.wrapping_neg()
    };
    while !repeat || frame.general[COUNT] != 0 {
        let [source, destination] = [frame.general[SOURCE], frame.general[DESTINATION]];
        let accumulator = frame.general[0] & mask(width);
        match kind {
            StringKind::Move => store(site, destination, width, load(site, source, width)?)?,
            StringKind::Store => store(site, destination, width, accumulator)?,
            StringKind::Load => {
                let value = load(site, source, width)?;
                let register = match width {
                    Width::Byte => Register::AL,
                    Width::Word => Register::AX,
                    Width::Dword => Register::EAX,
                    Width::Qword => Register::RAX,
                };
                write_register(frame, register, value);
            }
        }
        if kind != StringKind::Store {
            frame.general[SOURCE] = source.wrapping_add(step);
        }
        if kind != StringKind::Load {
            frame.general[DESTINATION] = destination.wrapping_add(step);
        }
        if !repeat {
            break;
        }
        frame.general[COUNT] -= 1;
    }
    Ok(())
}

/// Loads from a register or from ordinary memory; a fault there is the driver's.
fn load(site: u64, address: u64, width: Width) -> Result<u64, Refusal> {
    match target(address, width.bytes() as u64) {
        Ok(target) => return Ok(target.read(width) & mask(width)),
        Err(Refusal::Ordinary) => {}
        Err(refusal) => return Err(refusal),
    }
    let mut value = [0; 8];
    thread::set_emulated(site);
    for (index, byte) in value.iter_mut().take(width.bytes()).enumerate() {
        let place = pointer::<u8>(address).wrapping_add(index);
        // SAFETY: the driver's own access, made on its behalf; if nothing is mapped there the fault is reported
        // as the driver's.
        *byte = unsafe { place.read_volatile() };
    }
    thread::set_emulated(0);
    Ok(u64::from_le_bytes(value))
}

/// The counterpart of [`load`].
fn store(site: u64, address: u64, width: Width, value: u64) -> Result<(), Refusal> {
    match target(address, width.bytes() as u64) {
        Ok(target) => {
            target.write(width, value);
            return Ok(());
        }
        Err(Refusal::Ordinary) => {}
        Err(refusal) => return Err(refusal),
    }
    thread::set_emulated(site);
    for (index, byte) in value.to_le_bytes().iter().take(width.bytes()).enumerate() {
        let place = pointer::<u8>(address).wrapping_add(index);
        // SAFETY: as in `load`.
        unsafe { place.write_volatile(*byte) };
    }
    thread::set_emulated(0);
    Ok(())
}
