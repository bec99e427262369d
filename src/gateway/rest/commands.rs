//! The sockets' commands over HTTP: bodies become frames, frames become errands.

use super::call::Call;
use super::conversations::resource;
use super::route::{Answering, Repeat, Route};
use super::serve::Reply;
use crate::desk::Served;
use crate::ident::AssignSeq;
use crate::ident::{ChannelId, ConversationId, OfferId, Seq};
use crate::refusal::Refusal;
use crate::signin::Role;
use crate::wire::Text;
use crate::wire::client::{ClientFrame, Close, Open, Transfer};
use crate::wire::rest::{
    CloseBody, Committed, Line, Lines, MessageBody, MessageContent, OpenBody, OpenedConversation, RatingBody,
    TransferBody, Word,
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// `POST …/pick`, `…/done`, `…/reopen`, and `POST /offers/{id}/accept`: the path says it all.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EmptyBody {}

/// `POST …/release`: nothing but the assignment that an agent acts under.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UnderBody {
    assign_seq: Option<AssignSeq>,
}

/// `POST …/recall`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecallBody {
    seq: Seq,
}

/// `POST …/request_agent`, and `POST /offers/{id}/decline`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReasonBody {
    reason: Option<Line>,
}

/// `POST …/leave_message`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LeaveMessageBody {
    /// The idempotency key; `Idempotency-Key` serves as well.
    id: Option<Word>,
    content: MessageContent,
    /// Where the visitor can be reached.
    contact: Option<Line>,
}

/// `POST /leave_message`: of a visitor who may have no conversation yet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LeaveFirstMessageBody {
    /// The idempotency key; `Idempotency-Key` serves as well.
    id: Option<Word>,
    channel: Option<ChannelId>,
    content: MessageContent,
    /// Where the visitor can be reached.
    contact: Option<Line>,
}

pub(super) fn routes() -> Vec<Route> {
    let command = |path, handler: fn(Call) -> Answering| Route::post(path, handler).answers::<Committed>();
    vec![
        Route::post("/v1/conversations", |call| Box::pin(open(call)))
            .about("Opens a visitor's conversation (201), or finds the one that lives and says `content` in it (200).")
            .repeat(Repeat::Message)
            .created()
            .takes::<OpenBody>()
            .answers::<OpenedConversation>(),
        command("/v1/conversations/{id}/messages", |call| Box::pin(say(call)))
            .about("Says something.")
            .repeat(Repeat::Message)
            .created()
            .takes::<MessageBody>(),
        command("/v1/conversations/{id}/leave_message", |call| Box::pin(leave_message(call)))
            .about("Stores a message to be called back.")
            .repeat(Repeat::Message)
            .created()
            .takes::<LeaveMessageBody>(),
        command("/v1/leave_message", |call| Box::pin(leave_first_message(call)))
            .about("Stores a message to be called back, in the visitor's live conversation or in a new one.")
            .repeat(Repeat::Message)
            .created()
            .takes::<LeaveFirstMessageBody>(),
        command("/v1/conversations/{id}/close", |call| Box::pin(close(call)))
            .about("Ends the conversation.")
            .takes::<CloseBody>(),
        command("/v1/conversations/{id}/transfer", |call| Box::pin(transfer(call)))
            .about("Hands it on to a group or an agent.")
            .desk(Role::Agent)
            .takes::<TransferBody>(),
        command("/v1/conversations/{id}/rating", |call| Box::pin(rate(call)))
            .about("The visitor's verdict.")
            .takes::<RatingBody>(),
        command("/v1/conversations/{id}/reopen", |call| Box::pin(reopen(call)))
            .about("Brings a closed conversation back within its time.")
            .takes::<EmptyBody>(),
        command("/v1/conversations/{id}/request_agent", |call| Box::pin(request_agent(call)))
            .about("Leaves the bot for a person.")
            .takes::<ReasonBody>(),
        command("/v1/conversations/{id}/recall", |call| Box::pin(recall(call)))
            .about("Takes back an own message within its time.")
            .takes::<RecallBody>(),
        command("/v1/conversations/{id}/release", |call| Box::pin(release(call)))
            .about("Gives it back to the queue.")
            .desk(Role::Agent)
            .takes::<UnderBody>(),
        command("/v1/conversations/{id}/pick", |call| Box::pin(pick(call)))
            .about("Takes it from the queue by hand, where the group allows it.")
            .desk(Role::Agent)
            .takes::<EmptyBody>(),
        command("/v1/conversations/{id}/done", |call| Box::pin(done(call)))
            .about("Ends the wrap-up.")
            .desk(Role::Agent)
            .takes::<EmptyBody>(),
        command("/v1/offers/{id}/accept", |call| Box::pin(accept(call)))
            .about("Takes an offer.")
            .desk(Role::Agent)
            .takes::<EmptyBody>(),
        command("/v1/offers/{id}/decline", |call| Box::pin(decline(call)))
            .about("Refuses an offer.")
            .desk(Role::Agent)
            .takes::<ReasonBody>(),
    ]
}

