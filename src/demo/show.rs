//! Opens the sample shop, lets shoppers and agents in, and tells every second how the desk is doing.

use super::shop;
use crate::cli::answer;
use crate::rehearsal::http::{Http, HttpError};
use crate::rehearsal::plan::{Burst, Plan, SignIn};
use crate::rehearsal::setup::{Administrator, Staff};
use crate::rehearsal::stage::Record;
use crate::rehearsal::target::Target;
use crate::rehearsal::traffic::Traffic;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// The administrator's password where the settings name none: a demonstration on this machine has nothing to hide.
pub const ADMIN_PASSWORD: &str = "rushdesk-demo";
/// The password of the people who may join.
const PASSWORD: &str = "rushdesk-demo";
/// Seats of everybody in the sample shop.
const SEATS: u32 = 5;
/// Shoppers at one time; whoever comes beyond them is sent away and counted.
const PRESENT: usize = 5_000;
/// Shoppers in all.
const VISITORS: u64 = 10_000_000;

/// How much shall be going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    pub arrivals_per_min: u32,
    pub agents: u32,
    /// 0: no bursts.
    pub burst_every_s: u32,
}

/// Runs the show on a thread of its own, until the process ends.
///
/// # Errors
/// The thread cannot be started.
pub fn begin(address: SocketAddr, admin_password: String, wishes: Wishes) -> std::io::Result<()> {
    std::thread::Builder::new().name("demo".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "the demo has no runtime"),
        };
        if let Err(error) = runtime.block_on(show(address, &admin_password, wishes)) {
            tracing::error!(%error, "the demo has ended; the desk goes on");
        }
    })?;
    Ok(())
}

async fn show(address: SocketAddr, admin_password: &str, wishes: Wishes) -> Result<(), String> {
    let target = Target::new(address).map_err(|error| error.to_string())?;
    let agents = open_shop(target, admin_password, wishes.agents).await.map_err(|error| error.to_string())?;
    welcome(address, admin_password)?;
    let burst = Burst { every_s: u64::from(wishes.burst_every_s), for_s: 15, times: 6.0 };
    let plan = Plan {
        seed: 1_111,
        arrive_for_s: None,
        visitors: VISITORS,
        arrivals_per_s: f64::from(wishes.arrivals_per_min) / 60.0,
        burst: (wishes.burst_every_s > 0).then_some(burst),
        present: PRESENT,
        errands: shop::errands(),
        messages: (2, 6),
        pause_ms: 4_000,
        reply_ms: 2_500,
        drop_share: 0.02,
        patience_s: 90,
        agents,
    };
    let traffic = Traffic::start(plan, target, Record::not_kept());
    tell(&traffic, target).await
}

async fn open_shop(target: Target, admin_password: &str, agents: u32) -> Result<Vec<SignIn>, HttpError> {
    let mut administrator = Administrator::sign_in(target, "admin", admin_password).await?;
    let record = Record::not_kept();
    let mut hired = Vec::new();
    for sample in &shop::GROUPS {
        administrator.group(shop::group(sample)).await?;
        let count = (u64::from(agents) * sample.tenths).div_ceil(10).min(u64::from(agents));
        let name = format!("demo-{}-", sample.id);
        let staff = Staff { count, name: &name, groups: &[sample.id], capacity: SEATS };
        hired.extend(administrator.hire(&staff, &record).await?);
        let person = json!({"login": sample.login, "name": sample.login, "password": PASSWORD,
            "role": "agent", "groups": [sample.id], "capacity": SEATS});
        make(&mut administrator, "/api/v1/agents", person).await?;
    }
    for rule in shop::rules() {
        make(&mut administrator, "/api/v1/routing/rules", rule).await?;
    }
    Ok(hired)
}

/// Makes what is not there yet; a second show in the same store finds its shop.
async fn make(administrator: &mut Administrator, path: &str, body: Value) -> Result<(), HttpError> {
    let token = administrator.token().to_owned();
    match administrator.http().post(path, Some(&token), body).await {
        Ok(_) | Err(HttpError::Refused { status: 409, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn welcome(address: SocketAddr, admin_password: &str) -> Result<(), String> {
    let mut lines =
        vec![format!("sample shop · 示例店铺    http://{address}/"), format!("  admin     {admin_password}")];
    for sample in &shop::GROUPS {
        lines.push(format!("  {:<9} {PASSWORD}    {}", sample.login, sample.name));
    }
    lines.push(format!("agents: POST http://{address}/api/v1/auth/login, then ws://{address}/ws/agent"));
    lines.push(format!("shoppers: POST http://{address}/api/v1/visitors, then ws://{address}/ws/visitor"));
    lines.push("Ctrl-C ends the show · 按 Ctrl-C 结束".to_owned());
    say(&lines.join("\n"))
}

async fn tell(traffic: &Traffic, target: Target) -> Result<(), String> {
    let mut http = Http::new(target);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut assigned_before = 0;
    while !traffic.is_over() {
        seconds.tick().await;
        let live = match http.get("/api/v1/live", None).await {
            Ok(live) => live,
            Err(error) => {
                tracing::debug!(%error, "the live counts could not be read");
                continue;
            }
        };
        let shown = groups(&live);
        if shown.is_empty() {
            continue;
        }
        let meters = &traffic.stage().meters;
        let assigned = meters.assigned.count();
        let line = format!(
            "{} | {} assigned/s | first response p50 {:.1} s | {} shoppers here, {} served, {} gave up",
            shown,
            assigned - assigned_before,
            meters.first_response.spread().p50_ms / 1_000.0,
            meters.present.count(),
            meters.served.count(),
            meters.gave_up.count(),
        );
        assigned_before = assigned;
        say(&line)?;
    }
    Ok(())
}

/// Who waits, how long the next one would, and the seats in use, by group.
fn groups(live: &Value) -> String {
    let number = |group: &Value, name: &str| group.get(name).and_then(Value::as_u64).unwrap_or(0);
    let groups = live.get("groups").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let shown = groups.iter().filter(|group| number(group, "seats") > 0 || number(group, "waiting") > 0);
    let shown = shown.map(|group| {
        let wait = group.pointer("/expected_wait_s/p50").and_then(Value::as_u64);
        format!(
            "{} {} waiting{} {}/{} seats",
            group.get("group").and_then(Value::as_str).unwrap_or("?"),
            number(group, "waiting"),
            wait.map_or_else(String::new, |wait_s| format!(" ~{wait_s} s")),
            number(group, "seats").saturating_sub(number(group, "free_seats")),
            number(group, "seats"),
        )
    });
    shown.collect::<Vec<_>>().join(" · ")
}

fn say(text: &str) -> Result<(), String> {
    answer(text).map_err(|failure| format!("{failure:?}"))
}
