//! Finding the namespaces (Base 2.0, sections 5.17.2.1 to 5.17.2.3 and 5.16.1.5).

use nvme::admin::{
    get_log_page, identify_active_namespaces, identify_namespace, identify_namespace_descriptors,
};
use nvme::identify::{IDENTIFY_SIZE, NamespaceList, namespace_identifiers};
use nvme::log::LogPageId;
use nvme::{NamespaceId, Status, StatusCode, Version};

use super::machine::{Control, Kind, State};
use super::{Action, Failure, Outcome, Tables};
use crate::namespace::MAX_NAMESPACES;

impl Control {
    pub(super) fn begin_scan(&mut self, tables: &mut Tables<'_>) -> Action {
        tables.namespaces.begin_scan();
        if matches!(self.kind, Kind::Rescan) && self.option {
            // What the list names is not used: the scan looks at every namespace. Reading it lets events come again.
            let page = LogPageId::CHANGED_NAMESPACES;
            let entry = get_log_page(page, NamespaceId::ALL, 1024, false, self.data());
            return self.submit(State::ChangedNamespaces, entry, true);
        }
        self.list_namespaces(tables)
    }

    fn list_namespaces(&mut self, tables: &mut Tables<'_>) -> Action {
        if self.version >= Version::V1_1 {
            let entry = identify_active_namespaces(NamespaceId::NONE, self.data());
            return self.submit(State::ActiveNamespaces, entry, true);
        }
        self.list_by_number(tables)
    }

    /// Without a list of active namespaces every identifier is asked for, as far as there are places.
    fn list_by_number(&mut self, tables: &mut Tables<'_>) -> Action {
        let places = u32::try_from(MAX_NAMESPACES).unwrap_or(u32::MAX);
        for id in 1..=self.info.namespace_count.min(places) {
            tables.namespaces.list(NamespaceId(id));
        }
        self.identify_next(tables)
    }

    pub(super) fn scan_completed(
        &mut self,
        status: Status,
        data: Option<&[u8; IDENTIFY_SIZE]>,
        tables: &mut Tables<'_>,
    ) -> Action {
        if status.is_success() && data.is_none() {
            return self.fail(Failure::DataMissing);
        }
        let data = data.filter(|_| status.is_success());
        match (self.state, data) {
            (State::ChangedNamespaces, _) => self.list_namespaces(tables),
            (State::ActiveNamespaces, None) => self.list_by_number(tables),
            (State::ActiveNamespaces, Some(data)) => {
                let last = NamespaceId(self.info.namespace_count);
                for id in NamespaceList::new(data).iter().filter(|&id| id <= last) {
                    tables.namespaces.list(id);
                }
                self.identify_next(tables)
            }
            (State::IdentifyNamespace, Some(data)) => {
                tables.namespaces.identify(self.place, Some(data));
                if tables.namespaces.is_staged() && self.version >= Version::V1_3 {
                    let entry = identify_namespace_descriptors(self.namespace, self.data());
                    return self.submit(State::NamespaceDescriptors, entry, true);
                }
                self.commit(tables)
            }
            (State::IdentifyNamespace, None) => {
                if status.code() == StatusCode::INVALID_NAMESPACE {
                    tables.namespaces.unlist(self.place);
                    return self.identify_next(tables);
                }
                tables.namespaces.identify(self.place, None);
                self.commit(tables)
            }
            (_, descriptors) => {
                // A controller may well lack them: then the identifiers of Identify Namespace stand.
                if let Some(data) = descriptors {
                    tables.namespaces.describe(&namespace_identifiers(data));
                }
                self.commit(tables)
            }
        }
    }

    fn commit(&mut self, tables: &mut Tables<'_>) -> Action {
        tables.namespaces.commit(self.place);
        self.identify_next(tables)
    }

    /// Each turn settles one place of the table, so that there are at most as many turns as places.
    fn identify_next(&mut self, tables: &mut Tables<'_>) -> Action {
        if let Some((place, id)) = tables.namespaces.next_to_identify() {
            self.place = place;
            self.namespace = id;
            return self.submit(
                State::IdentifyNamespace,
                identify_namespace(id, self.data()),
                true,
            );
        }
        let changes = tables.namespaces.end_scan();
        match self.kind {
            Kind::Rescan => self.done(Outcome::Rescanned(changes)),
            _ => self.request_queues(),
        }
    }
}
