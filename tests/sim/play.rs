//! What visitors and agents do: talk, leave, come back, accept, pick, transfer, close, reload, and repeat unanswered sends.

use super::client::Send;
use super::owner::{Errand, Reply, Waits};
use super::supervisor::{GROUPS, SEATS, group};
use super::world::{VISITORS, World, agent_id, author, visitor_id, who};
use rushdesk::conversation::command::{Ask, Command, Grant, Landing};
use rushdesk::conversation::content::Content;
use rushdesk::conversation::event::{Opening, TransferTarget};
use rushdesk::ident::{AssignSeq, ChannelId, ConversationId, ShopId};
use rushdesk::journal::{ClientKey, Presence, Query};
use rushdesk::refusal::Retry;
use rushdesk::rehearsal::history::digest;

/// The answer to a frame that is no send.
const NO_SEND: u64 = 0;

impl World {
    pub(crate) fn acts(&mut self, client: usize) {
        if self.process.is_none() {
            return;
        }
        if self.clients[client].line == 0 {
            if self.healing || self.chance.percent(60) {
                self.connect(client);
            }
            return;
        }
        if self.chance.percent(self.faults.reload) {
            return self.disconnect(client);
        }
        self.repeat(client);
        if self.chance.percent(10) {
            self.pings(client);
        }
        if client >= VISITORS {
            self.clerk_acts(client);
        } else if !self.healing {
            self.visitor_acts(client);
        }
    }

    pub(crate) fn disconnect(&mut self, client: usize) {
        self.clients[client].line = 0;
        if client >= VISITORS {
            self.agent(agent_id(client - VISITORS), |state, now| state.seen(false, now));
        } else {
            self.with_process(|process, now, _| process.visitor(visitor_id(client), false, now));
        }
    }

    fn connect(&mut self, client: usize) {
        self.clients[client].line = self.number();
        let live = if client >= VISITORS {
            let agent = agent_id(client - VISITORS);
            self.agent(agent, |state, now| state.seen(true, now));
            self.states(Query::HeldBy(agent))
        } else {
            self.with_process(|process, now, _| process.visitor(visitor_id(client), true, now));
            self.states(Query::LiveOf { shop: ShopId::default_shop(), visitor: visitor_id(client) })
        };
        let mut known: Vec<ConversationId> = self.clients[client].places.keys().copied().collect();
        known.extend(live.iter().map(|state| state.id));
        if client >= VISITORS {
            let open =
                live.iter().filter_map(|state| state.offer.as_ref().map(|open| (open.offer, state.id)));
            self.clients[client].offers = open.collect();
        } else if let Some(state) = live.first() {
            self.clients[client].present = Some(state.id);
        }
        known.into_iter().for_each(|conversation| self.fetches(client, conversation));
        self.repeat(client);
    }

    /// The heads of the live conversations tell what nobody announced (an unknown outcome, a paused owner's write): a
    /// client that is behind fetches, and so does one that believes alive what is not listed any more.
    fn pings(&mut self, client: usize) {
        let live = if client >= VISITORS {
            self.states(Query::HeldBy(agent_id(client - VISITORS)))
        } else {
            self.states(Query::LiveOf { shop: ShopId::default_shop(), visitor: visitor_id(client) })
        };
        let it = &self.clients[client];
        let listed = |id: &ConversationId| live.iter().find(|state| state.id == *id);
        let unlisted = it.places.iter().filter(|(id, place)| {
            let believed = if client >= VISITORS { place.assigned_to_me } else { !place.closed };
            listed(id).map_or(believed, |state| state.head_for(it.view) > place.have)
        });
        let unknown = live.iter().map(|state| state.id).filter(|id| !it.places.contains_key(id));
        let behind: Vec<ConversationId> = unlisted.map(|(id, _)| *id).chain(unknown).collect();
        behind.into_iter().for_each(|conversation| self.fetches(client, conversation));
    }

    /// Sends without an answer go out again under their ids.
    fn repeat(&mut self, client: usize) {
        let line = self.clients[client].line;
        let due: Vec<Send> =
            self.clients[client].outbox.iter().filter(|send| send.on_line != line).cloned().collect();
        due.into_iter().for_each(|send| self.put(client, send));
    }

    fn put(&mut self, client: usize, send: Send) {
        let line = self.clients[client].line;
        let known = self.clients[client].outbox.iter_mut().find(|known| known.id == send.id);
        if let Some(known) = known {
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
        self.tell(send.conversation, false, errand);
    }

    fn says(&mut self, client: usize, conversation: ConversationId, leave: bool, under: Option<AssignSeq>) {
        if self.clients[client].outbox.len() >= 3 {
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
        self.tell(conversation, fresh, errand);
    }

    pub(crate) fn answered(&mut self, client: usize, id: u64, conversation: ConversationId, reply: &Reply) {
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
            65..69 => self.asks(client, conversation, None, close()),
            _ => {}
        }
    }

    fn landing(&mut self) -> Landing {
        let name = GROUPS[usize::from(self.chance.percent(40))];
        if self.chance.percent(5) { Landing::CallBack(group(name)) } else { Landing::Queue(group(name)) }
    }

    fn opens(&mut self, client: usize) {
        let visitor = visitor_id(client);
        let query = Query::LiveOf { shop: ShopId::default_shop(), visitor: visitor.clone() };
        if let Some(state) = self.states(query).first() {
            self.clients[client].present = Some(state.id);
            return;
        }
        let opening = Box::new(Opening {
            shop: ShopId::default_shop(),
            channel: ChannelId::web(),
            visitor,
            visitor_name: None,
            locale: None,
            subject: None,
            intent: None,
            tier: None,
            attributes: Vec::new(),
        });
        let (landing, id) = (self.landing(), ConversationId::from_u128(u128::from(self.number())));
        self.asks(
            client,
            id,
            None,
            Command::Open { opening, landing, content: None, contact: None, notice: None },
        );
    }

    fn clerk_acts(&mut self, client: usize) {
        let agent = agent_id(client - VISITORS);
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
        let presence =
            self.process.as_ref().and_then(|process| process.agents.get(&agent)).map(|it| it.presence);
        let moves = self.chance.between(0, 100);
        if presence != Some(Presence::Online) {
            if self.healing || moves < 30 {
                self.agent(agent, |state, _| state.wants(Presence::Online, false, false));
            }
        } else if !self.healing && moves < 4 {
            let presence = if moves < 2 { Presence::Away } else { Presence::Offline };
            self.agent(agent, |state, _| state.wants(presence, false, false));
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
        let waiting = self.states(Query::Waiting { after: None, limit: 50 });
        let Some(state) = self.chance.one_of(&waiting) else { return };
        let grant = Grant {
            agent: agent_id(client - VISITORS),
            agent_name: "agent".into(),
            seats: SEATS,
            head_start_s: 0,
            reason: "picked".into(),
        };
        self.asks(client, state.id, None, Command::Assign(grant));
        // Some speak before they know whether they got it.
        if self.chance.percent(50) {
            self.says(client, state.id, false, None);
        }
    }
}

fn close() -> Command {
    Command::Close { reason: None, disposition: None, tags: Vec::new() }
}
