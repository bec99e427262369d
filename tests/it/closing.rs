//! How a conversation ends: what its agent says of it is there for whoever reads the log later.

use crate::client::Client;
use crate::desk::Desk;
use serde_json::json;

#[tokio::test]
async fn what_the_agent_says_at_the_close_stands_in_the_log_after_the_wrap_up() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let group = json!({"id": "careful", "name": "Careful", "wrap_up_s": 60});
    desk.must("POST", "/api/v1/groups", &admin, Some(group)).await;
    let (_, agent_token) = desk.hire("ann", "agent", &["careful"], 1).await;
    let (_, token) = desk.visitor().await;
    let mut agent = Client::agent(&desk, &agent_token).await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let opened = visitor.ask(json!({"type": "open", "group": "careful"})).await;
    let conversation = opened["conversation"].as_str().expect("an id").to_owned();
    agent.expect("assigned").await;
    let said = json!({"reason": "answered", "disposition": "solved", "tags": ["refund", "late parcel"]});
    let mut close = json!({"type": "close", "conversation": conversation});
    close.as_object_mut().expect("an object").extend(said.as_object().expect("an object").clone());
    agent.ack(close).await;
    agent.entry_of("wrap_up").await;
    desk.kill();
    desk.start_again();
    let mut agent = Client::agent(&desk, &agent_token).await;
    agent.ack(json!({"type": "done", "conversation": conversation})).await;
    let closed = agent.entry_of("closed").await["content"]["data"].clone();
    for field in ["reason", "disposition", "tags"] {
        assert_eq!(closed[field], said[field], "{closed}");
    }
    let mut visitor = Client::visitor(&desk, &token).await;
    let log = visitor.ask(json!({"type": "fetch", "conversation": conversation, "after": 0})).await;
    assert_eq!(log["type"], "caught_up", "{log}");
    let shown = visitor.entry_of("closed").await["content"]["data"].clone();
    assert_eq!(shown, json!({"by": "agent", "reason": "answered"}));
}
