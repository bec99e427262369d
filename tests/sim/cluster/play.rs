//! What visitors and agents do at a cluster: come to any node, talk, leave, pick, transfer, close, reload, and repeat
//! what was not answered, at another node where the present one is silent. Every second visitor never asks for heads.

use super::agenda::Happens;
use super::node::Question;
use super::world::{Cluster, NODES, is_in_use};
use crate::client::{Send, Took};
use crate::owner::{Errand, Reply, Waits};
use crate::supervisor::{GROUPS, SEATS, group};
use crate::world::{VISITORS, WIRE_MS, agent_id, author, visitor_id, who};
use rushdesk::cluster::slots::Slot;
use rushdesk::conversation::command::{Ask, Command, Grant, Landing};
use rushdesk::conversation::content::Content;
use rushdesk::conversation::event::{Entry, Event, Opening, TransferTarget, View};
use rushdesk::ident::{AssignSeq, ChannelId, ConversationId, ShopId};
use rushdesk::journal::{Answer, ClientKey, Presence, Query};
use rushdesk::refusal::Retry;
use rushdesk::rehearsal::history::{Sight, digest};

/// The answer to a frame that is no send.
const NO_SEND: u64 = 0;
/// After so long without a word a client tries another node.
const PATIENCE_MS: u64 = 6_000;
/// Messages under way of one client. The bus may lose the first of two questions to an owner and carry the second; the desk
/// does not notice, so what is sent without waiting for the ack before may be overtaken.
const OUTSTANDING: usize = 1;

impl Cluster {
    pub(crate) fn acts(&mut self, client: usize) {
        let line = self.clients[client].line;
        if line == 0 {
            return self.connects(client);
        }
        let waits = self.clients[client].outbox.iter().any(|send| send.on_line == line);
        let is_silent = self.now.since_millis(self.lines[client].heard_at) > PATIENCE_MS;
        if is_silent && (waits || !self.is_welcomed(client)) || self.chance.percent(self.faults.reload) {
            return self.goes(client);
        }
        if !self.is_welcomed(client) {
            return;
        }
        self.repeat(client);
        if client.is_multiple_of(2) && self.chance.percent(10) {
            self.pings(client);
        }
        if client >= VISITORS {
            self.clerk_acts(client);
        } else if !self.healing {
            self.visitor_acts(client);
        }
    }

    fn connects(&mut self, client: usize) {
        let open = |n: &usize| self.seats[*n].node.as_ref().is_some_and(|node| !node.leaves);
        let open: Vec<usize> = (0..NODES).filter(open).collect();
        if let Some(n) = self.chance.one_of(&open).copied() {
            self.comes(n, client);
        }
    }

    /// The heads of what is live: who is behind fetches.
    fn pings(&mut self, client: usize) {
        let query = if client < VISITORS {
            Query::LiveOf { shop: ShopId::default_shop(), visitor: visitor_id(client) }
        } else {
            Query::HeldBy(agent_id(client - VISITORS))
        };
        let n = self.lines[client].node;
        let Some(Answer::States(live)) = self.read(n, query) else { return };
        if self.clients[client].line == 0 {
            return;
        }
        let it = &self.clients[client];
        let listed = |id: &ConversationId| live.iter().find(|state| state.id == *id);
        let believes = |assigned: bool, closed: bool| if client >= VISITORS { assigned } else { !closed };
        let behind = it.places.iter().filter(|(id, place)| {
            let believed = believes(place.assigned_to_me, place.closed);
            listed(id).map_or(believed, |state| state.head_for(it.view) > place.have)
        });
        let unknown = live.iter().map(|state| state.id).filter(|id| !it.places.contains_key(id));
        let behind: Vec<ConversationId> = behind.map(|(id, _)| *id).chain(unknown).collect();
        behind.into_iter().for_each(|conversation| self.fetches(client, conversation));
    }

    /// Pages after the position that the client holds.
    pub(crate) fn fetches(&mut self, client: usize, conversation: ConversationId) {
        let (n, line) = (self.lines[client].node, self.clients[client].line);
        let after = self.clients[client].places.get(&conversation).map_or(0, |place| place.have);
        let query = Query::History { conversation, after, limit: 500 };
        let Some(Answer::History(Some(page))) = self.read(n, query) else { return };
        if self.clients[client].line != line || line == 0 {
            return;
        }
        let view = self.clients[client].view;
        for entry in page.entries.iter().filter(|entry| entry.event.visible_to(view)) {
            self.receives(client, conversation, entry);
        }
    }

    pub(crate) fn pushed(&mut self, client: usize, conversation: ConversationId, entry: &Entry) {
        self.lines[client].heard_at = self.now;
        if !self.receives(client, conversation, entry) {
            self.fetches(client, conversation);
        }
    }

