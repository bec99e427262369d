//! The burst ladder over HTTP: where it stands, how hard the desk is pressed, and moving it by hand.

use super::call::{Call, awaited, give};
use super::route::Route;
use super::serve::Reply;
use crate::refusal::Refusal;
use crate::signin::Role;
use crate::wire::rest::{LadderPatch, LadderResource};
use tokio::sync::oneshot;

pub(super) fn routes() -> Vec<Route> {
    let path = "/v1/overload/ladder";
    vec![
        Route::get(path, |call| Box::pin(get(call)))
            .about("Where the burst ladder stands, and how hard the desk is pressed.")
            .desk(Role::Supervisor)
            .answers::<LadderResource>(),
        Route::patch(path, |call| Box::pin(change(call)))
            .about("Holds a level by hand, or says who moves the ladder. In force on this node at once, on others within a second.")
            .desk(Role::Supervisor)
            .takes::<LadderPatch>()
            .answers::<LadderResource>(),
    ]
}

async fn get(call: Call) -> Result<Reply, Refusal> {
    let (tell, told) = oneshot::channel();
    let asked = call.desk().ask_pressure(move |pressed| give(tell, pressed));
    let seen = if asked { awaited(told).await.ok().map(|pressed| pressed.seen) } else { None };
    Reply::ok(&LadderResource {
        standing: call.desk().ladder(),
        waiting: seen.map(|seen| seen.waiting),
        seats: seen.map(|seen| seen.seats),
        pressure_percent: seen.and_then(|seen| seen.pressure_percent()),
    })
}

async fn change(call: Call) -> Result<Reply, Refusal> {
    let patch: LadderPatch = call.read()?;
    call.change(move |desk, editor| desk.set_ladder(patch, editor)).await?;
    get(call).await
}
