//! What a client says about itself to get a token.

use serde_json::Value;
use zeroize::Zeroizing;

use super::super::body::Object;
use super::super::fault::{Fault, Outcome};
use crate::accounts::PASSWORD_BYTES_MAX;

/// How a client proves who it is.
pub(super) enum Proof {
    Password { user: Who, password: Zeroizing<String>, code: Option<String> },
    Token(Zeroizing<String>),
    Credential { which: Which, secret: Zeroizing<String> },
}

/// A user or a project.
#[derive(Clone)]
pub(super) enum Who {
    Id(String),
    Name(String),
}

/// An application credential.
pub(super) enum Which {
    Id(String),
    Name { user: Who, name: String },
}

/// What the token is to be for.
pub(super) enum Scope {
    /// Nothing was said: the user's default project, or none.
    Default,
    Unscoped,
    Project(Who),
}

/// The whole request.
pub(super) struct AuthRequest {
    pub(super) proof: Proof,
    pub(super) scope: Scope,
}

impl AuthRequest {
    pub(super) fn read(body: &Value) -> Outcome<Self> {
        let auth = Object::of(body, "body")?.need_object("auth")?;
        let identity = auth.need_object("identity")?;
        let methods: Vec<&str> = identity
            .list("methods")?
            .ok_or_else(|| Fault::invalid("methods", "'methods' is a required property"))?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let proof = match methods.as_slice() {
            ["password"] => password(identity, None)?,
            ["password", "totp"] | ["totp", "password"] => {
                let user = identity.need_object("totp")?.need_object("user")?;
                password(identity, Some(user.need_text("passcode", 1..=16)?.to_owned()))?
            }
            ["token"] => {
                let id = identity.need_object("token")?.need_text("id", 1..=4096)?;
                Proof::Token(Zeroizing::new(id.to_owned()))
            }
            ["application_credential"] => credential(identity)?,
            [] => return Err(Fault::invalid("methods", "No authentication method is named.")),
            _ => {
                return Err(Fault::new(
                    axum::http::StatusCode::UNAUTHORIZED,
                    "Attempted to authenticate with an unsupported method.",
                ));
            }
        };
        Ok(Self { proof, scope: scope(auth)? })
    }
}

fn password(identity: Object<'_>, code: Option<String>) -> Outcome<Proof> {
    let user = identity.need_object("password")?.need_object("user")?;
    let password = user.need_text("password", 0..=PASSWORD_BYTES_MAX)?;
    Ok(Proof::Password { user: who(user)?, password: Zeroizing::new(password.to_owned()), code })
}

fn credential(identity: Object<'_>) -> Outcome<Proof> {
    let given = identity.need_object("application_credential")?;
    let secret = Zeroizing::new(given.need_text("secret", 0..=PASSWORD_BYTES_MAX)?.to_owned());
    let which = match given.text("id", 1..=255)? {
        Some(id) => Which::Id(id.to_owned()),
        None => Which::Name {
            user: who(given.need_object("user")?)?,
            name: given.need_text("name", 1..=255)?.to_owned(),
        },
    };
    Ok(Proof::Credential { which, secret })
}

/// By identifier, or by name in the one domain.
fn who(object: Object<'_>) -> Outcome<Who> {
    if let Some(id) = object.text("id", 1..=255)? {
        return Ok(Who::Id(id.to_owned()));
    }
    let name = object.need_text("name", 1..=255)?;
    if let Some(domain) = object.object("domain")? {
        let id = domain.text("id", 1..=255)?;
        let known = match id {
            Some(id) => id == "default",
            None => domain.need_text("name", 1..=255)?.eq_ignore_ascii_case("default"),
        };
        if !known {
            return Err(Fault::unauthorized());
        }
    }
    Ok(Who::Name(name.to_owned()))
}

fn scope(auth: Object<'_>) -> Outcome<Scope> {
    match auth.value("scope") {
        None => Ok(Scope::Default),
        Some(Value::String(text)) if text == "unscoped" => Ok(Scope::Unscoped),
        Some(value) => {
            let scope = Object::of(value, "scope")?;
            if scope.has("unscoped") {
                return Ok(Scope::Unscoped);
            }
            if scope.has("project") {
                return Ok(Scope::Project(who(scope.need_object("project")?)?));
            }
            if ["domain", "system", "OS-TRUST:trust"].iter().any(|name| scope.has(name)) {
                return Err(Fault::new(
                    axum::http::StatusCode::UNAUTHORIZED,
                    "Tokens here are for a project, or for none.",
                ));
            }
            Err(Fault::invalid("scope", "The scope names no project."))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_ways_to_ask() {
        let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "name": "a", "domain": {"name": "Default"}, "password": "p"}}},
            "scope": {"project": {"name": "p", "domain": {"id": "default"}}}}});
        let request = AuthRequest::read(&body).unwrap();
        assert!(
            matches!(request.proof, Proof::Password { user: Who::Name(name), .. } if name == "a")
        );
        assert!(matches!(request.scope, Scope::Project(Who::Name(name)) if name == "p"));
        let body = json!({"auth": {"identity": {"methods": ["application_credential"],
            "application_credential": {"id": "x", "secret": "s"}}}});
        let request = AuthRequest::read(&body).unwrap();
        assert!(matches!(request.proof, Proof::Credential { which: Which::Id(_), .. }));
        assert!(matches!(request.scope, Scope::Default));
    }

    #[test]
    fn refusals() {
        let status =
            |body: Value| AuthRequest::read(&body).err().map(|fault| fault.status.as_u16());
        assert_eq!(status(json!({})), Some(400));
        assert_eq!(status(json!({"auth": {"identity": {"methods": []}}})), Some(400));
        assert_eq!(status(json!({"auth": {"identity": {"methods": ["mapped"]}}})), Some(401));
        assert_eq!(
            status(json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {
                "name": "a", "domain": {"name": "other"}, "password": "p"}}}}})),
            Some(401)
        );
    }
}
