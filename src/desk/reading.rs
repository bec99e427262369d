//! Who may read a conversation, and through which view.

use super::person::Person;
use crate::conversation::event::View;
use crate::conversation::state::State;
use crate::ident::GroupId;
use crate::refusal::Refusal;
use crate::signin::Role;

/// The view through which `person` may read `state`. `groups` are the agent's own.
///
/// # Errors
/// `forbidden`, naming the conversation.
pub fn view_of(person: &Person, state: &State, groups: &[GroupId]) -> Result<View, Refusal> {
    let allowed = match person {
        Person::Visitor(visitor) if state.visitor.as_ref() == Some(&visitor.id) => return Ok(View::Visitor),
        Person::Visitor(_) => false,
        Person::Agent(agent) => {
            let offered = state.offer.as_ref().is_some_and(|open| open.agent == agent.id);
            let own_group = state.group.as_ref().is_some_and(|group| groups.contains(group));
            agent.role >= Role::Supervisor
                || state.assignee == Some(agent.id)
                || state.last_agent == Some(agent.id)
                || offered
                || own_group
        }
    };
    if allowed {
        return Ok(View::Desk);
    }
    Err(Refusal::forbidden("this conversation is not yours to read").about(state.id))
}
