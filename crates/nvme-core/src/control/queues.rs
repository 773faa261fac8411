//! From an identified controller to I/O queues: write cache, events, namespaces, number of queues, shadow doorbells, creation
//! (Base 2.0, sections 3.5.1, 5.4, 5.5, 5.8 and 5.27.1.5).

use nvme::admin::{
    QueueLayout, create_completion_queue, create_submission_queue, delete_completion_queue,
    doorbell_buffer_config, get_features, set_async_event_configuration, set_number_of_queues,
};
use nvme::{AsyncEventConfiguration, FeatureId, NumberOfQueues, Status};

use super::config::{ControlConfig, QueuePair};
use super::machine::{Control, State};
use super::{Action, Failure, Outcome, Phase, Tables};

/// SMART critical warnings that are notified: bits 0 to 4, which every controller since 1.0 knows.
const CRITICAL_WARNINGS: u8 = 0x1F;

impl Control {
    pub(super) fn begin_queues(&mut self, tables: &mut Tables<'_>) -> Action {
        let described = u16::try_from(tables.queue_pairs.len()).unwrap_or(u16::MAX);
        self.pairs = self.pairs.min(described).min(self.pairs_with_doorbells());
        if self.pairs == 0 {
            return self.fail(Failure::NoQueuePair);
        }
        if self.info.write_cache_present {
            return self.submit(
                State::WriteCache,
                get_features(FeatureId::VOLATILE_WRITE_CACHE),
                false,
            );
        }
        self.configure_events()
    }

    /// How many I/O queue pairs have their doorbells within the mapped registers.
    fn pairs_with_doorbells(&self) -> u16 {
        let first = ControlConfig::registers_needed(self.capabilities, 0);
        let stride = ControlConfig::registers_needed(self.capabilities, 1).saturating_sub(first);
        let room = self.config.register_bytes.saturating_sub(first);
        u16::try_from(room.checked_div(stride).unwrap_or(0)).unwrap_or(u16::MAX)
    }

    fn configure_events(&mut self) -> Action {
        let configuration = AsyncEventConfiguration::new()
            .with_critical_warnings(CRITICAL_WARNINGS)
            .with_namespace_attribute(self.info.notifies_namespace_changes)
            .with_firmware_activation(self.info.notifies_firmware_activation);
        self.submit(State::Events, set_async_event_configuration(configuration), false)
    }

    pub(super) fn queues_completed(
        &mut self,
        status: Status,
        result: u32,
        tables: &mut Tables<'_>,
    ) -> Action {
        match self.state {
            State::WriteCache => {
                // Where the controller does not tell, the cache counts as enabled: flushing too much is harmless.
                self.info.write_cache_enabled = !status.is_success() || result & 1 != 0;
                self.configure_events()
            }
            State::Events => {
                self.info.events_configured = status.is_success();
                self.begin_scan(tables)
            }
            State::NumberOfQueues => {
                if !status.is_success() {
                    return self.refused(status);
                }
                let granted = NumberOfQueues::from_bits(result).pairs();
                self.pairs = self.pairs.min(u16::try_from(granted).unwrap_or(u16::MAX));
                self.index = 0;
                self.configure_shadow_doorbells(tables)
            }
            State::ShadowDoorbells => {
                // Without them there are the registers.
                self.info.has_shadow_doorbells = status.is_success();
                self.prepare_queue_pair(tables)
            }
            State::CreateCompletionQueue if status.is_success() => self.create_submission_queue(tables),
            State::CreateSubmissionQueue if status.is_success() => {
                self.index = self.index.saturating_add(1);
                self.created = self.index;
                self.prepare_queue_pair(tables)
            }
            // Without the first pair there is no I/O; with it, fewer pairs than wanted will do.
            State::CreateCompletionQueue | State::CreateSubmissionQueue if self.index == 0 => {
                self.refused(status)
            }
            State::CreateSubmissionQueue => {
                let entry = delete_completion_queue(self.queue_id());
                self.submit(State::DeleteOrphan, entry, false)
            }
            _ => self.ready(tables),
        }
    }

    /// The namespaces are known.
    pub(super) fn request_queues(&mut self) -> Action {
        let request = NumberOfQueues::request_pairs(self.pairs);
        self.submit(State::NumberOfQueues, set_number_of_queues(request), false)
    }

    /// Before the queues are made, so that each has its shadow doorbells from its first command on.
    fn configure_shadow_doorbells(&mut self, tables: &Tables<'_>) -> Action {
        let config = self.config;
        if !self.info.supports_shadow_doorbells || !config.has_shadow_doorbells(self.capabilities, self.pairs)
        {
            return self.prepare_queue_pair(tables);
        }
        let entry = doorbell_buffer_config(config.shadow_doorbells, config.event_indices);
        self.submit(State::ShadowDoorbells, entry, false)
    }

    fn prepare_queue_pair(&mut self, tables: &Tables<'_>) -> Action {
        if self.index >= self.pairs {
            return self.ready(tables);
        }
        match self.usable_pair(tables) {
            Some((_, entries)) => {
                let action = Action::PrepareQueuePair {
                    index: self.index,
                    entries,
                    epoch: self.epoch,
                };
                self.perform(State::PrepareQueuePair, action)
            }
            None => self.fail(Failure::QueuePair { index: self.index }),
        }
    }

    fn usable_pair(&self, tables: &Tables<'_>) -> Option<(QueuePair, u16)> {
        let pair = tables.queue_pairs.get(usize::from(self.index))?;
        Some((*pair, pair.usable_entries(self.capabilities)?))
    }

    pub(super) fn create_completion_queue(&mut self, tables: &Tables<'_>) -> Action {
        let Some((pair, entries)) = self.usable_pair(tables) else {
            return self.fail(Failure::QueuePair { index: self.index });
        };
        let layout = QueueLayout {
            id: self.queue_id(),
            address: pair.completion_queue,
            size_zero_based: entries.saturating_sub(1),
        };
        self.queues_begun = true;
        let entry = create_completion_queue(layout, pair.interrupt_vector);
        self.submit(State::CreateCompletionQueue, entry, false)
    }

    fn create_submission_queue(&mut self, tables: &Tables<'_>) -> Action {
        let Some((pair, entries)) = self.usable_pair(tables) else {
            return self.fail(Failure::QueuePair { index: self.index });
        };
        let id = self.queue_id();
        let layout = QueueLayout {
            id,
            address: pair.submission_queue,
            size_zero_based: entries.saturating_sub(1),
        };
        self.submit(
            State::CreateSubmissionQueue,
            create_submission_queue(layout, id),
            false,
        )
    }

    const fn queue_id(&self) -> u16 {
        self.index.saturating_add(1)
    }

    fn ready(&mut self, tables: &Tables<'_>) -> Action {
        self.set_phase(Phase::Ready);
        let outcome = Outcome::Ready {
            pairs: self.created,
            changes: tables.namespaces.last_changes(),
        };
        self.done(outcome)
    }
}
