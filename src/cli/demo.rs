//! `rushdesk demo`: a node with a sample shop, simulated shoppers and agents.

use super::{Context, Failure};
use crate::settings::{Secret, StoreUrl};
use crate::{app, demo};
use clap::Args;

/// The store of a real shop, which a demonstration keeps away from, and the one that it uses instead.
const SHOP_STORE: &str = "./data/rushdesk.db";
const DEMO_STORE: &str = "./data/demo.db";

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Shoppers who arrive in a minute
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub arrivals_per_min: u32,
    /// Simulated agents
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub agents: u32,
    /// Seconds between two bursts; 0 means none
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub burst_every_s: u32,
}

/// Runs the sample shop until it is told to stop.
///
/// # Errors
/// The settings are wrong, or the node cannot run.
pub fn run(args: &DemoArgs, context: &Context) -> Result<(), Failure> {
    let mut settings = context.load_and_log()?.settings;
    if settings.store.url == StoreUrl::Sqlite(SHOP_STORE.into()) {
        settings.store.url = StoreUrl::Sqlite(DEMO_STORE.into());
    }
    let password = settings.bootstrap.admin_password.get_or_insert_with(|| Secret::new(demo::ADMIN_PASSWORD));
    let password = password.expose().to_owned();
    let wishes = demo::Wishes {
        arrivals_per_min: args.arrivals_per_min,
        agents: args.agents,
        burst_every_s: args.burst_every_s,
    };
    super::serve::serve(settings, false, move |address| {
        app::announce(address);
        if let Err(error) = demo::begin(address, password, wishes) {
            tracing::error!(%error, "the demo could not begin");
        }
    })
}
