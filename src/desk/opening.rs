//! How a conversation comes to its queue: opened, reopened, or handed over by the bot.
//!
//! Routing says where it belongs (rules, hours, ceiling, overflow), then the conversation is told. One live
//! conversation a shop, visitor and channel: opening again returns the one that lives and appends the content.

use super::errand::Asker;
use super::key::Purpose;
use super::person::Person;
use super::{Desk, ErrandAnswer, Served};
use crate::admission::ladder::Level;
use crate::clock::fresh_uuid;
use crate::cluster::placement::Placement;
use crate::cluster::slots::Slot;
use crate::conversation::command::{Ask, Command, Landing};
use crate::conversation::content::Content;
use crate::conversation::delivery::{AnswerTo, Deliver, Receipt, Reply};
use crate::conversation::event::{Attribute, Opening};
use crate::conversation::registry::Start;
use crate::conversation::state::State;
use crate::ident::{ChannelId, ConversationId, GroupId, VisitorId};
use crate::journal::{Answer, Filter, Query};
use crate::refusal::Refusal;
use crate::signin::visitor::VisitorIdentity;
use crate::supervisor::actor::{Heard, Place};
use crate::supervisor::facts;
use crate::wire::client::Open;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Draws of an id before one of another node's slots will do: enough for a node that has a fiftieth of them.
const MOST_DRAWS: usize = 256;
/// Attributes of one conversation, claimed and signed together.
const MOST_ATTRIBUTES: usize = 64;

/// A visitor opens a conversation, or finds the one that lives.
pub(super) fn open(
    desk: &Arc<Desk>,
    asker: Asker,
    answer: ErrandAnswer,
    open: Open<'_>,
    locale: Option<Arc<str>>,
) {
    let Person::Visitor(visitor) = &asker.person else {
        answer(Err(Refusal::forbidden("conversations are opened by visitors")));
        return;
    };
    let text = |text: crate::wire::Text<'_>| -> Arc<str> { text.as_str().into() };
    let mut opening = Opening {
        subject: open.subject.map(text),
        intent: open.intent.map(text),
        ..opening_of(visitor, open.channel, locale, &open.attributes)
    };
    let content: Option<Content> = open.content.map(Into::into);
    if let Some(unknown) = open.group.as_ref().filter(|group| desk.directory().group(group).is_none()) {
        return answer(Err(Refusal::not_found(format!(
            "there is no group `{unknown}`; leave it out to be placed"
        ))));
    }
    let wish =
        Place { group: open.group, facts: facts::of_opening(&opening), trusted: false, returning: None };
    let own = desk.clone();
    place_new(desk, wish, &opening.visitor.clone(), answer, move |new, landing, answer| {
        if new.is_returning {
            facts::note_returning(&mut opening.attributes);
        }
        let client = content.as_ref().map(|content| asker.client_key(content));
        let level = Level::from(own.ladder().level);
        let landing = own.rush.landing(landing, level);
        let notice = own.rush.notice(level, opening.locale.as_deref());
        let command = Command::Open {
            opening: Box::new(opening),
            landing,
            content: content.clone(),
            contact: None,
            notice,
        };
        let (said, ask) = (content.is_some(), Ask { who: asker.person.who(), under: None, command });
        let (origin, next) = (asker.origin.clone(), own.clone());
        let answer = AnswerTo::new(move |reply| match reply {
            Reply::Done(receipt) => answer(Ok(opened(&receipt, true, said))),
            Reply::Exists(live) => return_live(&next, live, asker, answer, content),
            Reply::Refused(refusal) => answer(Err(refusal)),
        });
        own.conversations.deliver(new.conversation, Start::Fresh, Deliver { ask, client, origin, answer });
    });
}

/// A message to be called back, of a visitor who may have no conversation.
pub(super) struct Left {
    pub(super) channel: Option<ChannelId>,
    pub(super) content: Content,
    /// Where the visitor can be reached.
    pub(super) contact: Option<Arc<str>>,
}

