//! A stretch of wire between one node and a server, that stops carrying and carries on: connections stay, bytes wait.
//!
//! Refuses to understand what it carries.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const CHUNK_BYTES: usize = 16 * 1024;

/// It carries until this is dropped.
pub(crate) struct Relay {
    /// As the server's, by the relay.
    pub(crate) url: String,
    carries: watch::Sender<bool>,
    _running: JoinSet<()>,
}

impl Relay {
    /// Before the server at `url`: a scheme, an address, nothing else.
    pub(crate) async fn before(url: &str) -> Self {
        let (scheme, server) = url.split_once("://").expect("a scheme");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let carries = watch::Sender::new(true);
        let mut running = JoinSet::new();
        running.spawn(accept(listener, server.to_owned(), carries.subscribe()));
        Self { url, carries, _running: running }
    }

    pub(crate) fn stall(&self) {
        self.carries.send_replace(false);
    }

    pub(crate) fn carry_on(&self) {
        self.carries.send_replace(true);
    }
}

async fn accept(listener: TcpListener, server: String, carries: watch::Receiver<bool>) {
    let mut carried = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        let Ok(far) = TcpStream::connect(&server).await else { continue };
        // Waits of its own would be no wire's.
        drop(near.set_nodelay(true).and_then(|()| far.set_nodelay(true)));
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        carried.spawn(carry(near_in, far_out, carries.clone()));
        carried.spawn(carry(far_in, near_out, carries.clone()));
        while carried.try_join_next().is_some() {}
    }
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut carries: watch::Receiver<bool>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        if carries.wait_for(|carries| *carries).await.is_err() || to.write_all(&chunk[..count]).await.is_err()
        {
            return;
        }
    }
}
