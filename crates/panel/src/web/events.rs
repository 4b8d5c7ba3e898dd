//! Server-sent events: which of the viewer's servers changed. The page then asks for itself again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as AxumState;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;

use super::error::PageResult;
use super::routes::Routes;
use super::viewer::Viewer;
use crate::State;
use crate::news::News;

/// How often a stream looks whether its session is still there.
const LOOK_EVERY: Duration = Duration::from_secs(20);

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/events", events);
}

async fn events(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
) -> PageResult<impl IntoResponse> {
    let caller = viewer.caller()?;
    let heard = state.news.subscribe();
    // Of what was told between the page and this, nothing will be heard any more.
    let begin = Event::default().event("begin").data(state.news.edition().to_string());
    let stopping = state.stopping.clone();
    let start = (heard, stopping, state, viewer.session.id, viewer.user.id);
    let stream = stream::unfold(start, move |(mut heard, mut stopping, state, session, user)| {
        let project = caller.project_id.clone();
        async move {
            loop {
                let event = tokio::select! {
                    event = heard.recv() => event,
                    () = crate::state::stopped(&mut stopping) => return None,
                    () = tokio::time::sleep(LOOK_EVERY) => {
                        let sessions = state.accounts.sessions_of(&user).await.ok()?;
                        if !sessions.iter().any(|other| other.id == session) {
                            return None;
                        }
                        continue;
                    }
                };
                let data = match event {
                    Ok(News::Server(event)) if event.project_id == project => {
                        event.server_id.to_string()
                    }
                    Ok(News::Server(_)) => continue,
                    // Too many at once: the page asks for everything anyway.
                    Ok(News::Anything) | Err(RecvError::Lagged(_)) => "many".to_owned(),
                    Err(RecvError::Closed) => return None,
                };
                let event = Event::default().event("server").data(data);
                return Some((Ok::<_, Infallible>(event), (heard, stopping, state, session, user)));
            }
        }
    });
    let stream = stream::once(async { Ok(begin) }).chain(stream);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}
