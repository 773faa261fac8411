//! Telling an observer what happens: the one seam between the model and whoever watches.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use super::{
    activity::{self, Activity},
    machine::Machine,
    requests::{Command, PortRequest},
};
use crate::{
    abi::GuestAddress,
    device::Device,
    engine::{Context, Engine, Irql},
    observe::{Event, Moment, Observer, Place, Submitted, scsi},
};

/// Whoever watches, if anybody does.
#[derive(Clone, Default)]
pub(super) struct Observation(Option<Arc<Watch>>);

struct Watch {
    observer: Arc<dyn Observer>,
    /// Its clock. A device that outlives the machine may still tell.
    engine: Weak<dyn Engine>,
    /// Numbers of system threads that run a callback.
    threads: Mutex<BTreeSet<u32>>,
}

/// What [`Machine::callback_begins`] began.
pub(super) struct Begun(Option<Place>);

impl Observation {
    pub(super) fn new(observer: Option<Arc<dyn Observer>>, engine: &Arc<dyn Engine>) -> Self {
        Self(observer.map(|observer| {
            Arc::new(Watch {
                observer,
                engine: Arc::downgrade(engine),
                threads: Mutex::default(),
            })
        }))
    }

    /// Tells what happened. Without an observer nothing is made to be told.
    #[inline]
    pub(super) fn tell<'a>(&self, event: impl FnOnce() -> Event<'a>) {
        if let Some(watch) = &self.0 {
            watch.tell(&event());
        }
    }

    /// Has `device` tell too.
    pub(super) fn watch(&self, device: &dyn Device) {
        if self.0.is_some() {
            let observation = self.clone();
            device.observe(Some(Arc::new(move |event| {
                observation.tell(|| Event::Device(event));
            })));
        }
    }

    /// Ends what [`Observation::watch`] began.
    pub(super) fn unwatch(&self, device: &dyn Device) {
        if self.0.is_some() {
            device.observe(None);
        }
    }
}

impl Watch {
    #[cold]
    fn tell(&self, event: &Event<'_>) {
        if let Some(engine) = self.engine.upgrade() {
            let moment = Moment {
                at: engine.now(),
                place: activity::place(),
            };
            self.observer.observe(&moment, event);
        }
    }

    fn place(&self, irql: Irql) -> Place {
        if irql >= Irql::DISPATCH {
            return Place::Processor(Context::processor());
        }
        if let Some(Place::Thread(number)) = activity::place() {
            return Place::Thread(number);
        }
        let mut threads = self.threads.lock();
        let number = (0..=u32::MAX)
            .find(|number| !threads.contains(number))
            .unwrap_or(0);
        threads.insert(number);
        Place::Thread(number)
    }
}

impl Machine {
    /// The callback that was entered is about to be called.
    #[inline]
    pub(super) fn callback_begins(&self, activity: Activity, irql: Irql, arguments: &[u64]) -> Begun {
        match &self.observation.0 {
            None => Begun(None),
            Some(watch) => self.tell_callback(watch, activity, irql, arguments),
        }
    }

    #[cold]
    fn tell_callback(&self, watch: &Watch, activity: Activity, irql: Irql, arguments: &[u64]) -> Begun {
        let place = watch.place(irql);
        // The outer callback of a thread keeps the thread's number.
        let owns = activity::place() != Some(place);
        activity::set_place(place);
        let request = match (activity, arguments) {
            (Activity::BuildIo | Activity::StartIo, [_, srb, ..]) => self.requests.owned(*srb),
            _ => None,
        };
        watch.tell(&Event::CallbackBegins {
            callback: activity.to_string(),
            irql: irql.0,
            request: request.map(|request| request.id),
            locks: Context::held_names().iter().map(ToString::to_string).collect(),
        });
        Begun(owns.then_some(place))
    }

    /// The callback returned; it has not been left yet.
    #[inline]
    pub(super) fn callback_ends(&self, begun: &Begun) {
        self.observation.tell(|| Event::CallbackEnds);
        if let (Some(watch), Some(Place::Thread(number))) = (&self.observation.0, begun.0) {
            watch.threads.lock().remove(&number);
        }
    }

    /// A request was submitted.
    #[inline]
    pub(super) fn tell_submitted(&self, request: &PortRequest) {
        if self.observation.0.is_some() {
            let cdb: &[u8] = match &request.command {
                Command::Scsi(cdb) => cdb,
                _ => &[],
            };
            let name = match &request.command {
                Command::Scsi(cdb) => scsi::name(cdb),
                _ => request.what(),
            };
            let submitted = Submitted {
                request: request.id,
                address: request.address,
                name,
                cdb,
                length: request.length(),
                direction: request.direction,
                processor: request.processor,
            };
            self.observation.tell(|| Event::Submitted(&submitted));
        }
    }

    /// The miniport gets a request's SRB.
    #[inline]
    pub(super) fn tell_handed_over(&self, request: &PortRequest, srb: GuestAddress) {
        self.observation.tell(|| Event::HandedOver {
            request: request.id,
            srb,
        });
    }
}
