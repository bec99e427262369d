//! A connection to one node: the welcome, the desk's own splice of history and live flow, pulls, comparing with the
//! store's heads, and looking again after a loss.

use super::agenda::Happens;
use super::bus::Item;
use super::world::Cluster;
use crate::world::{VISITORS, WIRE_MS, agent_id, visitor_id};
use rushdesk::clock::Timestamp;
use rushdesk::conversation::event::{Entry, Event, View};
use rushdesk::conversation::state::State;
use rushdesk::ident::{AgentId, ConversationId, Seq, ShopId, VisitorId};
use rushdesk::journal::{Answer, Page, Query};
use rushdesk::planted::{Bug, is_planted};
use rushdesk::session::machine::{Fit, Splice};
use std::collections::{BTreeMap, VecDeque};

const COMPARE_EVERY_MS: u64 = 25_000;
const KNOWN_ELSEWHERE_MS: u64 = 1_000;
const PAGE: u32 = 50;
/// How long somebody who subscribes late hears nothing.
const DEAF_MS: u64 = 30;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Pull {
    conversation: ConversationId,
    /// The position that the client goes on from.
    after: Seq,
    scanned: Seq,
    is_repair: bool,
}

pub(crate) struct Session {
    line: u64,
    view: View,
    splice: Splice,
    is_live: bool,
    /// What came by before the welcome.
    gathered: Vec<(ConversationId, Entry)>,
    pulls: VecDeque<Pull>,
    compare_at: Timestamp,
    pub(crate) look_at: Option<Timestamp>,
    pub(crate) since: Timestamp,
    deaf_until: Timestamp,
    /// The timeline that the client's last connection was on.
    from_timeline: u64,
    /// What was written last of each conversation.
    pub(crate) wrote: BTreeMap<ConversationId, Seq>,
}

impl Cluster {
    fn session(&mut self, n: usize, client: usize) -> Option<&mut Session> {
        self.seats[n].node.as_mut()?.sessions.get_mut(&client)
    }

    /// A client has come to a node and says hello.
    pub(crate) fn comes(&mut self, n: usize, client: usize) {
        let (line, now) = (self.number(), self.now);
        let deaf_until = if is_planted(Bug::SubscribedLate) { now.plus_millis(60_000) } else { now };
        let session = Session {
            line,
            view: self.clients[client].view,
            splice: Splice::default(),
            is_live: false,
            gathered: Vec::new(),
            pulls: VecDeque::new(),
            compare_at: now,
            look_at: None,
            since: now,
            deaf_until,
            from_timeline: self.lines[client].timeline,
            wrote: BTreeMap::new(),
        };
        let Some(node) = self.seats[n].node.as_mut() else { return };
        let incarnation = node.start.incarnation;
        node.sessions.insert(client, session);
        self.clients[client].line = line;
        (self.lines[client].node, self.lines[client].heard_at) = (n, now);
        self.tell_everybody(n, &Item::People);
        let pause = self.chance.between(3, 9);
        self.after(pause, Happens::Hello { n, incarnation, client, line });
    }

    pub(crate) fn is_connected(&self, n: usize, client: usize, line: u64) -> bool {
        let node = self.seats[n].node.as_ref();
        node.and_then(|node| node.sessions.get(&client)).is_some_and(|session| session.line == line)
    }

    pub(crate) fn is_welcomed(&self, client: usize) -> bool {
        let node = self.seats[self.lines[client].node].node.as_ref();
        self.clients[client].line > 0
            && node.and_then(|node| node.sessions.get(&client)).is_some_and(|session| session.is_live)
    }

    /// A connection ends.
    pub(crate) fn goes(&mut self, client: usize) {
        let n = self.lines[client].node;
        self.clients[client].line = 0;
        self.lines[client].gone_since = Some(self.now);
        if let Some(node) = self.seats[n].node.as_mut() {
            node.sessions.remove(&client);
        }
    }

    fn live_of(&mut self, n: usize, client: usize) -> Option<Vec<State>> {
        let query = if client < VISITORS {
            Query::LiveOf { shop: ShopId::default_shop(), visitor: visitor_id(client) }
        } else {
            Query::HeldBy(agent_id(client - VISITORS))
        };
        match self.read(n, query) {
            Some(Answer::States(states)) => Some(states),
            _ => None,
        }
    }

