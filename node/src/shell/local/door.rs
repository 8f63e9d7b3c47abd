//! Who comes in over the network: a program on this machine that names this machine, with a token that
//! lets it do what it asks for.
//!
//! A browser can be made to send requests here by any page that it shows. So the name in the request
//! has to be this machine's own, for a page reaches us under its own name (DNS rebinding); nothing is
//! answered without a token, of which a page knows none; and no answer allows other origins (CORS).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gearmesh_protocol::refusal::Refusal;

use super::super::tokens::{Scope, Token, Tokens};
use super::answer::Failure;
use super::routes::route;
use super::tcp::Shown;

/// What the door knows.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    pub(super) tokens: Tokens,
}

/// Lets a request in, or says why not.
pub(super) async fn guard(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    match door.judge(&request) {
        Ok(token) => {
            if let Some(ConnectInfo(shown)) = request.extensions().get::<ConnectInfo<Shown>>() {
                shown.note(token);
            }
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

impl Door {
    fn judge(&self, request: &Request) -> Result<Token, Failure> {
        let (headers, uri) = (request.headers(), request.uri());
        if !self.is_named(headers, uri) {
            return Err(Refusal::HostForeign.into());
        }
        let secret = bearer(headers).ok_or(Refusal::TokenNeeded)?;
        let found = self.tokens.find(secret).map_err(|error| {
            tracing::error!(%error, "the tokens cannot be used; nobody is let in");
            Failure::from(Refusal::TokensUnusable)
        })?;
        let token = found.ok_or(Refusal::ApiTokenUnknown)?;
        // What is no path at all says so to whoever has any token.
        let wanted = route(request.method().as_str(), uri.path()).map(|route| route.scope);
        match wanted {
            Some(scope) if !token.allows(scope) => Err(too_narrow(token.name.as_str(), scope)),
            _ => Ok(token),
        }
    }

    /// Whether the request names this machine as it can be reached.
    fn is_named(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let header = headers.get(HOST).and_then(|host| host.to_str().ok());
        let Some(named) = header.or_else(|| uri.authority().map(|authority| authority.as_str()))
        else {
            return false;
        };
        if let Ok(address) = named.parse::<SocketAddr>() {
            return address == self.address;
        }
        let ip = named.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if let Ok(ip) = ip {
            return ip == self.address.ip() && self.address.port() == 80;
        }
        named.eq_ignore_ascii_case(&format!("localhost:{}", self.address.port()))
    }
}

/// The secret of a request (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

fn too_narrow(name: &str, scope: Scope) -> Failure {
    let scope = scope.name();
    Failure::new(
        Refusal::TokenTooNarrow,
        format!("the token {name} does not allow this: it needs {scope}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Door {
        let folder = tempfile::tempdir().expect("a folder");
        let home = crate::shell::home::Home::open(&folder.path().join("home")).expect("a home");
        Door { address: SocketAddr::from(([127, 0, 0, 1], 7480)), tokens: Tokens::of(&home) }
    }

    #[test]
    fn only_the_own_name_is_taken() {
        let door = door();
        let named = |host: &str| {
            let headers = HeaderMap::from_iter([(HOST, host.parse().expect("a header"))]);
            door.is_named(&headers, &Uri::from_static("/v1/status"))
        };
        for host in ["127.0.0.1:7480", "localhost:7480", "LOCALHOST:7480"] {
            assert!(named(host), "{host}");
        }
        for host in [
            "evil.example:7480",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost",
            "127.0.0.2:7480",
            "localhost.evil.example:7480",
            "",
            "[::1]:7480",
        ] {
            assert!(!named(host), "{host}");
        }
        assert!(!door.is_named(&HeaderMap::new(), &Uri::from_static("/v1/status")));
    }

    #[test]
    fn a_secret_comes_as_a_bearers() {
        let read = |text: &str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, text.parse().expect("a header"))]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer gmt_1").as_deref(), Some("gmt_1"));
        assert_eq!(read("bearer gmt_1").as_deref(), Some("gmt_1"));
        for wrong in ["Basic gmt_1", "gmt_1", "Bearer"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
