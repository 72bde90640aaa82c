//! OTLP over HTTP: each request is a POST of protobuf.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use ureq::Agent;
use ureq::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::{ANSWER_MOST, Accepted, Failure, IDLE, RETRY_AFTER_MOST, USER_AGENT};
use super::{endpoint, first_line, read};
use crate::push::otlp::message::{Response, Status};
use crate::push::otlp::{Error, Options};

/// The only format of requests and answers.
const PROTOBUF: &str = "application/x-protobuf";
/// Sends requests to one URL.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    endpoint: Uri,
    headers: HeaderMap,
    gzip: bool,
}

impl Failure {
    fn permanent(status: Option<u16>, problem: String) -> Failure {
        Failure {
            status,
            problem,
            is_temporary: false,
            retry_after: None,
        }
    }
}

impl Client {
    /// Makes a client for the URL in the options. Reads the certificates.
    ///
    /// # Errors
    /// [`Error::Options`] if URL, headers or certificates are wrong.
    pub fn new(options: &Options) -> Result<Client, Error> {
        let endpoint = endpoint(options, "http://localhost:4318")?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirected request would become a GET without its body.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_age(IDLE)
            .user_agent(USER_AGENT)
            .tls_config(tls(options)?);
        Ok(Client {
            agent: config.build().new_agent(),
            endpoint,
            headers: headers(&options.headers)?,
            gzip: options.gzip,
        })
    }

    /// Sends a request and waits for the answer, for at most `timeout`.
    pub fn send(&self, request: &[u8], timeout: Duration) -> Result<Accepted, Failure> {
        let config = self.agent.post(&self.endpoint).config();
        let mut builder = config.timeout_global(Some(timeout)).build();
        let own = builder.headers_mut().expect("the URL was parsed");
        own.extend(self.headers.clone());
        own.insert(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
        let answer = if self.gzip {
            own.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            builder.send(gzipped(request))
        } else {
            builder.send(request)
        };
        let mut answer = answer.map_err(broken)?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(ANSWER_MOST as u64);
        let body = body.read_to_vec();
        match status {
            200..=299 => accepted(status, &body.map_err(broken)?),
            // The body is useful, but the status decides.
            _ => Err(refused(status, answer.headers(), &body.unwrap_or_default())),
        }
    }
}

/// Interprets the answer to an accepted request.
fn accepted(status: u16, body: &[u8]) -> Result<Accepted, Failure> {
    let response = Response::decode(body).map_err(|_| {
        let problem = "the answer is not OTLP: is it the URL of an OTLP receiver?";
        Failure::permanent(Some(status), problem.to_owned())
    })?;
    Ok(response.partial_success.into())
}

fn refused(status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_protobuf = header(CONTENT_TYPE).is_some_and(|of| of.starts_with(PROTOBUF));
    let said = match Status::decode(body) {
        Ok(status) if is_protobuf => status.message,
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    let said = first_line(&said);
    let problem = match (status, &*said) {
        (300..=399, _) => {
            let to = header(ureq::http::header::LOCATION).unwrap_or("elsewhere");
            format!("answered {status}: redirects to {to}, which is not followed")
        }
        (_, "") => format!("answered {status}"),
        _ => format!("answered {status}: {said}"),
    };
    Failure {
        status: Some(status),
        problem,
        is_temporary: matches!(status, 429 | 502 | 503 | 504),
        retry_after: header(RETRY_AFTER).and_then(|text| retry_after(text, SystemTime::now())),
    }
}

/// Makes the failure of a request without an answer.
fn broken(error: ureq::Error) -> Failure {
    let is_ours = matches!(
        error,
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl
    );
    Failure {
        status: None,
        problem: error.to_string(),
        is_temporary: !is_ours,
        retry_after: None,
    }
}

/// Returns the wait that the header `Retry-After` asks for, in seconds or as a date.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        until.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MOST))
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all")
}

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let wrong = |what| Error::Options(format!("the header {name:?}: {what}"));
        let key = HeaderName::from_bytes(name.as_bytes());
        let key = key.map_err(|_| wrong("its name may have letters, digits and - only"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| wrong("its value may contain only printable ASCII"))?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}

fn tls(options: &Options) -> Result<TlsConfig, Error> {
    let mut tls = TlsConfig::builder();
    if let Some(path) = &options.certificate {
        tls = tls.root_certs(RootCerts::new_with_certs(&certificates(path)?));
    }
    if let Some((certificate, key)) = &options.client_certificate {
        let key = PrivateKey::from_pem(&read(key)?)
            .map_err(|error| Error::Options(format!("{}: {error}", key.display())))?;
        let certificate = ClientCert::new_with_certs(&certificates(certificate)?, key);
        tls = tls.client_cert(Some(certificate));
    }
    Ok(tls.build())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, Error> {
    let wrong = |problem: String| Error::Options(format!("{}: {problem}", path.display()));
    let pem = read(path)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(wrong("contains no certificate in PEM format".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(1_445_412_480 - 30);
        let seconds = |text| retry_after(text, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:28:00 GMT"), Some(30));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:27:00 GMT"), Some(0));
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(seconds(nonsense), None, "{nonsense}");
        }
        assert_eq!(seconds("99999999999999999999"), Some(3600));
    }

    #[test]
    fn only_four_statuses_are_tried_again() {
        let temporary = (300..600).filter(|&status| {
            let failure = refused(status, &HeaderMap::new(), b"");
            failure.is_temporary
        });
        assert_eq!(temporary.collect::<Vec<_>>(), [429, 502, 503, 504]);
    }

    #[test]
    fn an_answer_that_is_not_otlp_is_no_success() {
        assert_eq!(accepted(200, b"").unwrap().rejected, 0);
        for nonsense in [&b"<html>"[..], b"{}", b"OK", &[0xff; 20]] {
            let failure = accepted(200, nonsense).unwrap_err();
            assert!(!failure.is_temporary);
        }
    }

    #[test]
    fn wrong_urls_and_headers_are_refused_at_once() {
        for endpoint in ["localhost", "ftp://a/", "http://", "", "a b"] {
            let options = Options {
                endpoint: endpoint.to_owned(),
                ..Options::default()
            };
            assert!(Client::new(&options).is_err(), "{endpoint:?}");
        }
        for (name, value) in [("a b", "1"), ("a", "1\n2")] {
            assert!(headers(&[(name.to_owned(), value.to_owned())]).is_err());
        }
    }
}
