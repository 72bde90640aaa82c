//! Rules for all requests: which ones are accepted, how long they may take, and what browsers may do with the
//! answers.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;

/// How long a request may take: its body and the work on it. A stream must begin within that time.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum number of bytes of a body, which contains labels or context ids.
const BODY_MOST: usize = 1 << 20;

/// The content security policy: the page may only load its own files and query the agent.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Returns the routes with these rules applied.
pub fn guarded(routes: Router, local_only: bool) -> Router {
    let routes = routes
        .layer(DefaultBodyLimit::max(BODY_MOST))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            TIMEOUT,
        ))
        .layer(CompressionLayer::new().gzip(true))
        .layer(from_fn(headers));
    if local_only {
        routes.layer(from_fn(only_local))
    } else {
        routes
    }
}

async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let all: [(HeaderName, &'static str); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in all {
        let headers = response.headers_mut();
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Refuses requests for a host other than this machine. Requests without a host (HTTP/1.0) do not come from a
/// browser.
async fn only_local(request: Request, next: Next) -> Response {
    let header = request.headers().get(HOST);
    let named = header.map(|host| host.to_str().unwrap_or_default());
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    if named.into_iter().chain(authority).all(is_local) {
        return next.run(request).await;
    }
    let refusal =
        "this agent answers for localhost only: name 127.0.0.1, or listen on another address\n";
    (StatusCode::MISDIRECTED_REQUEST, refusal).into_response()
}

/// Returns whether a host, with or without a port, is a loopback address or `localhost`.
fn is_local(host: &str) -> bool {
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else {
            return false;
        };
        let port = rest.strip_prefix(':');
        return (rest.is_empty() || port.is_some_and(is_port))
            && address
                .parse()
                .is_ok_and(|address: Ipv6Addr| address.is_loopback());
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return false,
        None => host,
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse()
            .is_ok_and(|address: Ipv4Addr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in [
            "localhost",
            "LocalHost:7979",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "example.org",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "127.0.0.1:",
            "localhost:x",
            "[::2]",
            "[::1",
            "[::1]x",
            "0.0.0.0",
            "::1",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
