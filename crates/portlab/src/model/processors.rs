//! Processors, groups and nodes, as the driver is told of them: one group, one node, one package.

use super::{limits::status, machine::Machine, rules};
use crate::{
    abi::{
        codes::stor_status,
        exports::Arguments,
        guest,
        performance::{GroupAffinity, ProcessorNumber},
    },
    engine::Context,
};

/// `LOGICAL_PROCESSOR_RELATIONSHIP`.
const RELATION_PROCESSOR_CORE: u32 = 0;
const RELATION_NUMA_NODE: u32 = 1;
const RELATION_PROCESSOR_PACKAGE: u32 = 3;
const RELATION_GROUP: u32 = 4;

/// A `SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX` record: relationship, length, then the relationship's own structure.
fn record(relationship: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap_or(u32::MAX);
    [&relationship.to_le_bytes(), &length.to_le_bytes(), body].concat()
}

fn group_affinity(mask: u64) -> Vec<u8> {
    [mask.to_le_bytes(), [0; 8]].concat()
}

/// `PROCESSOR_RELATIONSHIP`: flags, efficiency class, 20 reserved bytes, count, masks.
fn processors(mask: u64) -> Vec<u8> {
    [vec![0; 22], 1_u16.to_le_bytes().to_vec(), group_affinity(mask)].concat()
}

/// `NUMA_NODE_RELATIONSHIP`: number, 20 reserved bytes, mask.
fn node(mask: u64) -> Vec<u8> {
    [vec![0; 24], group_affinity(mask)].concat()
}

/// `GROUP_RELATIONSHIP`: two counts, 20 reserved bytes, and of one group: two counts, 38 reserved bytes, mask.
fn group(mask: u64) -> Vec<u8> {
    let count = u8::try_from(mask.count_ones()).unwrap_or(u8::MAX);
    let counts = [1_u16.to_le_bytes(), 1_u16.to_le_bytes()].concat();
    [
        counts,
        vec![0; 20],
        vec![count; 2],
        vec![0; 38],
        mask.to_le_bytes().to_vec(),
    ]
    .concat()
}

impl Machine {
    /// `StorPortGetCurrentProcessorNumber(HwDeviceExtension, ProcNumber)`.
    pub(super) fn get_current_processor_number(&self, arguments: Arguments) -> u32 {
        let number = ProcessorNumber {
            number: u8::try_from(Context::processor()).unwrap_or(u8::MAX),
            ..Default::default()
        };
        self.answer(arguments, 2, &number)
    }

    /// `StorPortGetGroupAffinity(HwDeviceExtension, GroupNumber, GroupAffinityMask)`.
    pub(super) fn get_group_affinity(&self, arguments: Arguments) -> u32 {
        let group = arguments.get(2).to_le_bytes();
        if (group[0], group[1]) != (0, 0) {
            self.violate(&rules::BAD_PARAMETER, || {
                format!(
                    "group {} does not exist",
                    u16::from_le_bytes([group[0], group[1]])
                )
            });
            return stor_status::INVALID_PARAMETER;
        }
        self.answer(arguments, 3, &self.all_processors())
    }

