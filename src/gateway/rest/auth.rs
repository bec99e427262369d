//! Agents sign in with login and password, and out again.

use super::agents::{load_rows, resource};
use super::call::Call;
use super::route::{Repeat, Route};
use super::serve::Reply;
use crate::clock::{Timestamp, fresh_uuid};
use crate::desk::directory::AgentProfile;
use crate::refusal::Refusal;
use crate::signin::agent::AgentClaims;
use crate::signin::{Role, password};
use crate::wire::rest::{AgentResource, LoginAnswer, LoginBody};
use uuid::Uuid;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/v1/auth/login", |call| Box::pin(log_in(call)))
            .about("Signs an agent in; an address that fails often is refused, a login that fails often is slowed down.")
            .open()
            .repeat(Repeat::Ignored)
            .takes::<LoginBody>()
            .answers::<LoginAnswer>(),
        Route::post("/v1/auth/logout", |call| Box::pin(log_out(call)))
            .about("Ends this sign-in: its token is not honoured any more.")
            .desk(Role::Agent)
            .repeat(Repeat::Ignored),
        Route::get("/v1/auth/me", |call| Box::pin(me(call)))
            .about("The agent who asks.")
            .desk(Role::Agent)
            .answers::<AgentResource>(),
    ]
}

async fn log_in(call: Call) -> Result<Reply, Refusal> {
    let body: LoginBody = call.read()?;
    let now = call.desk().clock.now();
    let profile = checked(&call, body, now).await?;
    let until = now.plus_secs(call.gate.settings.auth.agent_token_s);
    // Tokens end at whole seconds; what is told is what holds.
    let expires_at = Timestamp::from_millis(until.millis() / 1_000 * 1_000);
    let claims = AgentClaims {
        agent: profile.id,
        sign_in: Uuid::from_u128(fresh_uuid().as_u128()),
        version: profile.token_version,
        role: profile.role,
        expires_at,
    };
    let token = call.gate.signins.agents.sign(&claims).map_err(|error| {
        tracing::error!(%error, "an agent's token could not be signed");
        Refusal::unavailable("the sign-in could not be signed; repeat it", 1_000)
    })?;
    let rows = load_rows(&call).await?;
    let agent = resource(&profile, rows.get(&profile.id));
    Reply::ok(&LoginAnswer { token, agent, expires_at })
}

/// The agent with this login and password. Strangers and disabled agents take as long as a wrong password.
async fn checked(call: &Call, body: LoginBody, now: Timestamp) -> Result<AgentProfile, Refusal> {
    let log_ins = &call.gate.office.log_ins;
    log_ins.pass(&body.login, call.address, now)?;
    log_ins.look_elsewhere(&body.login, call.address, now).await;
    log_ins.slow_down(&body.login, now).await;
    let permit = call.gate.office.hashing.place().await?;
    // Once more: many attempts at once have all passed before the first one failed.
    log_ins.pass(&body.login, call.address, now)?;
    let directory = call.desk().directory();
    let profile = directory.agent_by_login(&body.login).filter(|profile| !profile.disabled).cloned();
    let (stored, given) = (profile.as_ref().map(|profile| profile.password_hash.clone()), body.password);
    let right = call
        .block(move |gate| {
            let compared = match stored {
                Some(stored) => password::verify(&given, &stored),
                None => password::verify_nobody(gate.settings.auth.password_cost()).map(|()| false),
            };
            compared.map_err(|error| {
                tracing::error!(%error, "a password could not be checked");
                Refusal::unavailable("the password could not be checked; repeat it", 1_000)
            })
        })
        .await?;
    drop(permit);
    if let Some(profile) = profile.filter(|_| right) {
        return Ok(profile);
    }
    log_ins.failed(&body.login, call.address, now);
    Err(Refusal::unauthenticated("login or password is wrong"))
}

async fn log_out(call: Call) -> Result<Reply, Refusal> {
    let claims = call.signed_in.as_ref().and_then(|signed_in| signed_in.claims.clone());
    let claims = claims.ok_or_else(|| Refusal::forbidden("only agents log out"))?;
    call.block(move |gate| {
        let now = gate.desk.clock.now();
        gate.signins.log_out(&claims, &*gate.store, now)?;
        gate.administration.tell_others();
        Ok(())
    })
    .await?;
    Ok(Reply::Nothing)
}

async fn me(call: Call) -> Result<Reply, Refusal> {
    let id = call.agent()?.id;
    let directory = call.desk().directory();
    let profile = directory.agent(id).ok_or_else(|| Refusal::not_found("you are no agent any more"))?;
    let rows = load_rows(&call).await?;
    Reply::ok(&resource(profile, rows.get(&id)))
}