/// A visitor leaves a message in the conversation that lives, or in a new one that begins with it: also when the desk
/// opens none.
pub(super) fn leave_message(desk: &Arc<Desk>, asker: Asker, answer: ErrandAnswer, left: Left) {
    let Person::Visitor(visitor) = &asker.person else {
        return answer(Err(Refusal::forbidden("messages are left by visitors")));
    };
    let Left { channel, content, contact } = left;
    let mut opening = opening_of(visitor, channel, asker.locale.clone(), &BTreeMap::new());
    let wish = Place { group: None, facts: facts::of_opening(&opening), trusted: false, returning: None };
    let own = desk.clone();
    place_new(desk, wish, &opening.visitor.clone(), answer, move |new, landing, answer| {
        if new.is_returning {
            facts::note_returning(&mut opening.attributes);
        }
        let (Landing::Queue(group) | Landing::CallBack(group)) = landing;
        let client = Some(asker.key_for(&content, Purpose::Left { contact: contact.as_deref() }));
        let (who, origin) = (asker.person.who(), asker.origin);
        let command = Command::Open {
            opening: Box::new(opening),
            landing: Landing::CallBack(group),
            content: Some(content.clone()),
            contact: contact.clone(),
            notice: None,
        };
        let (next, again) = (own.clone(), (who.clone(), origin.clone()));
        let answer = AnswerTo::new(move |reply| match reply {
            Reply::Exists(live) => {
                let (who, origin) = again;
                let ask = Ask { who, under: None, command: Command::LeaveMessage { content, contact } };
                let deliver = Deliver { ask, client, origin, answer: acked(answer) };
                next.conversations.deliver(live, Start::Stored, deliver);
            }
            reply => acked(answer).give(reply),
        });
        let ask = Ask { who, under: None, command };
        own.conversations.deliver(new.conversation, Start::Fresh, Deliver { ask, client, origin, answer });
    });
}

/// What is known of a visitor's new conversation before they say what it is about.
fn opening_of(
    visitor: &VisitorIdentity,
    channel: Option<ChannelId>,
    locale: Option<Arc<str>>,
    claimed: &BTreeMap<crate::wire::Text<'_>, crate::wire::Text<'_>>,
) -> Opening {
    Opening {
        shop: visitor.shop.clone(),
        channel: channel.unwrap_or_else(ChannelId::web),
        visitor: visitor.id.clone(),
        visitor_name: visitor.name.as_deref().map(Into::into),
        locale,
        subject: None,
        intent: None,
        tier: visitor.tier.as_deref().map(Into::into),
        attributes: attributes(visitor, claimed),
    }
}

/// A visitor brings a closed conversation back, within its time.
pub(super) fn reopen(desk: &Arc<Desk>, asker: Asker, answer: ErrandAnswer, conversation: ConversationId) {
    if asker.person.visitor().is_none() {
        answer(Err(Refusal::forbidden("conversations are reopened by their visitors")));
        return;
    }
    land_again(desk, asker, answer, conversation, |landing| Command::Reopen { landing });
}

/// A visitor asks for a person instead of the bot.
pub(super) fn request_agent(
    desk: &Arc<Desk>,
    asker: Asker,
    answer: ErrandAnswer,
    conversation: ConversationId,
    reason: Option<Arc<str>>,
) {
    land_again(desk, asker, answer, conversation, move |landing| Command::RequestAgent { landing, reason });
}

/// Asks routing where a known conversation belongs now, and tells it.
fn land_again(
    desk: &Arc<Desk>,
    asker: Asker,
    answer: ErrandAnswer,
    conversation: ConversationId,
    command: impl FnOnce(Landing) -> Command + Send + 'static,
) {
    let own = desk.clone();
    desk.ask(Query::State(conversation), move |read| {
        let state = match known(read, conversation) {
            Ok(state) => state,
            Err(refusal) => return answer(Err(refusal)),
        };
        let wish = Place {
            group: state.group.clone(),
            facts: facts::of_state(&state),
            trusted: true,
            returning: None,
        };
        let next = own.clone();
        place(&own, wish, answer, move |landing, answer| {
            let ask = Ask { who: asker.person.who(), under: None, command: command(landing) };
            let deliver = Deliver { ask, client: None, origin: asker.origin, answer: acked(answer) };
            next.conversations.deliver(conversation, Start::Stored, deliver);
        });
    });
}

