//! Sockets in the panel's private folder. Who can write to that folder can do everything anyway,
//! so they ask nothing, and what comes by them is done in the name of the first administrator.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use cloud::Role;
use tokio::net::{UnixListener, UnixStream};

use crate::State;
use crate::accounts::{Project, User};

/// Answers on the socket of that name until the panel stops.
///
/// # Errors
/// When the socket cannot be made.
pub(crate) async fn serve<F>(
    state: Arc<State>,
    name: &str,
    answer: impl Fn(Arc<State>, UnixStream) -> F,
) -> std::io::Result<()>
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let path = state.settings.state.join(name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let mut stopping = state.stopping.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let answered = answer(Arc::clone(&state), stream);
                tokio::spawn(async move {
                    if let Err(error) = answered.await {
                        tracing::debug!(%error, "whoever was at a socket has gone");
                    }
                });
            }
            () = crate::state::stopped(&mut stopping) => {
                let _ = std::fs::remove_file(&path);
                return Ok(());
            }
        }
    }
}

/// The first administrator, and a project that makes one.
///
/// # Errors
/// When there is none, or the store fails.
pub(crate) async fn administrator(state: &State) -> Result<(User, Project), String> {
    let failed = |error: crate::accounts::Error| error.to_string();
    for user in state.accounts.users(None).await.map_err(failed)? {
        let roles = state.accounts.projects_of(&user.id).await.map_err(failed)?;
        let project = roles.into_iter().find(|(_, role)| *role == Role::Admin);
        if let (true, Some((project, _))) = (user.enabled, project) {
            return Ok((user, project));
        }
    }
    Err("there is no administrator in whose name to act".to_owned())
}
