//! What one address may take: sockets at once.
//!
//! A place is given back when its holder is dropped, so a connection that ends in any way frees it. Loopback and proxies
//! are addresses like others; behind a proxy the limit is set higher (`limits.sockets_per_address`).

use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Sockets by address, and over all.
#[derive(Debug)]
pub struct Threshold {
    per_address: usize,
    overall: usize,
    by_address: DashMap<IpAddr, usize>,
    open: AtomicUsize,
    pub refused: AtomicU64,
}

/// A place among the sockets; given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    threshold: Arc<Threshold>,
    address: IpAddr,
}

impl Threshold {
    pub fn new(per_address: usize, overall: usize) -> Self {
        Self {
            per_address,
            overall,
            by_address: DashMap::new(),
            open: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Sockets that are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Takes a place for a socket from `address`; `None` when the address or the node has as many as it may.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        if self.open.fetch_add(1, Ordering::AcqRel) >= self.overall {
            self.open.fetch_sub(1, Ordering::AcqRel);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let mut own = self.by_address.entry(address).or_insert(0);
        if *own >= self.per_address {
            drop(own);
            self.open.fetch_sub(1, Ordering::AcqRel);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *own += 1;
        Some(Seat { threshold: self.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.threshold.open.fetch_sub(1, Ordering::AcqRel);
        if let Some(mut own) = self.threshold.by_address.get_mut(&self.address) {
            *own = own.saturating_sub(1);
        }
        self.threshold.by_address.remove_if(&self.address, |_, own| *own == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_per_address_and_overall_and_come_back() {
        let threshold = Arc::new(Threshold::new(2, 3));
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = threshold.enter(a);
        let second = threshold.enter(a);
        assert!(first.is_some() && second.is_some());
        assert!(threshold.enter(a).is_none(), "the address has two");
        let other = threshold.enter(b);
        assert!(other.is_some());
        assert!(threshold.enter(b).is_none(), "the node has three");
        drop(first);
        assert_eq!(threshold.open(), 2);
        assert!(threshold.enter(a).is_some());
        drop((second, other));
    }
}
