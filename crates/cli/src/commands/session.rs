use std::time::{Duration, Instant};

use quorate_api::rest::{SessionList, SessionView};
use quorate_types::{SessionId, SessionStatus};
use serde_json::json;

use super::Context;
use super::key::parse;
use crate::args::SessionAction;
use crate::console::{Report, facts, table};
use crate::error::CliError;
use crate::http::{ApiClient, Query};

/// Pause between two looks at a session.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// How long the next attempt may take to begin after one was given up: the longest pause of the
/// service (`max_retry_delay_ms`) and a little.
const NEXT_ATTEMPT_WITHIN: Duration = Duration::from_millis(2_500);

pub(super) async fn run(context: &Context, action: SessionAction) -> Result<Report, CliError> {
    let client = ApiClient::new(&context.settings)?;
    match action {
        SessionAction::Show { session_id } => Ok(report(&fetch(&client, &session_id).await?)),
        SessionAction::Watch { session_id } => watch(context, &client, &session_id).await,
        SessionAction::List {
            key,
            status,
            intent_digest,
            limit,
            cursor,
        } => {
            let query = Query::default()
                .with("key_id", key.as_deref())
                .with("status", status.as_deref())
                .with("intent_digest", intent_digest.as_deref())
                .with("limit", Some(&limit.to_string()))
                .with("cursor", cursor.as_deref());
            let list = client
                .get::<SessionList>(&query.after("/sessions"))
                .await?
                .data;
            Ok(list_report(&list))
        }
        SessionAction::Cancel { session_id } => {
            let id: SessionId = parse("session id", &session_id)?;
            let path = format!("/sessions/{id}/cancel");
            Ok(report(
                &client
                    .post::<SessionView>(&path, &json!({}), None)
                    .await?
                    .data,
            ))
        }
    }
}

async fn fetch(client: &ApiClient, session_id: &str) -> Result<SessionView, CliError> {
    let id: SessionId = parse("session id", session_id)?;
    Ok(client
        .get::<SessionView>(&format!("/sessions/{id}"))
        .await?
        .data)
}

/// Prints a line for each change until the session ends, and goes on with the attempt that takes
/// its place. Without a result the process ends with the code of a refusal.
async fn watch(context: &Context, client: &ApiClient, id: &str) -> Result<Report, CliError> {
    let mut view = fetch(client, id).await?;
    let mut was_open = false;
    loop {
        let ended = follow(context, client, view, &mut was_open).await?;
        if ended.status == SessionStatus::Completed.as_str() {
            return Ok(report(&ended));
        }
        match next_attempt(client, &ended, was_open).await? {
            Some(next) => view = next,
            None => {
                context.console.report(&report(&ended))?;
                // The report is the one document of --json; the code says the rest.
                std::process::exit(i32::from(crate::ExitCode::Refused as u8));
            }
        }
    }
}

/// Follows one attempt to its end.
async fn follow(
    context: &Context,
    client: &ApiClient,
    mut view: SessionView,
    was_open: &mut bool,
) -> Result<SessionView, CliError> {
    let mut last = String::new();
    loop {
        let line = one_line(&view);
        if line != last {
            context.console.note(&line);
            last = line;
        }
        let status: Option<SessionStatus> = view.status.parse().ok();
        if status.is_some_and(SessionStatus::is_final) {
            return Ok(view);
        }
        *was_open = true;
        tokio::time::sleep(LOOK_EVERY).await;
        view = fetch(client, &view.session_id).await?;
    }
}

/// The attempt that takes the place of one that failed. It is waited for only if the failure was
/// seen here, not if it lies in the past.
async fn next_attempt(
    client: &ApiClient,
    ended: &SessionView,
    was_open: bool,
) -> Result<Option<SessionView>, CliError> {
    if ended.status != SessionStatus::Failed.as_str() {
        return Ok(None);
    }
    let deadline = Instant::now() + NEXT_ATTEMPT_WITHIN;
    let newest = Query::default()
        .with("intent_digest", Some(&ended.intent_digest))
        .with("limit", Some("1"))
        .after("/sessions");
    loop {
        let list = client.get::<SessionList>(&newest).await?.data;
        let newest = list.sessions.into_iter().next();
        if let Some(next) = newest.filter(|next| next.attempt > ended.attempt) {
            return Ok(Some(next));
        }
        if !was_open || Instant::now() >= deadline {
            return Ok(None);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Where a session stands, in a few words.
pub(super) fn one_line(view: &SessionView) -> String {
    let mut line = format!("attempt {}: {}", view.attempt, view.status);
    if view.total_rounds > 0 && view.current_round > 0 {
        line += &format!(", round {} of {}", view.current_round, view.total_rounds);
        if !view.round_name.is_empty() {
            line += &format!(" ({})", view.round_name);
        }
    }
    if !view.awaiting.is_empty() {
        line += &format!(", waits for {}", view.awaiting.join(", "));
        if let Some(since) = &view.awaiting_since {
            line += &format!(" since {since}");
        }
    }
    line
}

fn report(view: &SessionView) -> Report {
    let waited = view.waited_on.iter().map(|given_up| {
        let (attempt, nodes) = (given_up.attempt, given_up.nodes.join(", "));
        let (waited_ms, reason) = (given_up.waited_ms, &given_up.reason);
        format!("attempt {attempt} waited {waited_ms} ms for {nodes}: {reason}")
    });
    let error = view
        .error
        .as_ref()
        .map(|error| format!("{}: {}", error.code, error.message));
    let human = facts(&[
        ("session", view.session_id.clone()),
        ("kind", view.kind.clone()),
        ("key", view.key_id.clone()),
        ("state", one_line(view)),
        ("nodes", view.participating_nodes.join(", ")),
        ("earlier", waited.collect::<Vec<_>>().join("; ")),
        ("error", error.unwrap_or_default()),
        ("signature", view.signature.clone().unwrap_or_default()),
        ("created", view.created_at.clone()),
        ("completed", view.completed_at.clone().unwrap_or_default()),
        (
            "took",
            view.duration_ms
                .map(|ms| format!("{ms} ms"))
                .unwrap_or_default(),
        ),
    ]);
    Report::new(view, human)
}

fn list_report(list: &SessionList) -> Report {
    let row = |view: &SessionView| {
        let took = view
            .duration_ms
            .map(|ms| format!("{ms} ms"))
            .unwrap_or_default();
        let nodes = view.participating_nodes.join(",");
        let id = view.session_id.clone();
        vec![
            id,
            view.kind.clone(),
            view.status.clone(),
            nodes,
            took,
            view.created_at.clone(),
        ]
    };
    let header = ["session", "kind", "status", "nodes", "took", "created"];
    let mut human = table(&header, list.sessions.iter().map(row).collect());
    if let Some(cursor) = &list.next_cursor {
        human += &format!("\n\nmore: --cursor {cursor}");
    }
    Report::new(list, human)
}
