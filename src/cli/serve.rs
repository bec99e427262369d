//! `rushdesk serve`: runs a node.

use super::{Context, Failure};
use crate::app::{self, Node, StartError};
use crate::desk::administration::FirstStart;
use crate::settings::Settings;
use clap::Args;
use std::net::SocketAddr;

#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// Bring the schema of a PostgreSQL database up to date at the start (a file's always is)
    #[arg(long)]
    pub migrate: bool,
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// The settings are wrong, or the node cannot run.
pub fn run(args: &ServeArgs, context: &Context) -> Result<(), Failure> {
    serve(context.load_and_log()?.settings, args.migrate, app::announce)
}

/// Runs a node with these settings; `listening` hears the address. An older schema of a database is brought up to date
/// only where that was said.
pub(super) fn serve(
    settings: Settings,
    may_migrate: bool,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    let password_given = settings.bootstrap.admin_password.is_some();
    actix::System::new().block_on(async move {
        let node = Node::start(settings, may_migrate).map_err(failure)?;
        greet(&node.first_start, password_given);
        app::serve(node, listening).await.map_err(failure)
    })
}

/// Shows a made-up password once, on standard error, where logs may be kept but answers are not.
#[expect(clippy::print_stderr, reason = "the password is for the operator's eyes, not for the log")]
pub(super) fn greet(first_start: &FirstStart, password_given: bool) {
    match first_start {
        FirstStart::No if password_given => tracing::info!(
            "bootstrap.admin_password is for an empty store and was not used; `rushdesk agent password admin` sets another"
        ),
        FirstStart::No => {}
        FirstStart::WithGivenPassword => {
            tracing::info!("made the agent `admin` with the password of the settings")
        }
        FirstStart::WithPassword(password) => {
            eprintln!(
                "first start: log in as `admin` with the password `{password}` (shown once; change it)"
            );
        }
    }
}

fn failure(error: StartError) -> Failure {
    match error {
        StartError::Settings(sentence) => Failure::WrongUse(sentence),
        StartError::Store(sentence) => Failure::Failed(sentence),
    }
}