    /// The welcome: what is live flows from its head on, and what the client holds is resumed.
    pub(crate) fn welcomes(&mut self, n: usize, client: usize, line: u64) {
        let live = self.live_of(n, client);
        let (now, timeline) = (self.now, self.store.timeline);
        let (Some(live), true) = (live, self.is_connected(n, client, line)) else { return self.goes(client) };
        let mut known: Vec<(ConversationId, Seq)> =
            self.clients[client].places.iter().map(|(id, place)| (*id, place.have)).collect();
        let unknown = live.iter().filter(|state| known.iter().all(|(id, _)| *id != state.id));
        let unknown: Vec<(ConversationId, Seq)> = unknown.map(|state| (state.id, 0)).collect();
        known.extend(unknown);
        let Some(session) = self.session(n, client) else { return };
        live.iter().for_each(|state| session.splice.live_from(state.id, state.head_for(session.view)));
        for (conversation, after) in known {
            session.splice.pull(conversation);
            session.pulls.push_back(Pull { conversation, after, scanned: after, is_repair: false });
        }
        (session.is_live, session.compare_at) = (true, now.plus_millis(KNOWN_ELSEWHERE_MS));
        if session.deaf_until > now {
            session.deaf_until = now.plus_millis(DEAF_MS);
        }
        let gathered = std::mem::take(&mut session.gathered);
        let is_pulling = !session.pulls.is_empty();
        (self.lines[client].timeline, self.lines[client].gone_since) = (timeline, None);
        if client < VISITORS {
            self.clients[client].present = live.first().map(|state| state.id);
        } else {
            self.clients[client].offers.clear();
            self.shows_offers(client, &live);
        }
        for (conversation, entry) in gathered {
            self.flows(n, client, conversation, &entry);
        }
        if is_pulling {
            self.pulls_soon(n, client);
        }
        self.repeat(client);
    }

    fn shows_offers(&mut self, client: usize, live: &[State]) {
        for state in live {
            let Some(open) = &state.offer else { continue };
            let offers = &mut self.clients[client].offers;
            if !offers.contains(&(open.offer, state.id)) {
                offers.push((open.offer, state.id));
            }
        }
    }

    /// An entry for whoever is connected here and concerned.
    pub(crate) fn shows(
        &mut self,
        n: usize,
        agents: &[Option<AgentId>],
        visitor: Option<&VisitorId>,
        conversation: ConversationId,
        entry: &Entry,
    ) {
        let Some(node) = self.seats[n].node.as_ref() else { return };
        let is_concerned = |client: usize| {
            if client < VISITORS {
                visitor == self.names.get(client)
            } else {
                agents.contains(&Some(agent_id(client - VISITORS)))
            }
        };
        let clients: Vec<usize> =
            node.sessions.keys().copied().filter(|client| is_concerned(*client)).collect();
        clients.into_iter().for_each(|client| self.flows(n, client, conversation, entry));
    }

    fn flows(&mut self, n: usize, client: usize, conversation: ConversationId, entry: &Entry) {
        let now = self.now;
        let Some(session) = self.session(n, client) else { return };
        if now < session.deaf_until || !entry.event.visible_to(session.view) {
            return;
        }
        if !session.is_live {
            return session.gathered.push((conversation, entry.clone()));
        }
        if client >= VISITORS && is_given_to(agent_id(client - VISITORS), &entry.event) {
            session.splice.begin_anew(conversation);
        }
        match session.splice.live(conversation, entry.prev(session.view), entry.seq) {
            Fit::Next => self.writes(n, client, conversation, entry, false),
            Fit::Skip => {}
            Fit::Gap { after } => self.line_up(n, client, conversation, after),
        }
    }

    fn writes(
        &mut self,
        n: usize,
        client: usize,
        conversation: ConversationId,
        entry: &Entry,
        is_repair: bool,
    ) {
        self.judge_writing(n, client, conversation, entry, is_repair);
        let Some(session) = self.session(n, client) else { return };
        session.wrote.insert(conversation, entry.seq);
        let (line, entry) = (session.line, Box::new(entry.clone()));
        self.after(WIRE_MS, Happens::Pushed { client, line, conversation, entry });
    }

    fn line_up(&mut self, n: usize, client: usize, conversation: ConversationId, after: Seq) {
        let Some(session) = self.session(n, client) else { return };
        let is_first = session.pulls.is_empty();
        session.pulls.push_back(Pull { conversation, after, scanned: after, is_repair: true });
        if is_first {
            self.pulls_soon(n, client);
        }
    }

    fn pulls_soon(&mut self, n: usize, client: usize) {
        let incarnation = self.seats[n].incarnation;
        let line = self.clients[client].line;
        let pause = self.chance.between(2, 6);
        self.after(pause, Happens::Pulled { n, incarnation, client, line });
    }

    /// The page of the first pull has been read.
    pub(crate) fn pulled(&mut self, n: usize, client: usize) {
        let Some(pull) = self.session(n, client).and_then(|session| session.pulls.front().copied()) else {
            return;
        };
        let conversation = pull.conversation;
        let state = self.read(n, Query::State(conversation));
        let page = self.read(n, Query::History { conversation, after: pull.scanned, limit: PAGE });
        let Some(session) = self.session(n, client) else { return };
        session.pulls.pop_front();
        match (state, page) {
            (Some(Answer::State(Some(state))), Some(Answer::History(Some(page)))) => {
                self.takes_page(n, client, pull, &state, &page);
            }
            (Some(Answer::State(None)), _) => self.resets(n, client, conversation, 0),
            _ => {
                session.splice.live_from(conversation, pull.scanned);
                session.wrote.remove(&conversation);
            }
        }
        if self.session(n, client).is_some_and(|session| !session.pulls.is_empty()) {
            self.pulls_soon(n, client);
        }
    }

