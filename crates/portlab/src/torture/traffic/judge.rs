//! What a request's end says, and whether it may end so.

use super::{
    super::{ledger::Ended, pattern},
    ESCALATION, POISON, Traffic, TrafficError, WATCHED, answers,
    op::{Flight, Op, Question},
};
use crate::{
    abi::srb,
    model::{DataBuffer, Outcome},
    workload::status::{INVALID_FIELD, INVALID_OPCODE, Sense, Verdict, scsi},
};

/// MISCOMPARE DURING VERIFY OPERATION.
const MISCOMPARE: Sense = Sense {
    key: 0xe,
    code: 0x1d,
    qualifier: 0,
};
/// The sense key ILLEGAL REQUEST.
const ILLEGAL_REQUEST: u8 = 5;

impl Traffic<'_> {
    pub(super) fn judge(&mut self, flight: &Flight, outcome: &Outcome) -> Result<(), TrafficError> {
        self.notice_power_cuts();
        let what = || flight.to_string();
        let verdict = outcome.verdict();
        let done = verdict == Verdict::Done;
        if done {
            judge_length(flight, outcome)?;
        }
        let is_compared = matches!(flight.op, Op::CompareAndWrite { .. });
        if let Some(version) = flight.writes()
            && !(is_compared && outcome.sense_code() == Some(MISCOMPARE))
        {
            let how = if done && !flight.is_unsure() {
                Ended::Acknowledged {
                    durable: flight.is_through() || !self.plan.device.cache,
                }
            } else {
                Ended::Uncertain
            };
            let ledger = &mut self.ledgers[usize::from(flight.unit)];
            ledger.written(flight.block, flight.count, version, flight.begun, how);
        }
        if let Op::CompareAndWrite { equal, .. } = flight.op {
            self.judge_comparison(flight, outcome, equal, done)?;
        }
        match flight.op {
            Op::Flush if done => self.ledgers[usize::from(flight.unit)].flushed(flight.begun),
            Op::Read if done && !flight.changing => {
                let size = self.plan.device.backing.block as usize;
                let data = flight.buffer.as_ref().map(DataBuffer::to_vec).unwrap_or_default();
                let ledger = &mut self.ledgers[usize::from(flight.unit)];
                for (block, piece) in (flight.block..).zip(data.chunks_exact(size)) {
                    let found = pattern::recognize(piece, flight.unit, block);
                    let lost = ledger.read(block, flight.begun, found);
                    lost.map_err(|lost| TrafficError::Data(what(), lost))?;
                }
            }
            Op::Ask(question) if done && !flight.changing => {
                let mut data = flight.buffer.as_ref().map(DataBuffer::to_vec).unwrap_or_default();
                data.truncate(usize::try_from(outcome.transferred).unwrap_or(0));
                answers::judge(question, flight.unit, &data, self.plan)
                    .map_err(|why| TrafficError::Answer { what: what(), why })?;
                if question == Question::Luns {
                    self.listed = answers::luns(&data).ok();
                }
            }
            _ => {}
        }
        self.watch(flight)?;
        if outcome.elapsed > self.plan.timeout + ESCALATION {
            return Err(TrafficError::Late {
                what: what(),
                elapsed: outcome.elapsed,
            });
        }
        let answered = done || self.is_an_answer(flight, outcome);
        match verdict {
            _ if answered => self.tally.succeeded += 1,
            Verdict::Retry(_) => self.tally.retried += 1,
            _ => self.tally.failed += 1,
        }
        if answered || self.may_end(flight.unit, verdict, outcome) {
            return Ok(());
        }
        Err(TrafficError::Failed {
            what: what(),
            outcome: outcome.to_string(),
        })
    }

    fn judge_comparison(
        &self,
        flight: &Flight,
        outcome: &Outcome,
        equal: bool,
        done: bool,
    ) -> Result<(), TrafficError> {
        let ledger = &self.ledgers[usize::from(flight.unit)];
        let how = match outcome.sense_code() {
            _ if flight.changing => return Ok(()),
            Some(MISCOMPARE) if equal && ledger.is_after_cut(flight.begun) => "found something else",
            _ if done && !equal => "found what the block does not hold",
            _ => return Ok(()),
        };
        Err(TrafficError::Compared {
            what: flight.to_string(),
            how,
        })
    }

    /// The buffer is somebody else's memory now: a device that still reads it, reads nonsense; one that writes it, shows.
    fn watch(&mut self, flight: &Flight) -> Result<(), TrafficError> {
        // What is changing shows nothing.
        if let Some(buffer) = flight.buffer.as_ref().filter(|_| !flight.changing) {
            buffer.fill(POISON);
            self.watched.push_back((buffer.clone(), flight.to_string()));
            if self.watched.len() > WATCHED {
                self.look_at_buffers()?;
                self.watched.drain(..WATCHED / 2);
            }
        }
        Ok(())
    }

    /// Whether an end without success is what was asked for.
    fn is_an_answer(&self, flight: &Flight, outcome: &Outcome) -> bool {
        let sense = outcome.sense_code();
        let refused = sense.is_some_and(|sense| sense.key == ILLEGAL_REQUEST);
        match flight.op {
            Op::Ask(Question::Nobody) => outcome.is_absent(),
            Op::CompareAndWrite { .. } if sense == Some(MISCOMPARE) => true,
            // The driver saw the list as it was at one moment or another, and what was written is not what it is compared with.
            _ if flight.changing && (refused || sense == Some(MISCOMPARE)) => true,
            // No pair of queues for exchanges: then nothing can be unmapped, either.
            Op::WriteSame { unmap: true, .. }
                if self.plan.may_lack_queues() && sense == Some(INVALID_FIELD) =>
            {
                true
            }
            op if op.is_exchange() && self.plan.may_lack_queues() && sense == Some(INVALID_OPCODE) => true,
            Op::Reserve(_) => outcome.scsi_status == scsi::RESERVATION_CONFLICT,
            _ => false,
        }
    }

    /// Whether the plan excuses an end without success.
    fn may_end(&self, unit: u8, verdict: Verdict, outcome: &Outcome) -> bool {
        let excuses = &self.plan.excuses;
        match verdict {
            Verdict::Retry(_) => !self.plan.is_quiet() || self.gone,
            _ => {
                self.gone
                    || excuses.adapter
                    || self.is_excused(unit)
                    || excuses.errors && outcome.srb_status == srb::status::ERROR
            }
        }
    }

    /// The buffers that came back hold what was put there since.
    pub(super) fn look_at_buffers(&self) -> Result<(), TrafficError> {
        for (buffer, whose) in &self.watched {
            if buffer.to_vec().iter().any(|byte| *byte != POISON) {
                return Err(TrafficError::WrittenAfterwards(whose.clone()));
            }
        }
        Ok(())
    }
}

fn judge_length(flight: &Flight, outcome: &Outcome) -> Result<(), TrafficError> {
    let length = flight.buffer.as_ref().map_or(0, DataBuffer::len);
    let expected = u32::try_from(length).unwrap_or(0);
    let right = match flight.op {
        // An answer may be shorter.
        Op::Ask(_) => outcome.transferred <= expected,
        _ => outcome.transferred == expected || length == 0,
    };
    if right {
        return Ok(());
    }
    Err(TrafficError::Short {
        what: flight.to_string(),
        moved: outcome.transferred,
        expected,
    })
}

impl Flight {
    /// Its success does not say what was written: the driver took the list at a moment nobody knows.
    fn is_unsure(&self) -> bool {
        self.changing && matches!(self.op, Op::Unmap { .. })
    }

    /// What it writes is on the medium when it succeeds.
    const fn is_through(&self) -> bool {
        matches!(
            self.op,
            Op::Write { through: true, .. } | Op::WriteAndVerify { .. }
        )
    }
}