fn text<T: Into<String>>(given: Option<T>) -> Option<Text<'static>> {
    given.map(|given| Text::from(given.into()))
}

fn named(id: &Arc<str>) -> Text<'static> {
    Text::from(id.to_string())
}

async fn open(call: Call) -> Result<Reply, Refusal> {
    let body: OpenBody = call.read_or_default()?;
    let own = call.person()?.visitor().map(|(_, visitor)| visitor.clone());
    if own.is_some() && body.visitor.is_some() && body.visitor != own {
        return Err(Refusal::forbidden("a visitor opens no other visitor's conversation"));
    }
    let id = call.message_id(body.id.as_deref())?;
    let limits = call.gate.lobby.limits.wire;
    let content = body.content.as_ref().map(|content| content.read(&limits)).transpose()?;
    let attributes = body.attributes.map(|attributes| attributes.0).unwrap_or_default();
    let frame = ClientFrame::Open(Open {
        id: named(&id),
        subject: text(body.subject),
        intent: text(body.intent),
        group: body.group,
        channel: body.channel,
        attributes: attributes.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        content,
    });
    let Served::Opened { conversation, created, seq, .. } = call.run(id, frame).await? else {
        return Err(Refusal::unavailable("the desk gave no answer; repeat it", 500));
    };
    let (state, view) = call.readable(conversation).await?;
    let conversation = resource(&state, view, call.desk().clock.now());
    let status = if created { 201 } else { 200 };
    Reply::with_status(status, &OpenedConversation { conversation, created, seq })
}

/// Runs a command; the answer is what an `ack` says.
async fn commit(call: &Call, id: Arc<str>, frame: ClientFrame<'_>) -> Result<Reply, Refusal> {
    match call.run(id, frame).await? {
        Served::Ack { conversation: Some(id), seq, at } => Reply::ok(&Committed { id, seq, at }),
        Served::Opened { conversation: id, seq, at, .. } => Reply::ok(&Committed { id, seq, at }),
        Served::Ack { conversation: None, .. } => {
            Err(Refusal::unavailable("the desk gave no answer; repeat it", 500))
        }
    }
}

async fn say(call: Call) -> Result<Reply, Refusal> {
    let conversation: ConversationId = call.id()?;
    let body: MessageBody = call.read()?;
    let id = call.message_id(body.id.as_deref())?;
    let frame = ClientFrame::Send {
        id: named(&id),
        conversation,
        assign_seq: call.assign_seq(body.assign_seq)?,
        content: body.content.read(&call.gate.lobby.limits.wire)?,
    };
    commit(&call, id, frame).await
}

async fn leave_message(call: Call) -> Result<Reply, Refusal> {
    let conversation: ConversationId = call.id()?;
    let body: LeaveMessageBody = call.read()?;
    let id = call.message_id(body.id.as_deref())?;
    let content = body.content.read(&call.gate.lobby.limits.wire)?;
    let frame = ClientFrame::LeaveMessage {
        id: named(&id),
        conversation: Some(conversation),
        channel: None,
        content,
        contact: text(body.contact),
    };
    commit(&call, id, frame).await
}

