//! The admin command set (Base 1.4, 5).

use crate::{
    Memory,
    command::{Answer, Command, admin},
    controller::Controller,
    fault::Kind,
    queue::{CompletionQueue, SubmissionQueue},
    status::Status,
};

impl Controller {
    /// Executes an admin command. `None`: it is completed later, or never.
    pub(crate) fn execute_admin(
        &mut self,
        command: &Command,
        memory: &dyn Memory,
        faults: &[Kind],
    ) -> Option<Answer> {
        if command.opcode() == admin::ASYNC_EVENT_REQUEST {
            return self.async_event_request(command);
        }
        let answer = match command.opcode() {
            admin::DELETE_SQ => self.delete_submission_queue(command),
            admin::CREATE_SQ => self.create_submission_queue(command),
            admin::GET_LOG_PAGE => self.get_log_page(command, memory),
            admin::DELETE_CQ => self.delete_completion_queue(command),
            admin::CREATE_CQ => self.create_completion_queue(command),
            admin::IDENTIFY => self.identify(command, memory),
            admin::ABORT => Ok(self.abort(command)),
            admin::SET_FEATURES => self.set_features(command, memory, faults),
            admin::GET_FEATURES => self.get_features(command, memory),
            admin::DOORBELL_BUFFER_CONFIG if self.config.shadow_doorbells => {
                self.configure_shadow_doorbells(command)
            }
            admin::FORMAT_NVM => self.format(command),
            admin::FIRMWARE_COMMIT if self.config.management => self.commit_firmware(command),
            admin::FIRMWARE_IMAGE_DOWNLOAD if self.config.management => {
                self.download_firmware(command, memory)
            }
            admin::SANITIZE if self.config.management => self.begin_sanitize(command),
            admin::SECURITY_SEND if self.config.management => self.security_send(command, memory),
            admin::SECURITY_RECEIVE if self.config.management => self.security_receive(command, memory),
            _ => Err(Status::INVALID_OPCODE),
        };
        Some(answer.unwrap_or_else(Into::into))
    }

    /// Identifier and entries of a queue to be made.
    fn new_queue(&self, command: &Command) -> Result<(u16, u32), Status> {
        let [low, high] = [command.dword(10) & 0xffff, command.dword(10) >> 16];
        let id = u16::try_from(low).unwrap_or(0);
        if id == 0 || id > self.granted_queues {
            return Err(Status::INVALID_QUEUE_ID);
        }
        let entries = high + 1;
        if entries < 2 || entries > self.registers.entries_limit() {
            return Err(Status::INVALID_QUEUE_SIZE);
        }
        // CAP.CQR: physically contiguous only.
        if command.dword(11) & 1 == 0 {
            return Err(Status::INVALID_FIELD);
        }
        if !command.prp1().is_multiple_of(4096) {
            return Err(Status::INVALID_PRP_OFFSET);
        }
        if !self.registers.io_sizes_are_valid() {
            return Err(Status::INVALID_QUEUE_SIZE);
        }
        Ok((id, entries))
    }

    fn create_completion_queue(&mut self, command: &Command) -> Result<Answer, Status> {
        let (id, entries) = self.new_queue(command)?;
        if self.completion.contains_key(&id) {
            return Err(Status::INVALID_QUEUE_ID);
        }
        let interrupts = command.dword(11) & 2 != 0;
        let vector = u16::try_from(command.dword(11) >> 16).unwrap_or(0);
        if interrupts && vector >= self.config.vectors {
            return Err(Status::INVALID_VECTOR);
        }
        let queue = CompletionQueue::new(command.prp1(), entries, interrupts.then_some(vector));
        self.completion.insert(id, queue);
        Ok(Answer::success(0))
    }

    fn create_submission_queue(&mut self, command: &Command) -> Result<Answer, Status> {
        let (id, entries) = self.new_queue(command)?;
        if self.submission.contains_key(&id) {
            return Err(Status::INVALID_QUEUE_ID);
        }
        let completion_queue = u16::try_from(command.dword(11) >> 16).unwrap_or(0);
        if completion_queue == 0 {
            return Err(Status::INVALID_QUEUE_ID);
        }
        if !self.completion.contains_key(&completion_queue) {
            return Err(Status::COMPLETION_QUEUE_INVALID);
        }
        let queue = SubmissionQueue::new(command.prp1(), entries, completion_queue);
        self.submission.insert(id, queue);
        Ok(Answer::success(0))
    }

    fn delete_submission_queue(&mut self, command: &Command) -> Result<Answer, Status> {
        let id = u16::try_from(command.dword(10) & 0xffff).unwrap_or(0);
        if id == 0 || !self.submission.contains_key(&id) {
            return Err(Status::INVALID_QUEUE_ID);
        }
        // What it has in the controller is completed first, as aborted.
        self.abort_queue(id);
        self.submission.remove(&id);
        Ok(Answer::success(0))
    }

    fn delete_completion_queue(&mut self, command: &Command) -> Result<Answer, Status> {
        let id = u16::try_from(command.dword(10) & 0xffff).unwrap_or(0);
        if id == 0 || !self.completion.contains_key(&id) {
            return Err(Status::INVALID_QUEUE_ID);
        }
        if self.submission.values().any(|queue| queue.completion_queue == id) {
            return Err(Status::INVALID_QUEUE_DELETION);
        }
        self.completion.remove(&id);
        Ok(Answer::success(0))
    }

    fn abort(&mut self, command: &Command) -> Answer {
        let queue = u16::try_from(command.dword(10) & 0xffff).unwrap_or(0);
        let id = u16::try_from(command.dword(10) >> 16).unwrap_or(0);
        let aborted = self.abort_command(queue, id)
            || queue == 0 && self.abort_event_request(id) && {
                self.complete(0, id, Status::ABORT_REQUESTED.into(), &[]);
                true
            };
        // Dword 0, bit 0: not aborted.
        Answer::success(u32::from(!aborted))
    }

    fn configure_shadow_doorbells(&mut self, command: &Command) -> Result<Answer, Status> {
        let (shadow, events) = (command.prp1(), command.prp2());
        if !shadow.is_multiple_of(4096) || !events.is_multiple_of(4096) {
            return Err(Status::INVALID_PRP_OFFSET);
        }
        self.shadow = Some((shadow, events));
        Ok(Answer::success(0))
    }

    /// Format NVM: another block size, contents gone.
    fn format(&mut self, command: &Command) -> Result<Answer, Status> {
        let shift = match command.dword(10) & 0xf {
            0 => 9,
            1 => 12,
            _ => return Err(Status::INVALID_FORMAT),
        };
        // User data are erased if that is asked for; there are no keys to delete (FNA bit 2).
        if command.dword(10) >> 9 & 7 > 1 {
            return Err(Status::INVALID_FIELD);
        }
        // No metadata, no protection information.
        if command.dword(10) & 0x1f0 != 0 {
            return Err(Status::INVALID_FORMAT);
        }
        let id = command.namespace();
        let ids: Vec<u32> = if id == u32::MAX {
            self.namespaces.keys().copied().collect()
        } else {
            vec![id]
        };
        for id in ids {
            self.namespace_mut(id)?.format(shift)?;
            self.namespace_changed(id);
        }
        Ok(Answer::success(0))
    }
}
