//! A sorted set that knows how many of its members come before any place: a B-tree whose inner nodes count.
//!
//! Exists because rank must be exact and cost O(log n) while the queue changes with every input. Refuses to be a
//! general map: it holds places, and it never rebalances on removal (a queue empties at its front, where nodes
//! vanish whole, so the height follows the number of members closely enough).

use super::queue::Place;

/// Most members of a leaf and most children of an inner node.
const WIDTH: usize = 32;

#[derive(Debug)]
enum Node {
    Leaf(Vec<Place>),
    Inner(Vec<Child>),
}

#[derive(Debug)]
struct Child {
    /// Not above any member of the child, above every member of the child before it.
    floor: Place,
    count: usize,
    node: Node,
}

/// Places in order, with their number.
#[derive(Debug)]
pub(super) struct Ranked {
    root: Node,
    len: usize,
}

impl Default for Ranked {
    fn default() -> Self {
        Self { root: Node::Leaf(Vec::new()), len: 0 }
    }
}

impl Ranked {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Adds `place`; says whether it was new.
    pub(super) fn insert(&mut self, place: Place) -> bool {
        let (added, split) = self.root.insert(place);
        if let Some(right) = split {
            let left = Child::over(std::mem::replace(&mut self.root, Node::Inner(Vec::new())));
            self.root = Node::Inner([left, Some(right)].into_iter().flatten().collect());
        }
        self.len += usize::from(added);
        added
    }

    /// Takes `place` out; says whether it was there.
    pub(super) fn remove(&mut self, place: &Place) -> bool {
        let removed = self.root.remove(place);
        self.len -= usize::from(removed);
        while let Node::Inner(children) = &mut self.root
            && children.len() <= 1
        {
            self.root = children.pop().map_or_else(|| Node::Leaf(Vec::new()), |only| only.node);
        }
        removed
    }

    /// How many members come before `place`, which need not be a member.
    pub(super) fn before(&self, place: &Place) -> usize {
        let mut node = &self.root;
        let mut before = 0;
        loop {
            match node {
                Node::Leaf(places) => return before + places.partition_point(|member| member < place),
                Node::Inner(children) => {
                    let at = child_for(children, place);
                    before += children.iter().take(at).map(|child| child.count).sum::<usize>();
                    let Some(child) = children.get(at) else { return before };
                    node = &child.node;
                }
            }
        }
    }

    /// Up to `limit` members after the first `skip`, in order.
    pub(super) fn page(&self, skip: usize, limit: usize) -> Vec<Place> {
        let mut page = Vec::with_capacity(limit.min(self.len.saturating_sub(skip)));
        self.root.page(skip, limit, &mut page);
        page
    }
}

fn child_for(children: &[Child], place: &Place) -> usize {
    children.partition_point(|child| child.floor <= *place).saturating_sub(1)
}

impl Child {
    fn over(node: Node) -> Option<Self> {
        let (floor, count) = match &node {
            Node::Leaf(places) => (*places.first()?, places.len()),
            Node::Inner(children) => {
                (children.first()?.floor, children.iter().map(|child| child.count).sum())
            }
        };
        Some(Self { floor, count, node })
    }
}

/// Takes the end of a full node: half of it, or the last member alone when that one was appended, so that a queue
/// that grows at its end fills its nodes. Nodes never grow their memory again.
fn split_end<T>(full: &mut Vec<T>, appended: bool) -> Vec<T> {
    let at = if appended { full.len() - 1 } else { full.len() / 2 };
    let mut right = Vec::with_capacity(WIDTH + 1);
    right.extend(full.drain(at..));
    right
}

impl Node {
    fn insert(&mut self, place: Place) -> (bool, Option<Child>) {
        match self {
            Self::Leaf(places) => {
                let at = places.partition_point(|member| *member < place);
                if places.get(at) == Some(&place) {
                    return (false, None);
                }
                let appended = at == places.len();
                places.insert(at, place);
                if places.len() <= WIDTH {
                    return (true, None);
                }
                let right = split_end(places, appended);
                (true, Child::over(Self::Leaf(right)))
            }
            Self::Inner(children) => {
                let at = child_for(children, &place);
                let Some(child) = children.get_mut(at) else { return (false, None) };
                child.floor = child.floor.min(place);
                let (added, split) = child.node.insert(place);
                child.count += usize::from(added);
                let Some(right) = split else { return (added, None) };
                child.count -= right.count;
                let appended = at + 1 == children.len();
                children.insert(at + 1, right);
                if children.len() <= WIDTH {
                    return (added, None);
                }
                let right = split_end(children, appended);
                (added, Child::over(Self::Inner(right)))
            }
        }
    }

    fn remove(&mut self, place: &Place) -> bool {
        match self {
            Self::Leaf(places) => {
                let found = places.binary_search(place);
                if let Ok(at) = found {
                    places.remove(at);
                }
                found.is_ok()
            }
            Self::Inner(children) => {
                let at = child_for(children, place);
                let Some(child) = children.get_mut(at) else { return false };
                let removed = child.node.remove(place);
                child.count -= usize::from(removed);
                if child.count == 0 {
                    children.remove(at);
                }
                removed
            }
        }
    }

    fn page(&self, mut skip: usize, limit: usize, page: &mut Vec<Place>) {
        match self {
            Self::Leaf(places) => page.extend(places.iter().skip(skip).take(limit - page.len())),
            Self::Inner(children) => {
                for child in children {
                    if page.len() == limit {
                        return;
                    }
                    if skip >= child.count {
                        skip -= child.count;
                        continue;
                    }
                    child.node.page(skip, limit, page);
                    skip = 0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ident::ConversationId;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn place(virtual_start_ms: i64) -> Place {
        Place {
            virtual_start_ms,
            enqueued_at: Timestamp::from_millis(0),
            conversation: ConversationId::from_u128(1),
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_sorted_set(changes in prop::collection::vec((any::<bool>(), 0i64..400), 1..900)) {
            let (mut ranked, mut reference) = (Ranked::default(), BTreeSet::new());
            for (add, start) in changes {
                if add || start % 3 == 0 {
                    prop_assert_eq!(ranked.insert(place(start)), reference.insert(place(start)));
                } else {
                    prop_assert_eq!(ranked.remove(&place(start)), reference.remove(&place(start)));
                }
                prop_assert_eq!(ranked.len(), reference.len());
                prop_assert_eq!(ranked.before(&place(start)), reference.range(..place(start)).count());
            }
            let members: Vec<_> = reference.into_iter().collect();
            prop_assert_eq!(ranked.page(0, usize::MAX), members.clone());
            prop_assert_eq!(ranked.page(7, 5), members.into_iter().skip(7).take(5).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_queue_that_grows_at_its_end_and_empties_at_its_front_keeps_its_counts() {
        let mut ranked = Ranked::default();
        for start in 0..5_000 {
            assert!(ranked.insert(place(start)));
        }
        for start in 0..4_990 {
            assert_eq!(ranked.before(&place(4_995)), 4_995 - usize::try_from(start).unwrap());
            assert!(ranked.remove(&place(start)));
        }
        assert_eq!(ranked.page(0, 100).len(), 10);
    }
}