async fn leave_first_message(call: Call) -> Result<Reply, Refusal> {
    let body: LeaveFirstMessageBody = call.read()?;
    let id = call.message_id(body.id.as_deref())?;
    let frame = ClientFrame::LeaveMessage {
        id: named(&id),
        conversation: None,
        channel: body.channel,
        content: body.content.read(&call.gate.lobby.limits.wire)?,
        contact: text(body.contact),
    };
    commit(&call, id, frame).await
}

/// A command that is no message: its id names nothing for ever.
async fn command(
    call: &Call,
    frame: impl FnOnce(Text<'static>, ConversationId) -> ClientFrame<'static>,
) -> Result<Reply, Refusal> {
    let id = call.message_id(None)?;
    commit(call, id.clone(), frame(named(&id), call.id()?)).await
}

async fn close(call: Call) -> Result<Reply, Refusal> {
    let body: CloseBody = call.read_or_default()?;
    let assign_seq = call.assign_seq(body.assign_seq)?;
    command(&call, |id, conversation| {
        ClientFrame::Close(Close {
            id,
            conversation,
            assign_seq,
            reason: text(body.reason),
            disposition: text(body.disposition),
            tags: body.tags.into_iter().map(|tag| Text::from(String::from(tag))).collect(),
        })
    })
    .await
}

async fn transfer(call: Call) -> Result<Reply, Refusal> {
    let body: TransferBody = call.read()?;
    let assign_seq = call.assign_seq(body.assign_seq)?;
    let note = text::<Lines>(body.note);
    command(&call, |id, conversation| {
        ClientFrame::Transfer(Transfer { id, conversation, assign_seq, to: body.to, note })
    })
    .await
}

async fn rate(call: Call) -> Result<Reply, Refusal> {
    let body: RatingBody = call.read()?;
    command(&call, |id, conversation| ClientFrame::Rate {
        id,
        conversation,
        score: body.score.into(),
        comment: text(body.comment),
    })
    .await
}

async fn reopen(call: Call) -> Result<Reply, Refusal> {
    let EmptyBody {} = call.read_or_default()?;
    command(&call, |id, conversation| ClientFrame::Reopen { id, conversation }).await
}

async fn request_agent(call: Call) -> Result<Reply, Refusal> {
    let body: ReasonBody = call.read_or_default()?;
    command(&call, |id, conversation| ClientFrame::RequestAgent {
        id,
        conversation,
        reason: text(body.reason),
    })
    .await
}

async fn recall(call: Call) -> Result<Reply, Refusal> {
    let body: RecallBody = call.read()?;
    command(&call, |id, conversation| ClientFrame::Recall { id, conversation, seq: body.seq }).await
}

async fn release(call: Call) -> Result<Reply, Refusal> {
    let body: UnderBody = call.read_or_default()?;
    let assign_seq = call.assign_seq(body.assign_seq)?;
    command(&call, |id, conversation| ClientFrame::Release { id, conversation, assign_seq }).await
}

async fn pick(call: Call) -> Result<Reply, Refusal> {
    let EmptyBody {} = call.read_or_default()?;
    command(&call, |id, conversation| ClientFrame::Pick { id, conversation }).await
}

async fn done(call: Call) -> Result<Reply, Refusal> {
    let EmptyBody {} = call.read_or_default()?;
    command(&call, |id, conversation| ClientFrame::Done { id, conversation }).await
}

async fn accept(call: Call) -> Result<Reply, Refusal> {
    let EmptyBody {} = call.read_or_default()?;
    let (offer, id): (OfferId, _) = (call.id()?, call.message_id(None)?);
    commit(&call, id.clone(), ClientFrame::Accept { id: named(&id), offer }).await
}

async fn decline(call: Call) -> Result<Reply, Refusal> {
    let body: ReasonBody = call.read_or_default()?;
    let (offer, id): (OfferId, _) = (call.id()?, call.message_id(None)?);
    commit(&call, id.clone(), ClientFrame::Decline { id: named(&id), offer, reason: text(body.reason) }).await
}
