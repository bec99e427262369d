//! Which conversations a listing shows: one judgement for every adapter.
//!
//! Pure. An adapter may narrow its search by indexes first; what it found counts only if `Filter::matches` says so.

use super::Filter;
use crate::conversation::state::State;

impl Filter {
    /// Whether the listing shows this conversation.
    pub fn matches(&self, state: &State) -> bool {
        (self.phases.is_empty() || self.phases.contains(&state.phase))
            && (self.group.is_none() || self.group == state.group)
            && (self.agent.is_none() || self.agent == state.assignee || self.agent == offered_to(state))
            && (self.visitor.is_none() || self.visitor == state.visitor)
            && self.channel.as_ref().is_none_or(|channel| *channel == state.channel)
            && self.shop.as_ref().is_none_or(|shop| *shop == state.shop)
            && self.opened_from.is_none_or(|from| state.opened_at >= from)
            && self.opened_to.is_none_or(|to| state.opened_at <= to)
            && self.text.as_ref().is_none_or(|text| mentions(state, &text.to_lowercase()))
    }
}

fn offered_to(state: &State) -> Option<crate::ident::AgentId> {
    state.offer.as_ref().map(|offer| offer.agent)
}

fn mentions(state: &State, lowercase: &str) -> bool {
    [
        state.subject.as_deref(),
        state.visitor_name.as_deref(),
        state.visitor.as_ref().map(crate::ident::VisitorId::as_str),
    ]
    .into_iter()
    .flatten()
    .any(|text| text.to_lowercase().contains(lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::{ConversationId, ShopId, VisitorId};

    #[test]
    fn an_empty_filter_shows_everything_and_each_field_narrows() {
        let mut state = State::new(ConversationId::from_u128(1));
        state.subject = Some("Größe stimmt nicht".into());
        state.visitor = Some(VisitorId::new("v-17").unwrap());
        let shows = |filter: Filter| filter.matches(&state);
        assert!(shows(Filter::default()));
        assert!(shows(Filter { text: Some("STIMMT".into()), ..Filter::default() }));
        assert!(shows(Filter { text: Some("V-1".into()), ..Filter::default() }));
        assert!(!shows(Filter { text: Some("farbe".into()), ..Filter::default() }));
        assert!(!shows(Filter { shop: ShopId::new("other").ok(), ..Filter::default() }));
        assert!(!shows(Filter { visitor: VisitorId::new("v-18").ok(), ..Filter::default() }));
    }
}
