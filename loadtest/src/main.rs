//! The measuring driver: real shoppers and agents over sockets, against a desk on this machine.
//!
//! `relay`, `ack`, `drain` and `idle` measure; `check` plays mixed traffic and lets the history checker judge it;
//! `floor` is the bare relay to compare with. Everything is bounded in count and time and ends by itself. It knows the
//! desk from outside only, and refuses to talk to anything but loopback addresses.
//!
//! Exit codes: 0 fine, 1 failed or not clean, 2 wrong use.

mod account;
mod arguments;
mod beside;
mod check;
mod drain;
mod floor;
mod frames;
mod guests;
mod idle;
mod relay;
mod tell;

use arguments::{Arguments, CheckArguments, Desk, DrainArguments, IdleArguments, Talk, What};
use clap::Parser;
use guests::House;
use rushdesk::rehearsal::plan::{Plan, SignIn};
use rushdesk::rehearsal::report;
use rushdesk::rehearsal::target::Target;
use serde_json::json;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

/// A visitor who waits longer than this has been forgotten.
const PATIENCE_S: u64 = 30;

// One thread: the driver is bound to one core while it measures, and wakes nobody.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Relay(a) => relay(&a.desk, &a.talk, a.rate, a.in_flight).await,
        What::Ack(a) => relay(&a.desk, &a.talk, Some(a.rate), 1).await,
        What::Drain(a) => drain(&a).await,
        What::Idle(a) => idle(&a).await,
        What::Check(a) => check(&a).await,
        What::Floor(a) => floor(Duration::from_secs(a.for_s)).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            drop(std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("loadtest: {error}\n").as_bytes(),
            ));
            ExitCode::FAILURE
        }
    }
}

type Done = Result<bool, Box<dyn Error>>;

fn admin(desk: &Desk) -> SignIn {
    SignIn { login: desk.admin_login.clone(), password: desk.admin_password.clone() }
}

fn house(desk: &Desk) -> House {
    house_of(desk, desk.desk)
}

fn house_of(desk: &Desk, agents_at: Target) -> House {
    House::Desk { target: desk.desk, agents_at, admin: admin(desk) }
}

async fn relay(desk: &Desk, talk: &Talk, rate: Option<f64>, in_flight: usize) -> Done {
    let work = relay::Work {
        visitors: talk.visitors,
        agents: talk.agents,
        message_bytes: talk.message_bytes,
        rate,
        in_flight,
        warm_up: Duration::from_secs(talk.warm_up_s),
        measure: Duration::from_secs(talk.for_s),
    };
    let house = house_of(desk, talk.agents_at.unwrap_or(desk.desk));
    let ours = relay::measure(&house, &work, desk.server_pid, &talk.beside).await?;
    let bare = if talk.with_floor { Some(beside_floor(talk, &work).await?) } else { None };
    let ratios = bare.as_ref().map(|bare| tell::ratios(&ours, bare));
    if desk.json {
        let bare = bare.as_ref().map(tell::relay_json);
        let all = json!({"desk": tell::relay_json(&ours), "floor": bare, "ratios": ratios});
        tell::line(&all.to_string());
    } else {
        tell::relay_table("desk", &ours);
        if let Some((bare, ratios)) = bare.as_ref().zip(ratios) {
            tell::relay_table("floor", bare);
            tell::line(&format!("desk ÷ floor: {ratios}"));
        }
    }
    Ok(ours.acked > 0 && ours.lost_connections == 0)
}

async fn beside_floor(talk: &Talk, work: &relay::Work) -> Result<relay::Outcome, Box<dyn Error>> {
    let beside = beside::Floor::start(talk.server_core, talk.for_s + talk.warm_up_s + 60).await?;
    let house = House::Floor { target: beside.target };
    Ok(relay::measure(&house, work, beside.pid(), &[]).await?)
}

async fn drain(a: &DrainArguments) -> Done {
    let work = drain::Work {
        waiting: a.waiting,
        agents: a.agents,
        capacity: a.capacity,
        rate: a.rate,
        stream: Duration::from_secs(a.stream_s),
    };
    let outcome = drain::measure(&house(&a.desk), work, a.desk.server_pid).await?;
    if a.desk.json {
        tell::line(&tell::drain_json(&outcome).to_string());
    } else {
        tell::drain_table(&outcome);
    }
    Ok(outcome.drained >= outcome.waiting)
}

async fn idle(a: &IdleArguments) -> Done {
    let pid = a.desk.server_pid.ok_or("idle needs --server-pid: memory is read from /proc")?;
    let rest = Duration::from_secs(a.rest_s);
    let outcome = idle::measure(&house(&a.desk), a.connections, !a.without_conversation, rest, pid).await?;
    if a.desk.json {
        tell::line(&tell::idle_json(&outcome).to_string());
    } else {
        tell::idle_table(&outcome);
    }
    Ok(true)
}

async fn check(a: &CheckArguments) -> Done {
    let plan = Plan {
        seed: a.seed,
        arrive_for_s: Some(a.for_s),
        visitors: u64::MAX,
        arrivals_per_s: a.rate,
        burst: None,
        present: 2_000,
        errands: vec![check::plain_errand()],
        messages: (2, 6),
        pause_ms: a.pause_ms,
        reply_ms: a.reply_ms,
        drop_share: a.drop_share,
        patience_s: PATIENCE_S,
        agents: Vec::new(),
    };
    let cast = check::Cast { agents: a.agents, capacity: a.capacity, plan };
    let show = !a.desk.json;
    let each_second = |meters: &_| {
        if show {
            tell::second(meters);
        }
    };
    let (stage, verdict) = check::play(a.desk.desk, &admin(&a.desk), cast, each_second).await?;
    if show {
        tell::line(&report::table(&stage.meters));
        tell::line(&verdict.to_string());
    } else {
        let all = json!({"play": report::json(&stage.meters), "verdict": tell::verdict_json(&verdict)});
        tell::line(&all.to_string());
    }
    Ok(verdict.is_clean() && verdict.counts.acked > 0)
}

async fn floor(until: Duration) -> Done {
    let (listener, address) = floor::bind().await?;
    tell::line(&format!("listening on http://{address}"));
    tokio::select! {
        ended = floor::run(listener) => ended?,
        () = tokio::time::sleep(until) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(true)
}
