//! `rushdesk node`: which nodes serve the desk, and asking one of them to leave.
//!
//! Reads and writes rows of the database, so it works beside running nodes, from any machine and while some of them are
//! dead. Refuses to wait for what it asked for: `list` shows how far it is.

use super::place::{Place, failed};
use super::{Context, Failure, answer, answer_json};
use crate::ident::NodeId;
use crate::journal::postgres::{self, Address, ListedNode};
use crate::settings::{Settings, StoreUrl};
use clap::Subcommand;
use serde_json::{Value, json};

/// What `rushdesk node` can be asked.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the nodes of the cluster: where they listen, their state, their last beat and how many slots they own
    List,
    /// Ask a node to leave: it hands its slots over, tells its sockets to connect elsewhere, and ends
    Drain {
        /// Its name, as `rushdesk node list` shows it
        id: NodeId,
    },
}

/// Does what `rushdesk node` was asked.
///
/// # Errors
/// The settings are wrong, the store serves one node only, or the database refuses.
pub fn run(command: NodeCommand, context: &Context) -> Result<(), Failure> {
    let settings = context.load_and_log()?.settings;
    let address = database(&settings)?;
    match command {
        NodeCommand::List => list(&address, context),
        NodeCommand::Drain { id } => drain(&id, &address, context),
    }
}

fn database(settings: &Settings) -> Result<Box<Address>, Failure> {
    let alone = "serves one node and has no list of nodes: to end that node in order send it SIGTERM; nodes of a \
                 cluster have store.url = postgres://…";
    match &settings.store.url {
        StoreUrl::Memory => Err(Failure::WrongUse(format!("store.url is `memory`, which {alone}"))),
        StoreUrl::Sqlite(path) => {
            Err(Failure::WrongUse(format!("the store {} is a file, which {alone}", path.display())))
        }
        StoreUrl::Postgres(_) => match Place::existing(settings)? {
            Place::Database(address) => Ok(address),
            Place::File(path) => Err(failed(format!("{} is no database", path.display()))),
        },
    }
}

fn list(address: &Address, context: &Context) -> Result<(), Failure> {
    let nodes = postgres::nodes(address).map_err(failed)?;
    if context.json() {
        return answer_json(&nodes.iter().map(shown).collect());
    }
    if nodes.is_empty() {
        return answer("no node serves this database");
    }
    answer(&table(&nodes))
}

fn drain(id: &NodeId, address: &Address, context: &Context) -> Result<(), Failure> {
    if !postgres::drain(address, id).map_err(failed)? {
        return Err(Failure::Failed(format!(
            "there is no node `{id}` at {address}: `rushdesk node list` shows which there are"
        )));
    }
    if context.json() {
        answer_json(&json!({ "node": id.to_string(), "state": "leaving" }))
    } else {
        answer(&format!("asked {id} to leave; it is gone when `rushdesk node list` shows it no more"))
    }
}

fn shown(node: &ListedNode) -> Value {
    json!({
        "node": node.id,
        "address": node.address,
        "version": node.version,
        "state": node.state,
        "last_beat_s": tenths(node.silent_s),
        "slots": node.slots,
    })
}

/// A clock of the database's own may stand a moment behind the beat it wrote.
fn tenths(silent_s: f64) -> f64 {
    (silent_s.max(0.0) * 10.0).round() / 10.0
}

/// Columns under their names, each as wide as its widest cell.
fn table(nodes: &[ListedNode]) -> String {
    let head = ["node", "address", "version", "state", "last beat", "slots"].map(str::to_owned);
    let rows = nodes.iter().map(|node| {
        [
            node.id.clone(),
            node.address.clone(),
            node.version.clone(),
            node.state.clone(),
            format!("{:.1} s ago", tenths(node.silent_s)),
            node.slots.to_string(),
        ]
    });
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let lines = rows.iter().map(|row| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, silent_s: f64, slots: u64) -> ListedNode {
        ListedNode {
            id: id.to_owned(),
            address: "10.0.0.1:8080".to_owned(),
            version: "0.1.0".to_owned(),
            state: "serving".to_owned(),
            silent_s,
            slots,
        }
    }

    #[test]
    fn the_table_stands_in_columns() {
        let told = table(&[member("front", 1.26, 512), member("b", -0.01, 7)]);
        assert_eq!(
            told,
            "node   address        version  state    last beat  slots\n\
             front  10.0.0.1:8080  0.1.0    serving  1.3 s ago  512\n\
             b      10.0.0.1:8080  0.1.0    serving  0.0 s ago  7"
        );
    }
}
