//! Whether what the driver answered can be.

use super::op::Question;
use crate::torture::plan::Plan;

fn ensure(condition: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(complaint()) }
}

fn number(data: &[u8]) -> usize {
    data.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// The units that a REPORT LUNS answer lists.
pub(super) fn luns(data: &[u8]) -> Result<Vec<u8>, String> {
    let (head, list) = data.split_at_checked(8).ok_or("no header")?;
    ensure(
        number(&head[..4]) == list.len() && list.len().is_multiple_of(8),
        || format!("list length {} of {} bytes", number(&head[..4]), list.len()),
    )?;
    let units: Vec<u8> = list.iter().skip(1).step_by(8).copied().collect();
    ensure(units.is_sorted_by(|a, b| a < b), || {
        format!("the units are {units:?}")
    })?;
    Ok(units)
}

/// Looks at an answer's bytes, those that were transferred.
pub(super) fn judge(question: Question, unit: u8, data: &[u8], plan: &Plan) -> Result<(), String> {
    match question {
        Question::Inquiry => {
            ensure(data.len() == 36, || format!("{} bytes", data.len()))?;
            let away = data[0] == 0x7f && plan.may_be_away(unit);
            ensure(data[0] == 0 || away, || {
                format!("it is no disk: {:#04x}", data[0])
            })?;
            ensure(data[8..].iter().all(|byte| (0x20..0x7f).contains(byte)), || {
                String::from("its names are not printable")
            })
        }
        // No peripheral device is connected, and none ever will be (SPC-4 6.4.2).
        Question::Nobody => ensure(data.first() == Some(&0x7f), || {
            format!("there is a unit: {:?}", data.first())
        }),
        Question::Page(page) => {
            let [_, code, high, low, ..] = *data else {
                return Err(format!("{} bytes", data.len()));
            };
            let length = 4 + number(&[high, low]);
            ensure(code == page && data.len() == length.min(252), || {
                format!("page {code:#04x} of {length} bytes, {} came", data.len())
            })
        }
        Question::Luns => {
            let units = luns(data)?;
            let missing =
                (0..plan.device.backing.units).find(|unit| !units.contains(unit) && !plan.may_be_away(*unit));
            ensure(
                missing.is_none() && units.len() <= plan.device.backing.units.into(),
                || format!("{units:?} are listed"),
            )
        }
        Question::Capacity => {
            ensure(data.len() == 32, || format!("{} bytes", data.len()))?;
            let (last, size) = (number(&data[..8]) as u64, number(&data[8..12]));
            ensure(size == plan.device.backing.block as usize, || {
                format!("blocks of {size} bytes")
            })?;
            let blocks = plan.device.backing.size.unwrap_or(0) / u64::from(plan.device.backing.block);
            ensure(last + 1 == blocks || plan.may_be_resized(unit), || {
                format!("{} blocks of {blocks}", last + 1)
            })
        }
        Question::Caching => {
            let length = data.first_chunk::<2>().map_or(0, |bytes| number(bytes)) + 2;
            ensure(data.len() == length, || {
                format!("{length} bytes of which {} came", data.len())
            })
        }
        Question::Log(page) => {
            ensure(data.len() >= 4 && data[0] & 0x3f == page, || {
                format!("another page, of {} bytes", data.len())
            })?;
            let length = 4 + number(&data[2..4]);
            ensure(data.len() == length.min(252), || {
                format!("{length} bytes of which {} came", data.len())
            })
        }
        Question::Reservations(_) => {
            ensure(data.len() >= 8, || format!("{} bytes", data.len()))?;
            let length = 8 + number(&data[4..8]);
            ensure(data.len() == length.min(252), || {
                format!("{length} bytes of which {} came", data.len())
            })
        }
    }
}