    /// Takes one entry by the client rule; false where a fetch is needed.
    fn receives(&mut self, client: usize, conversation: ConversationId, entry: &Entry) -> bool {
        let view = self.clients[client].view;
        let number = (view == View::Desk).then(|| agent_id(client.saturating_sub(VISITORS)).as_u128());
        let took = self.clients[client].receive(conversation, number, entry);
        if took == Took::Taken {
            let sight = if view == View::Desk { Sight::Desk } else { Sight::Visitor };
            self.judge_taking(client, conversation, entry);
            self.auditor.took(&author(client), sight, conversation, entry, entry.prev(view));
            if let Event::Offered { offer, agent, .. } = &entry.event
                && Some(agent.as_u128()) == number
                && !self.clients[client].offers.contains(&(*offer, conversation))
            {
                self.clients[client].offers.push((*offer, conversation));
            }
        }
        took != Took::Gap
    }

    /// What the client holds of a conversation is not so: it reads it anew.
    pub(crate) fn is_reset(&mut self, client: usize, conversation: ConversationId) {
        self.clients[client].places.remove(&conversation);
        self.deceived.remove(&(client, conversation));
        if self.clients[client].present == Some(conversation) {
            self.clients[client].present = None;
        }
        self.fetches(client, conversation);
    }

    /// Sends without an answer go out again under their ids.
    pub(crate) fn repeat(&mut self, client: usize) {
        let line = self.clients[client].line;
        let due = self.clients[client].outbox.iter().filter(|send| send.on_line != line);
        let due: Vec<Send> = due.cloned().collect();
        due.into_iter().for_each(|send| self.put(client, send));
    }

    fn put(&mut self, client: usize, send: Send) {
        let line = self.clients[client].line;
        if self.clients[client].outbox.iter().all(|known| known.on_line != line) {
            self.lines[client].heard_at = self.now;
        }
        if let Some(known) = self.clients[client].outbox.iter_mut().find(|known| known.id == send.id) {
            known.on_line = line;
        }
        self.auditor.called(&author(client), send.id, send.conversation, &send.text);
        let content = Content::Text(send.text.clone());
        let command =
            if send.leave { Command::LeaveMessage { content, contact: None } } else { Command::Say(content) };
        let key = (client as u128) << 64 | u128::from(send.id);
        let errand = Errand {
            ask: Ask { who: who(client), under: send.under, command },
            client: Some(ClientKey { key, digest: digest(send.text.as_bytes()) }),
            caller: Waits::Client { client, line, id: send.id },
        };
        self.frame(client, Question { conversation: send.conversation, fresh: false, errand });
    }

    fn frame(&mut self, client: usize, question: Question) {
        let (n, line) = (self.lines[client].node, self.clients[client].line);
        let incarnation = self.seats[n].incarnation;
        let question = Box::new(question);
        self.after(WIRE_MS, Happens::Frame { n, incarnation, client, line, question });
    }

    fn says(&mut self, client: usize, conversation: ConversationId, leave: bool, under: Option<AssignSeq>) {
        if self.clients[client].outbox.len() >= OUTSTANDING {
            return;
        }
        self.clients[client].sent += 1;
        let text = format!("{client}-{}", self.clients[client].sent).into();
        let id = self.number();
        let send = Send { id, conversation, text, leave, under, on_line: 0 };
        self.clients[client].outbox.push(send.clone());
        self.put(client, send);
    }

    fn asks(
        &mut self,
        client: usize,
        conversation: ConversationId,
        under: Option<AssignSeq>,
        command: Command,
    ) {
        let line = self.clients[client].line;
        let ask = Ask { who: who(client), under, command };
        let fresh = matches!(ask.command, Command::Open { .. });
        let errand = Errand { ask, client: None, caller: Waits::Client { client, line, id: NO_SEND } };
        self.frame(client, Question { conversation, fresh, errand });
    }

    pub(crate) fn answered(&mut self, client: usize, id: u64, conversation: ConversationId, reply: &Reply) {
        self.lines[client].heard_at = self.now;
        if id == NO_SEND {
            if client < VISITORS && self.clients[client].present.is_none() {
                self.clients[client].present = match reply {
                    Reply::Done { .. } => Some(conversation),
                    Reply::Exists(conversation) => Some(*conversation),
                    Reply::Refused(_) => None,
                };
            }
            return;
        }
        match reply {
            Reply::Done { seq } => {
                let Some(send) = self.clients[client].answered(id) else { return };
                self.auditor.acked(&author(client), id, conversation, seq.unwrap_or(0), &send.text);
            }
            Reply::Exists(_) => {}
            Reply::Refused(refusal) => {
                let again = refusal.code.retry() == Retry::Later;
                let Some(send) = self.clients[client].outbox.iter_mut().find(|send| send.id == id) else {
                    return;
                };
                send.on_line = 0;
                self.auditor.refused(&author(client), id, conversation, again);
                if !again {
                    self.clients[client].answered(id);
                }
            }
        }
    }

