//! One conversation folded from its log, with none of the code that it judges.

use rushdesk::conversation::event::{Author, Entry, Event};
use rushdesk::ident::{AgentId, AssignSeq, GroupId, OfferId, Seq};

#[derive(Default)]
pub(crate) struct Fold {
    pub(crate) next: Seq,
    closed: bool,
    assignee: Option<AgentId>,
    group: Option<GroupId>,
    assign_seq: AssignSeq,
    offer: Option<(OfferId, AgentId, u32)>,
    pub(crate) held: Option<(AgentId, u32)>,
    waiting_since: Option<u64>,
    waited_ms: u64,
    pub(crate) log: Vec<Entry>,
}

impl Fold {
    /// Takes the next entry and tells what is wrong with it; a decision may have lain in flight for `flight_ms`.
    pub(crate) fn takes(&mut self, entry: &Entry, flight_ms: u64) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if entry.seq != self.next + 1 {
            faults.push(("CV-1", format!("entry {} follows {}", entry.seq, self.next)));
        }
        self.next = entry.seq;
        self.log.push(entry.clone());
        let at = entry.at.millis();
        match &entry.event {
            Event::Message(_) if self.closed => {
                faults.push(("CV-2", format!("message {} after the end", entry.seq)))
            }
            Event::Message(_) => {
                if let Author::Agent { id, .. } = &entry.author
                    && self.assignee != Some(*id)
                {
                    faults.push(("CV-4", format!("agent {id} speaks and does not hold it")));
                }
            }
            Event::Queued { group } | Event::MessageLeft { group, .. } => {
                self.group = Some(group.clone());
                self.waiting_since.get_or_insert(at);
            }
            Event::Offered { offer, agent, seats, .. } => {
                if self.offer.is_some() || self.assignee.is_some() {
                    faults.push(("RT-2", "offered while offered or held".into()));
                }
                self.offer = Some((*offer, *agent, *seats));
                self.held = Some((*agent, *seats));
            }
            Event::Assigned { agent, group, assign_seq, waited_ms, seats, .. } => {
                if self.assignee.is_some() {
                    faults.push(("CV-4", "assigned while held".into()));
                }
                faults.extend(self.moves(*assign_seq));
                self.stop_waiting(at);
                if waited_ms.abs_diff(self.waited_ms) > flight_ms {
                    faults.push(("waited", format!("says {waited_ms} ms of {} ms", self.waited_ms)));
                }
                (self.assignee, self.group, self.offer) = (Some(*agent), Some(group.clone()), None);
                self.held = Some((*agent, *seats));
            }
            Event::Transferred { group, assign_seq, .. } => {
                faults.extend(self.moves(*assign_seq));
                self.back_to(group, at);
            }
            Event::Requeued { group, assign_seq, .. } => {
                let moved = self.assignee.is_some() || self.group.as_ref() != Some(group);
                if moved || *assign_seq != self.assign_seq {
                    faults.extend(self.moves(*assign_seq));
                }
                self.back_to(group, at);
            }
            Event::Closed { .. } => {
                self.stop_waiting(at);
                (self.closed, self.offer, self.held) = (true, None, None);
            }
            Event::Reopened => {
                self.assign_seq += u64::from(self.assignee.take().is_some());
                (self.closed, self.waited_ms) = (false, 0);
            }
            _ => {}
        }
        faults
    }

    fn moves(&mut self, assign_seq: AssignSeq) -> Option<(&'static str, String)> {
        let before = std::mem::replace(&mut self.assign_seq, assign_seq);
        (assign_seq != before + 1).then(|| ("CV-4", format!("assign_seq {assign_seq} follows {before}")))
    }

    fn back_to(&mut self, group: &GroupId, at: u64) {
        (self.assignee, self.offer, self.held) = (None, None, None);
        self.group = Some(group.clone());
        self.waiting_since.get_or_insert(at);
    }

    fn stop_waiting(&mut self, at: u64) {
        self.waited_ms += self.waiting_since.take().map_or(0, |since| at.saturating_sub(since));
    }
}