/// The visitor's conversation that lives: its present state, with `content` appended to it.
fn return_live(
    desk: &Arc<Desk>,
    live: ConversationId,
    asker: Asker,
    answer: ErrandAnswer,
    content: Option<Content>,
) {
    let Some(content) = content else {
        return desk.ask(Query::State(live), move |read| {
            answer(known(read, live).map(|state| Served::Opened {
                conversation: live,
                state: state.phase,
                created: false,
                seq: None,
                at: state.opened_at,
            }));
        });
    };
    let client = Some(asker.client_key(&content));
    let ask = Ask { who: asker.person.who(), under: None, command: Command::Say(content) };
    let answer = AnswerTo::new(move |reply| match reply {
        Reply::Done(receipt) => answer(Ok(opened(&receipt, false, true))),
        Reply::Exists(_) => {
            answer(Err(Refusal::unavailable("the conversation moved meanwhile; repeat it", 300)))
        }
        Reply::Refused(refusal) => answer(Err(refusal)),
    });
    desk.conversations.deliver(live, Start::Stored, Deliver { ask, client, origin: asker.origin, answer });
}

/// A conversation that is about to be opened.
struct New {
    conversation: ConversationId,
    /// The desk knows its visitor from an earlier one.
    is_returning: bool,
}

/// Places a conversation that is to be opened; a visitor whom the desk knows goes back to the agent of before.
fn place_new(
    desk: &Arc<Desk>,
    wish: Place,
    visitor: &VisitorId,
    answer: ErrandAnswer,
    then: impl FnOnce(New, Landing, ErrandAnswer) + Send + 'static,
) {
    let channel = &wish.facts.channel;
    if *channel == ChannelId::web() || desk.directory().channel_seats.contains_key(channel) {
        return place_known(desk, wish, visitor.clone(), answer, then);
    }
    let (own, visitor, channel): (_, _, ChannelId) = (desk.clone(), visitor.clone(), channel.clone());
    let live = Query::LiveOf { shop: wish.facts.shop.clone(), visitor: visitor.clone() };
    desk.ask(live, move |read| match read {
        // Who comes back to one of them opens no further one.
        Ok(Answer::States(live))
            if live.len() >= own.most_live && live.iter().all(|state| state.channel != channel) =>
        {
            answer(Err(Refusal::conflict(format!(
                "you have {} conversations that live; close one, or go on in one of them",
                live.len()
            ))))
        }
        Ok(_) => place_known(&own, wish, visitor, answer, then),
        Err(refusal) => answer(Err(refusal)),
    });
}

/// As `place_new`, for a visitor who may have one more.
fn place_known(
    desk: &Arc<Desk>,
    wish: Place,
    visitor: VisitorId,
    answer: ErrandAnswer,
    then: impl FnOnce(New, Landing, ErrandAnswer) + Send + 'static,
) {
    let conversation = fresh_conversation(desk.conversations.placement());
    let filter = Box::new(Filter { visitor: Some(visitor), ..Filter::default() });
    let own = desk.clone();
    desk.ask(Query::Conversations { filter, before: None, limit: 1 }, move |read| {
        let last = match read {
            Ok(Answer::States(states)) => states.into_iter().next(),
            Ok(_) => None,
            Err(refusal) => return answer(Err(refusal)),
        };
        let known = last.as_ref().and_then(|last| facts::known_agent(last, own.sticky, own.clock.now()));
        let mut wish = Place { returning: known.map(|wanted| (conversation, wanted)), ..wish };
        let is_returning = last.is_some();
        wish.facts.returning |= is_returning;
        let new = New { conversation, is_returning };
        place(&own, wish, answer, move |landing, answer| then(new, landing, answer));
    });
}

/// An id whose slot is this node's, where it has slots: so the owner of most conversations is the node that their visitor
/// is connected to.
fn fresh_conversation(placement: &Placement) -> ConversationId {
    let draw = || ConversationId::from_uuid(fresh_uuid());
    let is_ours = |id: &ConversationId| placement.is_here(Slot::of_conversation(*id));
    (0..MOST_DRAWS).map(|_| draw()).find(is_ours).unwrap_or_else(draw)
}

fn place(
    desk: &Arc<Desk>,
    wish: Place,
    answer: ErrandAnswer,
    then: impl FnOnce(Landing, ErrandAnswer) + Send + 'static,
) {
    let asked = crate::supervisor::actor::AskPlace {
        wish: Box::new(wish),
        answer: Box::new(move |placed| match placed {
            Ok(landing) => then(landing, answer),
            Err(refusal) => answer(Err(refusal)),
        }),
    };
    if let Err(Heard::AskPlace(back)) = desk.supervisor.tell(asked) {
        (back.answer)(Err(Refusal::overloaded("too many conversations arrive at once; repeat it", 500)));
    }
}

fn opened(receipt: &Receipt, created: bool, said: bool) -> Served {
    Served::Opened {
        conversation: receipt.conversation,
        state: receipt.state,
        created,
        seq: receipt.seq.filter(|_| said),
        at: receipt.at,
    }
}