    /// `StorPortGetNodeAffinity(HwDeviceExtension, NodeNumber, NodeAffinityMask)`.
    pub(super) fn get_node_affinity(&self, arguments: Arguments) -> u32 {
        if arguments.u32(2) != 0 {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("node {} does not exist", arguments.u32(2))
            });
            return stor_status::INVALID_PARAMETER;
        }
        let affinity = GroupAffinity {
            mask: self.all_processors(),
            ..Default::default()
        };
        self.answer(arguments, 3, &affinity)
    }

    /// `StorPortGetProcessorIndexFromNumber(HwDeviceExtension, ProcNumber, ProcIndex)`.
    pub(super) fn get_processor_index(&self, arguments: Arguments) -> u32 {
        let number = arguments.pointer(2);
        if number == 0 {
            return status(self.not_null("ProcNumber", number).map(|()| 0));
        }
        let number: ProcessorNumber = guest::read(number);
        self.answer(arguments, 3, &u32::from(number.number))
    }

    /// Affinity mask of all virtual processors.
    pub(super) fn all_processors(&self) -> u64 {
        1_u64
            .checked_shl(self.engine.processors())
            .map_or(u64::MAX, |bit| bit - 1)
    }

    /// `StorPortGetLogicalProcessorRelationship(HwDeviceExtension, ProcessorNumber, RelationshipType, Information,
    /// *Length)`.
    pub(super) fn get_logical_processor_relationship(&self, arguments: Arguments) -> u32 {
        let (number, relationship) = (arguments.pointer(2), arguments.u32(3));
        let (out, length) = (arguments.pointer(4), arguments.pointer(5));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Length", length)?;
            let one = (number != 0).then(|| guest::read::<ProcessorNumber>(number));
            if one.is_some_and(|one| one.group != 0 || u32::from(one.number) >= self.engine.processors()) {
                self.violate(&rules::BAD_PARAMETER, || format!("there is no processor {one:?}"));
                return Err(stor_status::INVALID_PARAMETER);
            }
            let Some(bytes) = self.relationship(relationship, one) else {
                self.not_modelled(&format!("logical processor relationship {relationship}"));
                return Err(stor_status::NOT_IMPLEMENTED);
            };
            let room: u32 = guest::read(length);
            guest::write(length, &u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            if (room as usize) < bytes.len() {
                return Err(stor_status::BUFFER_TOO_SMALL);
            }
            self.not_null("Information", out)?;
            guest::write_bytes(out, &bytes);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// Records of `SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX`; `None` for a relationship that the model lacks.
    pub(super) fn relationship(&self, relationship: u32, one: Option<ProcessorNumber>) -> Option<Vec<u8>> {
        let all = self.all_processors();
        Some(match relationship {
            RELATION_PROCESSOR_CORE => (0..self.engine.processors())
                .filter(|&index| one.is_none_or(|one| u32::from(one.number) == index))
                .flat_map(|index| record(relationship, &processors(1 << index)))
                .collect(),
            RELATION_NUMA_NODE => record(relationship, &node(all)),
            RELATION_PROCESSOR_PACKAGE => record(relationship, &processors(all)),
            RELATION_GROUP => record(relationship, &group(all)),
            _ => return None,
        })
    }

    /// `StorPortGetProcessorCount(HwDeviceExtension, *ProcessorCount)`.
    pub(super) fn get_processor_count(&self, arguments: Arguments) -> u32 {
        self.answer_number(arguments, "ProcessorCount", self.engine.processors())
    }

    /// `StorPortGetCurrentProcessorIndex(HwDeviceExtension, *ProcessorIndex)`: no page; a published port driver has it so.
    pub(super) fn get_current_processor_index(&self, arguments: Arguments) -> u32 {
        self.answer_number(arguments, "ProcessorIndex", Context::processor())
    }

    fn answer_number(&self, arguments: Arguments, name: &str, number: u32) -> u32 {
        let out = arguments.pointer(2);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null(name, out)?;
            guest::write(out, &number);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortGetNodeAffinity2(HwDeviceExtension, NodeNumber, GroupAffinities, Count, *Required)`.
    pub(super) fn get_node_affinity2(&self, arguments: Arguments) -> u32 {
        let (affinities, count, required) = (
            arguments.pointer(3),
            arguments.u32(4) & 0xFFFF,
            arguments.pointer(5),
        );
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("GroupAffinitiesCountRequired", required)?;
            if arguments.u32(2) != 0 {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("node {} does not exist", arguments.u32(2))
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            guest::write(required, &1_u16);
            if count == 0 || affinities == 0 {
                return Err(stor_status::BUFFER_TOO_SMALL);
            }
            let affinity = GroupAffinity {
                mask: self.all_processors(),
                ..Default::default()
            };
            guest::write(affinities, &affinity);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortGetMessageInterruptIDFromProcessorIndex(HwDeviceExtension, ProcessorIndex, *MessageInterruptID)`.
    pub(super) fn get_message_of_processor(&self, arguments: Arguments) -> u32 {
        let (index, out) = (arguments.u32(2), arguments.pointer(3));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("MessageInterruptID", out)?;
            let messages = self.setup().messages;
            let found = (0..messages).find(|&message| self.target_of(message) == index);
            let message = found.ok_or(stor_status::INVALID_PARAMETER)?;
            guest::write(out, &u32::from(message));
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortSetSystemGroupAffinityThread(HwDeviceExtension, ThreadContext, Affinity, PreviousAffinity)`. System
    /// threads of the lab are on no virtual processor, so that every legal affinity holds already.
    pub(super) fn set_thread_affinity(&self, arguments: Arguments) -> u32 {
        let (affinity, previous) = (arguments.pointer(3), arguments.pointer(4));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Affinity", affinity)?;
            let wanted: GroupAffinity = guest::read(affinity);
            let all = self.all_processors();
            if wanted.group != 0 || wanted.mask & all == 0 || wanted.reserved != [0; 3] {
                self.violate(&rules::BAD_PARAMETER, || format!("{wanted:x?} of {all:#x}"));
                return Err(stor_status::INVALID_PARAMETER);
            }
            let before = self.thread_affinity.lock().replace(wanted);
            if previous != 0 {
                guest::write(previous, &before.unwrap_or_default());
            }
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortRevertToUserGroupAffinityThread(HwDeviceExtension, ThreadContext, PreviousAffinity)`.
    pub(super) fn revert_thread_affinity(&self, arguments: Arguments) -> u32 {
        let previous = arguments.pointer(3);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("PreviousAffinity", previous)?;
            if self.thread_affinity.lock().take().is_none() {
                self.violate(&rules::BAD_PARAMETER, || {
                    String::from("the thread's affinity was not set")
                });
                return Err(stor_status::UNSUCCESSFUL);
            }
            Ok(stor_status::SUCCESS)
        })())
    }
}
