//! How important work is while not all of it can be done.
//!
//! Pure. Refuses to say what belongs to a class: that needs frames and people, and is the desk's (`desk::importance`).

/// Work by its importance, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// P0: what ends work. Never refused here.
    Vital,
    /// P1: agents' commands, messages of conversations that an agent holds, messages left. Never refused here.
    Served,
    /// P2: messages of conversations that wait, and openings of customers whom the shop has signed in.
    Waiting,
    /// P3: openings of anonymous visitors.
    Anonymous,
    /// P4: hints that nobody waits for.
    Hint,
}

impl Class {
    pub const ALL: [Self; 5] = [Self::Vital, Self::Served, Self::Waiting, Self::Anonymous, Self::Hint];

    /// As metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vital => "vital",
            Self::Served => "served",
            Self::Waiting => "waiting",
            Self::Anonymous => "anonymous",
            Self::Hint => "hint",
        }
    }

    /// Whether it is refused where the `level` least important classes are.
    pub const fn is_refused_at(self, level: u8) -> bool {
        level >= self.refused_from()
    }

    /// Whether the part of the lane's queue that is kept free is kept for it.
    pub const fn may_use_the_reserve(self) -> bool {
        matches!(self, Self::Vital | Self::Served)
    }

    const fn refused_from(self) -> u8 {
        match self {
            Self::Vital | Self::Served => u8::MAX,
            Self::Waiting => 3,
            Self::Anonymous => 2,
            Self::Hint => 1,
        }
    }
}

/// Classes that can be refused at all.
pub const MOST_REFUSED: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_refused_only_where_all_below_it_are_and_the_first_two_never() {
        for level in 0..=MOST_REFUSED {
            let refused = Class::ALL.map(|class| class.is_refused_at(level));
            assert!(refused.is_sorted(), "level {level}: {refused:?}");
            assert_eq!(refused.iter().filter(|is_refused| **is_refused).count(), usize::from(level));
            assert!(!refused[0] && !refused[1]);
        }
        assert!(Class::ALL.is_sorted());
    }
}
