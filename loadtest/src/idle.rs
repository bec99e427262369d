//! Idle connections: what one signed-in visitor with an open conversation costs the server in resident memory.

use crate::account::Account;
use crate::guests::{self, House, NotSeated};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// After the last join until its memory is read.
const SETTLE: Duration = Duration::from_secs(2);

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) connections: u64,
    pub(crate) before_kib: u64,
    pub(crate) after_kib: u64,
    /// After the wait that lets the desk put idle conversations to rest.
    pub(crate) rested_kib: u64,
    pub(crate) kib_per_connection: f64,
    pub(crate) rested_kib_per_connection: f64,
}

/// `with_conversation` opens one for each.
///
/// # Errors
/// Somebody is not let in, or the server's process cannot be read.
pub(crate) async fn measure(
    house: &House,
    connections: u64,
    with_conversation: bool,
    rest: Duration,
    server_pid: u32,
) -> Result<Outcome, NotSeated> {
    let account = || Account::of(server_pid).map_err(|error| NotSeated::Refused(error.to_string()));
    let tokens = house.visitors(connections).await?;
    // One visitor first, so that what is made once is not counted per connection.
    let mut held = JoinSet::new();
    let mut before_kib = 0;
    for (number, token) in tokens.into_iter().enumerate() {
        let mut line = guests::seat_visitor(house.target(), &token).await?;
        if with_conversation {
            guests::open(&mut line).await?;
        }
        // Reading answers the server's pings.
        held.spawn(async move { while line.hear().await.is_ok() {} });
        if number == 0 {
            sleep(SETTLE).await;
            before_kib = account()?.rss_kib;
        }
    }
    sleep(SETTLE).await;
    let after_kib = account()?.rss_kib;
    sleep(rest).await;
    let rested_kib = account()?.rss_kib;
    held.shutdown().await;
    #[expect(clippy::cast_precision_loss, reason = "KiB of one machine")]
    let per_connection =
        |kib: u64| (kib as f64 - before_kib as f64) / connections.saturating_sub(1).max(1) as f64;
    Ok(Outcome {
        connections,
        before_kib,
        after_kib,
        rested_kib,
        kib_per_connection: per_connection(after_kib),
        rested_kib_per_connection: per_connection(rested_kib),
    })
}
