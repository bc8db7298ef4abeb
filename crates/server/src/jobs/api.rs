//! Requests about jobs.

use axum::http::StatusCode;
use serde_json::json;

use super::request::Request;
use super::train;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::desk::{Because, blocking};
use crate::refusal::Refusal;

/// All jobs, the last ones first.
pub(crate) async fn list(call: Call) -> Answer {
    answer::json(&json!({ "jobs": call.desk()?.jobs.board.list() }))
}

/// A job, with its curve of losses.
pub(crate) async fn show(call: Call) -> Answer {
    let job = call.desk()?.jobs.board.get(call.parameter("job"))?;
    answer::json(&job.document(true))
}

/// Has a job done when its turn comes.
pub(crate) async fn start(mut call: Call) -> Answer {
    let request: Request = call.read_json().await?;
    let desk = call.desk()?;
    // A wrong name is told at once.
    desk.shop().parts.part(request.part())?;
    let because = request.said().map(|(who, why)| Because::of(&call.caller, who, why));
    let job = desk.jobs.add(request, because.transpose()?)?;
    tracing::info!(
        job = job.id,
        kind = job.request.kind(),
        part = job.request.part(),
        client = call.caller.name,
        "job taken"
    );
    answer::json(&job.document(false))
}

/// Has a job end as soon as what it did can be kept.
pub(crate) async fn stop(call: Call) -> Answer {
    let board = &call.desk()?.jobs.board;
    let job = board.get(call.parameter("job"))?;
    board.stop(&job);
    tracing::info!(job = job.id, client = call.caller.name, "job stopped");
    answer::json(&job.document(false))
}

/// Gives up a training that was stopped.
pub(crate) async fn give_up(call: Call) -> Answer {
    let desk = call.desk()?;
    let (shop, name) = (desk.shop(), call.parameter("part").to_owned());
    let part = shop.parts.part(&name)?;
    if desk.jobs.board.changes(&name) {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "model_in_work",
            format!("{name}: a job works at this model: stop it first"),
        ));
    }
    blocking(move || {
        train::give_up(&shop, &part)
            .map_err(|reason| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "job", reason))
    })
    .await?;
    answer::json(&json!({}))
}
