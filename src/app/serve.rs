//! Listens until the process is told to stop, then goes away without losing anything.

use super::opened::Durable;
use super::start::{Node, StartError, greet_agents, know_agents};
use super::upkeep;
use crate::fanout::outbox::Item;
use crate::gateway::{Gate, front, rest};
use crate::wire::close::CloseCode;
use crate::wire::server::{Drain, ServerFrame};
use actix_web::{App, HttpServer, web};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// Serves until SIGTERM or SIGINT. `listening` is told the address as soon as connections are taken.
///
/// # Errors
/// The address cannot be listened on, or another node has taken this one's place in the store.
pub async fn serve(node: Node, listening: impl FnOnce(std::net::SocketAddr)) -> Result<(), StartError> {
    let served = serve_until_told(&node, listening).await;
    if served.is_err() {
        // A start that fails must not make the next one wait for its place in the store to lapse.
        let_go_of_the_store(&node).await;
    }
    served
}

async fn serve_until_told(
    node: &Node,
    listening: impl FnOnce(std::net::SocketAddr),
) -> Result<(), StartError> {
    // Before anybody can ask and before the sweep begins: who is not known counts as offline and would lose what they hold.
    let agents = know_agents(&node.gate.desk).await;
    let gate = web::Data::from(node.gate.clone());
    let server = &node.gate.settings.server;
    let data = gate.clone();
    let back_office = node.back_office.clone();
    let http = HttpServer::new(move || {
        data.desk.conversations.live_here_too();
        back_office.is_here();
        App::new().app_data(data.clone()).configure(rest::routes).configure(front::routes)
    })
    .workers(workers(server.workers))
    .max_connections(server.max_sockets)
    .client_request_timeout(Duration::from_secs(server.handshake_s))
    .keep_alive(Duration::from_secs(server.keep_alive_s))
    .shutdown_timeout(1)
    .disable_signals()
    .on_connect(set_socket_options)
    .bind(server.listen)
    .map_err(|error| {
        StartError::Settings(format!(
            "server.listen: {} cannot be listened on: {error}; choose another address or end what holds it",
            server.listen
        ))
    })?;
    let address = http.addrs().first().copied().unwrap_or(server.listen);
    if let (None, Some(durable)) = (&node.gate.settings.node.advertise, &node.durable) {
        durable.note_listening(address);
    }
    let running = http.run();
    let handle = running.handle();
    let served = actix::spawn(running);
    greet_agents(&node.gate.desk, &agents);
    node.gate.readiness.set_started();
    let upkeep = upkeep::begin(node);
    listening(address);
    let overtaken = tokio::select! {
        () = wait_for_signal() => None,
        sentence = overtaken(node) => Some(sentence),
        () = drain_asked(node) => None,
    };
    let shutdown_s = node.gate.settings.server.shutdown_s;
    let stopping = stop(node, upkeep, handle, served);
    if tokio::time::timeout(Duration::from_secs(shutdown_s), stopping).await.is_err() {
        tracing::error!(
            shutdown_s,
            "the stop took too long; the process ends now, and what was acked is on disk"
        );
        std::process::exit(1);
    }
    if let Some(sentence) = overtaken {
        return Err(StartError::Store(sentence));
    }
    tracing::info!("stopped");
    Ok(())
}

/// Waits until somebody outside asks this node to leave.
async fn drain_asked(node: &Node) {
    let mut looks = tokio::time::interval(LOOK_FOR_ANOTHER_EVERY);
    loop {
        looks.tick().await;
        if node.durable.as_ref().is_some_and(Durable::drain_asked) {
            return;
        }
    }
}

/// Waits until another node serves the store; for ever where none can.
async fn overtaken(node: &Node) -> String {
    let mut looks = tokio::time::interval(LOOK_FOR_ANOTHER_EVERY);
    loop {
        looks.tick().await;
        if let Some(sentence) = node.durable.as_ref().and_then(Durable::overtaken) {
            return sentence;
        }
    }
}

/// How long a node that goes may take to hand over what it owns.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(8);
/// How soon a node that was taken over begins to end.
const LOOK_FOR_ANOTHER_EVERY: Duration = Duration::from_millis(500);

/// Drains, stops taking requests, and lets the journal finish.
async fn stop(
    node: &Node,
    upkeep: upkeep::Upkeep,
    handle: actix_web::dev::ServerHandle,
    served: actix_web::rt::task::JoinHandle<std::io::Result<()>>,
) {
    drain(&node.gate).await;
    // While others take over, what still comes here is carried on or parked; so this is before the upkeep ends.
    hand_over(node).await;
    upkeep.abort();
    handle.stop(true).await;
    match served.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the HTTP server ended otherwise than told"),
        Err(error) => tracing::warn!(%error, "the HTTP server's task failed"),
    }
    let_go_of_the_store(node).await;
    if let Some(bus) = node.bus.clone()
        && let Err(error) = tokio::task::spawn_blocking(move || bus.stop()).await
    {
        tracing::warn!(%error, "the bus could not be left in order");
    }
}

async fn hand_over(node: &Node) {
    if let Some(durable) = node.durable.clone() {
        let left = tokio::task::spawn_blocking(move || durable.leave(HAND_OVER_WITHIN)).await;
        if let Err(error) = left {
            tracing::error!(%error, "the slots could not be handed over in order; they lapse by themselves");
        }
    }
}

async fn let_go_of_the_store(node: &Node) {
    if let Some(durable) = node.durable.clone() {
        let stopped = tokio::task::spawn_blocking(move || durable.stop()).await;
        if let Err(error) = stopped {
            tracing::error!(%error, "the journal could not be stopped in order; what was acked is on disk all the same");
        }
    }
}

/// 0 in the settings means one for each core.
fn workers(set: usize) -> usize {
    if set > 0 { set } else { std::thread::available_parallelism().map_or(2, std::num::NonZero::get) }
}

/// Prints the one line that programs wait for.
pub fn announce(address: std::net::SocketAddr) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "listening on http://{address}").and_then(|()| out.flush()) {
        tracing::warn!(%error, "the address could not be written to standard output");
    }
}

/// Without TCP_NODELAY answers wait 40 ms; the user time-out frees the actor of a reader that never reads.
fn set_socket_options(connection: &dyn std::any::Any, _extensions: &mut actix_web::dev::Extensions) {
    let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() else { return };
    let socket = socket2::SockRef::from(stream);
    let set = socket.set_tcp_nodelay(true).and_then(|()| socket.set_tcp_user_timeout(Some(USER_TIMEOUT)));
    if let Err(error) = set {
        tracing::debug!(%error, "a socket's options could not be set");
    }
}

/// Unacknowledged bytes older than this end a connection (TCP_USER_TIMEOUT, RFC 5482).
const USER_TIMEOUT: Duration = Duration::from_secs(20);

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be listened for; only Ctrl-C stops the node");
            if let Err(error) = tokio::signal::ctrl_c().await {
                tracing::error!(%error, "Ctrl-C cannot be listened for either");
            }
        }
    }
}

/// Not ready any more; sockets are told to connect elsewhere and closed when their time is over.
async fn drain(gate: &Arc<Gate>) {
    gate.readiness.set_draining();
    let drain_s = gate.settings.server.drain_s;
    tracing::info!(drain_s, "draining");
    let within_ms = drain_s * 1_000;
    gate.desk.hub.to_all(&Item::Frame(ServerFrame::Drain(Drain { within_ms }).encode()));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(drain_s);
    while gate.threshold.open() > 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    gate.desk.hub.to_all(&Item::Close(CloseCode::Draining));
    tokio::time::sleep(Duration::from_millis(200)).await;
}