    fn takes_page(&mut self, n: usize, client: usize, mut pull: Pull, state: &State, page: &Page) {
        let conversation = pull.conversation;
        let Some(session) = self.session(n, client) else { return };
        let (view, from_timeline) = (session.view, session.from_timeline);
        if pull.is_repair && client >= VISITORS && state.assignee != Some(agent_id(client - VISITORS)) {
            session.splice.live_from(conversation, state.head);
            return session.splice.begin_anew(conversation);
        }
        let head = state.head_for(view);
        let is_doubted = !pull.is_repair && self.store.was_shorter(conversation, pull.after, from_timeline);
        if pull.after > head || (is_doubted && !is_planted(Bug::PositionByHead)) {
            return self.resets(n, client, conversation, head);
        }
        if let Some(session) = self.session(n, client).filter(|_| !pull.is_repair) {
            session
                .wrote
                .insert(conversation, pull.after.max(session.wrote.get(&conversation).copied().unwrap_or(0)));
        }
        for entry in &page.entries {
            pull.scanned = entry.seq;
            if entry.event.visible_to(view) {
                self.writes(n, client, conversation, entry, pull.is_repair);
            }
        }
        let at_end = page.entries.is_empty() || pull.scanned >= page.head;
        let Some(session) = self.session(n, client) else { return };
        let is_done =
            at_end && session.splice.caught_up(conversation, pull.scanned.max(page.head), page.head);
        if !is_done {
            session.pulls.push_front(pull);
        }
    }

    fn resets(&mut self, n: usize, client: usize, conversation: ConversationId, head: Seq) {
        let Some(session) = self.session(n, client) else { return };
        session.splice.live_from(conversation, head);
        session.wrote.remove(&conversation);
        let line = session.line;
        self.seen.resets += 1;
        self.after(WIRE_MS, Happens::Reset { client, line, conversation });
    }

    /// Comparing and looking again, for those whose time it is.
    pub(crate) fn look_at_sessions(&mut self, n: usize) {
        let now = self.now;
        let Some(node) = self.seats[n].node.as_ref() else { return };
        let live = node.sessions.iter().filter(|(_, session)| session.is_live);
        let due: Vec<(usize, bool, bool)> = live
            .map(|(client, it)| (*client, it.compare_at <= now, it.look_at.is_some_and(|at| at <= now)))
            .filter(|(_, compares, looks)| *compares || *looks)
            .collect();
        for (client, compares, looks) in due {
            if let Some(session) = self.session(n, client).filter(|_| compares) {
                session.compare_at = now.plus_millis(COMPARE_EVERY_MS);
                if !is_planted(Bug::HeadsUncompared) {
                    self.compares(n, client);
                }
            }
            if let Some(session) = self.session(n, client).filter(|_| looks) {
                session.look_at = None;
                self.looks_again(n, client);
                self.compares(n, client);
            }
        }
    }

    fn compares(&mut self, n: usize, client: usize) {
        let Some(session) = self.session(n, client) else { return };
        let view = session.view;
        let flowing: Vec<ConversationId> = session.splice.flowing().collect();
        let Some(Answer::Heads(heads)) = self.read(n, Query::Heads(flowing)) else { return };
        for head in heads {
            let last = if view == View::Visitor { head.visitor_head } else { head.head };
            let Some(session) = self.session(n, client) else { return };
            if let Some(after) = session.splice.behind(head.conversation, last) {
                self.line_up(n, client, head.conversation, after);
            } else if !head.live {
                session.splice.begin_anew(head.conversation);
                session.wrote.remove(&head.conversation);
            }
        }
    }

    fn looks_again(&mut self, n: usize, client: usize) {
        let Some(live) = self.live_of(n, client) else { return };
        if client >= VISITORS {
            self.shows_offers(client, &live);
        }
        for state in &live {
            let Some(session) = self.session(n, client) else { return };
            let head = state.head_for(session.view);
            if !session.splice.knows(state.id) && client >= VISITORS {
                // Who is told of what is newly theirs fetches its history.
                session.splice.live_from(state.id, head);
                self.fetches(client, state.id);
            } else if !session.splice.knows(state.id) {
                session.splice.pull(state.id);
                self.line_up(n, client, state.id, 0);
            } else if let Some(after) = session.splice.behind(state.id, head) {
                self.line_up(n, client, state.id, after);
            }
        }
    }
}

/// Whether this gives a conversation to the agent, or offers it.
fn is_given_to(me: AgentId, event: &Event) -> bool {
    matches!(event, Event::Assigned { agent, .. } | Event::Offered { agent, .. } if *agent == me)
}