    fn visitor_acts(&mut self, client: usize) {
        let Some(conversation) = self.clients[client].present else { return self.opens(client) };
        let closed = self.clients[client].places.get(&conversation).is_some_and(|place| place.closed);
        let landing = self.landing();
        match self.chance.between(0, 100) {
            0..40 if closed => self.clients[client].present = None,
            40..60 if closed => self.asks(client, conversation, None, Command::Reopen { landing }),
            0..50 => self.says(client, conversation, false, None),
            60..65 => self.says(client, conversation, true, None),
            65..68 => self.asks(client, conversation, None, close()),
            _ => {}
        }
    }

    fn landing(&mut self) -> Landing {
        let name = GROUPS[usize::from(self.chance.percent(40))];
        if self.chance.percent(5) { Landing::CallBack(group(name)) } else { Landing::Queue(group(name)) }
    }

    fn opens(&mut self, client: usize) {
        let opening = Box::new(Opening {
            shop: ShopId::default_shop(),
            channel: ChannelId::web(),
            visitor: visitor_id(client),
            visitor_name: None,
            locale: None,
            subject: None,
            intent: None,
            tier: None,
            attributes: Vec::new(),
        });
        let landing = self.landing();
        let id = loop {
            let id = ConversationId::from_u128(u128::from(self.number()));
            if is_in_use(Slot::of_conversation(id)) {
                break id;
            }
        };
        let command = Command::Open { opening, landing, content: None, contact: None, notice: None };
        self.asks(client, id, None, command);
    }

    fn clerk_acts(&mut self, client: usize) {
        for (offer, conversation) in std::mem::take(&mut self.clients[client].offers) {
            match self.chance.between(0, 100) {
                0..60 => self.asks(client, conversation, None, Command::Accept { offer }),
                60..75 if !self.healing => self.asks(client, conversation, None, Command::Decline { offer }),
                75..90 if !self.healing => {}
                _ => self.clients[client].offers.push((offer, conversation)),
            }
        }
        for conversation in self.clients[client].held() {
            let Some(place) = self.clients[client].places.get_mut(&conversation) else { continue };
            let under = Some(place.assign_seq).filter(|_| place.have % 2 == 0);
            let talked = place.said_since_assigned >= 2;
            place.said_since_assigned += 1;
            match self.chance.between(0, 100) {
                0..40 if talked => self.asks(client, conversation, under, close()),
                _ if talked && self.healing => self.asks(client, conversation, None, close()),
                0..50 => self.says(client, conversation, false, under),
                50..56 if !self.healing => self.transfers(client, conversation, under),
                56..59 if !self.healing => self.asks(client, conversation, under, Command::Release),
                _ => {}
            }
        }
        self.moves(client);
    }

    /// An agent goes away or comes back, or picks somebody who waits.
    fn moves(&mut self, client: usize) {
        let agent = agent_id(client - VISITORS);
        let Some(n) = self.routes_at() else { return };
        let desk = self.seats[n].node.as_ref().and_then(|node| node.desk.as_ref());
        let presence = desk.and_then(|desk| desk.agents.get(&agent)).map(|state| state.presence);
        let moves = self.chance.between(0, 100);
        if presence != Some(Presence::Online) {
            if self.healing || moves < 30 {
                self.agent(n, agent, |state, _| state.wants(Presence::Online, false, false));
            }
        } else if !self.healing && moves < 3 {
            let presence = if moves < 2 { Presence::Away } else { Presence::Offline };
            self.agent(n, agent, |state, _| state.wants(presence, false, false));
        } else if !self.healing && moves < 14 {
            self.picks(client);
        }
    }

    fn transfers(&mut self, client: usize, conversation: ConversationId, under: Option<AssignSeq>) {
        let to = group(GROUPS[usize::from(self.chance.percent(50))]);
        let colleague = agent_id(usize::from(self.chance.percent(50)));
        let target = if self.chance.percent(30) {
            TransferTarget::Agent(colleague)
        } else {
            TransferTarget::Group(to.clone())
        };
        self.asks(client, conversation, under, Command::Transfer { to: target, group: to, note: None });
    }

    fn picks(&mut self, client: usize) {
        let n = self.lines[client].node;
        let waiting = self.read(n, Query::Waiting { after: None, limit: 50 });
        let Some(Answer::States(waiting)) = waiting.filter(|_| self.clients[client].line > 0) else { return };
        let Some(conversation) = self.chance.one_of(&waiting).map(|state| state.id) else { return };
        let grant = Grant {
            agent: agent_id(client - VISITORS),
            agent_name: "agent".into(),
            seats: SEATS,
            head_start_s: 0,
            reason: "picked".into(),
        };
        self.asks(client, conversation, None, Command::Assign(grant));
        // Some speak before they know whether they got it.
        if self.chance.percent(50) {
            self.says(client, conversation, false, None);
        }
    }
}

fn close() -> Command {
    Command::Close { reason: None, disposition: None, tags: Vec::new() }
}