/// A conversation's reply as the acknowledgement of an errand.
pub(super) fn acked(answer: ErrandAnswer) -> AnswerTo {
    AnswerTo::new(move |reply| {
        answer(match reply {
            Reply::Done(receipt) => {
                Ok(Served::Ack { conversation: Some(receipt.conversation), seq: receipt.seq, at: receipt.at })
            }
            Reply::Exists(live) => Err(Refusal::conflict(
                "another conversation of this visitor lives on this channel; go on there",
            )
            .about(live)),
            Reply::Refused(refusal) => Err(refusal),
        });
    })
}

pub(super) fn known(
    read: Result<Answer, Refusal>,
    conversation: ConversationId,
) -> Result<Box<State>, Refusal> {
    match read? {
        Answer::State(Some(state)) => Ok(state),
        _ => Err(Refusal::not_found("there is no such conversation").about(conversation)),
    }
}

/// Of one name the signed attribute stands, else what is claimed now, else what was claimed at the sign-up.
fn attributes(
    visitor: &VisitorIdentity,
    claimed: &BTreeMap<crate::wire::Text<'_>, crate::wire::Text<'_>>,
) -> Vec<Attribute> {
    let signed = visitor.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str(), true));
    let now = claimed.iter().map(|(name, value)| (name.as_str(), value.as_str(), false));
    let before = visitor.claims.iter().map(|(name, value)| (name.as_str(), value.as_str(), false));
    let mut all: BTreeMap<&str, Attribute> = BTreeMap::new();
    for (name, value, trusted) in signed.chain(now).chain(before) {
        if all.len() < MOST_ATTRIBUTES {
            all.entry(name).or_insert_with(|| Attribute { name: name.into(), value: value.into(), trusted });
        }
    }
    all.into_values().collect()
}

/// Which group a transfer to an agent leads to: the present one where the agent belongs to it, else the agent's first.
pub(super) fn group_for(agent_groups: &[GroupId], present: Option<&GroupId>) -> Option<GroupId> {
    present.filter(|group| agent_groups.contains(group)).or(agent_groups.first()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ident::ShopId;
    use crate::wire::Text;

    fn said(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn opened(signed: &[(&str, &str)], at_sign_up: &[(&str, &str)], now: &[(&str, &str)]) -> Vec<String> {
        let visitor = VisitorIdentity {
            id: VisitorId::new("v").unwrap(),
            shop: ShopId::default_shop(),
            name: None,
            tier: None,
            attributes: said(signed),
            claims: said(at_sign_up),
            is_anonymous: false,
            expires_at: Timestamp::from_millis(1),
        };
        let now = now.iter().map(|(name, value)| (Text::from(*name), Text::from(*value))).collect();
        let shown = |a: Attribute| format!("{}={}{}", a.name, a.value, if a.trusted { "!" } else { "" });
        attributes(&visitor, &now).into_iter().map(shown).collect()
    }

    #[test]
    fn of_one_name_the_most_believable_word_stands_and_only_signed_ones_are_trusted() {
        assert_eq!(opened(&[], &[("city", "Wuhan")], &[]), ["city=Wuhan"]);
        assert_eq!(
            opened(&[("cart", "9")], &[("cart", "999"), ("city", "Wuhan")], &[("city", "Xi'an"), ("a", "b")]),
            ["a=b", "cart=9!", "city=Xi'an"]
        );
        assert_eq!(opened(&[("cart", "9")], &[], &[("cart", "999")]), ["cart=9!"]);
    }

    #[test]
    fn there_are_not_more_attributes_than_a_conversation_holds_and_signed_ones_are_the_last_to_go() {
        let numbered = |kind: &str| -> Vec<(String, String)> {
            (0..40).map(|n| (format!("{kind}{n}"), "x".to_owned())).collect()
        };
        let (signed, now) = (numbered("z"), numbered("a"));
        let borrowed = |pairs: &[(String, String)]| -> Vec<(&'static str, &'static str)> {
            pairs.iter().map(|(name, _)| (&*name.clone().leak(), "x")).collect()
        };
        let all = opened(&borrowed(&signed), &[], &borrowed(&now));
        assert_eq!(all.len(), MOST_ATTRIBUTES);
        assert_eq!(all.iter().filter(|shown| shown.ends_with('!')).count(), 40);
    }
}
