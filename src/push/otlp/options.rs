//! What is pushed where: from the environment of OpenTelemetry, or as a program says.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use super::Error;

/// The path at a base URL that takes metrics.
const METRICS: &str = "v1/metrics";

/// What a [`Pusher`](super::Pusher) pushes, where to, and how.
///
/// ```
/// use mmstats::push::otlp::{Options, at_base};
///
/// let options = Options {
///     paths: vec!["/run/app".into()],
///     endpoint: at_base("http://collector:4318"),
///     ..Options::default()
/// };
/// assert_eq!(options.endpoint, "http://collector:4318/v1/metrics");
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// Roots, models' directories, stats files or PIDs; none: where the environment says. They need not be there
    /// yet.
    pub paths: Vec<PathBuf>,
    /// The URL that takes the requests, as it is. At first `http://localhost:4318/v1/metrics`.
    pub endpoint: String,
    /// Headers of each request, for authentication say.
    pub headers: Vec<(String, String)>,
    /// How long a request may take, from the connection to the answer. At first ten seconds.
    pub timeout: Duration,
    /// Whether requests are compressed with gzip. At first not.
    pub gzip: bool,
    /// Certificates (PEM) of those that may vouch for the server, in the place of the usual ones.
    pub certificate: Option<PathBuf>,
    /// Certificate and key (PEM) that this client shows.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether distributions have exponential buckets rather than explicit bounds. At first not.
    pub exponential: bool,
    /// `service.name` of all resources; at first the name of each process' program.
    pub service_name: Option<String>,
    /// Further attributes of all resources.
    pub attributes: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            paths: Vec::new(),
            endpoint: at_base("http://localhost:4318"),
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            gzip: false,
            certificate: None,
            client_certificate: None,
            exponential: false,
            service_name: None,
            attributes: Vec::new(),
        }
    }
}

/// The URL that takes metrics below a base URL.
pub fn at_base(base: &str) -> String {
    format!("{}/{METRICS}", base.trim_end_matches('/'))
}

impl Options {
    /// As the variables `OTEL_…` say: `OTEL_EXPORTER_OTLP_[METRICS_]ENDPOINT`, `…PROTOCOL`, `…HEADERS`, `…TIMEOUT`,
    /// `…COMPRESSION`, `…CERTIFICATE`, `…CLIENT_CERTIFICATE`, `…CLIENT_KEY`,
    /// `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`, `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
    /// A variable for metrics is preferred to the general one. An empty one is as if it were not set.
    ///
    /// # Errors
    /// [`Error::Options`] if one of them means nothing, or something that is not there (gRPC).
    pub fn from_env() -> Result<Options, Error> {
        Options::from_variables(|name| env::var(name).ok())
    }

    fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Options, Error> {
        let get = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let otlp = |name: &str| {
            let names = ["OTEL_EXPORTER_OTLP_METRICS_", "OTEL_EXPORTER_OTLP_"];
            let mut names = names.map(|prefix| format!("{prefix}{name}")).into_iter();
            names.find_map(|name| get(&name).map(|value| (name, value.trim().to_owned())))
        };
        let mut options = Options::default();
        if let Some((name, endpoint)) = otlp("ENDPOINT") {
            let is_whole = name == "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
            options.endpoint = if is_whole {
                endpoint
            } else {
                at_base(&endpoint)
            };
        }
        if let Some((name, protocol)) = otlp("PROTOCOL")
            && protocol != "http/protobuf"
        {
            return Err(wrong(&name, &protocol, "only http/protobuf is there"));
        }
        if let Some((name, headers)) = otlp("HEADERS") {
            options.headers = pairs(&name, &headers)?;
        }
        if let Some((name, timeout)) = otlp("TIMEOUT") {
            let millis = timeout.parse().ok().filter(|&millis| millis > 0);
            let millis = millis.ok_or_else(|| wrong(&name, &timeout, "wants milliseconds"))?;
            options.timeout = Duration::from_millis(millis);
        }
        if let Some((name, compression)) = otlp("COMPRESSION") {
            options.gzip = match &*compression {
                "gzip" => true,
                "none" => false,
                _ => return Err(wrong(&name, &compression, "wants gzip or none")),
            };
        }
        options.certificate = otlp("CERTIFICATE").map(|(_, path)| path.into());
        options.client_certificate = match (otlp("CLIENT_CERTIFICATE"), otlp("CLIENT_KEY")) {
            (Some((_, certificate)), Some((_, key))) => Some((certificate.into(), key.into())),
            (None, None) => None,
            (Some((name, path)), None) | (None, Some((name, path))) => {
                let problem = "wants CLIENT_CERTIFICATE and CLIENT_KEY together";
                return Err(wrong(&name, &path, problem));
            }
        };
        let name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
        if let Some(aggregation) = get(name) {
            options.exponential = match &*aggregation.trim().to_ascii_lowercase() {
                "base2_exponential_bucket_histogram" => true,
                "explicit_bucket_histogram" => false,
                _ => {
                    let problem = "wants explicit_bucket_histogram or \
                                   base2_exponential_bucket_histogram";
                    return Err(wrong(name, &aggregation, problem));
                }
            };
        }
        let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        if let Some(preference) = get(name)
            && !preference.trim().eq_ignore_ascii_case("cumulative")
        {
            return Err(wrong(name, &preference, "only cumulative is there"));
        }
        options.service_name = get("OTEL_SERVICE_NAME").map(|name| name.trim().to_owned());
        let name = "OTEL_RESOURCE_ATTRIBUTES";
        if let Some(attributes) = get(name) {
            options.attributes = pairs(name, &attributes)?;
        }
        Ok(options)
    }
}

fn wrong(name: &str, value: &str, problem: &str) -> Error {
    Error::Options(format!("{name}={value}: {problem}"))
}

/// `key=value,key=value`, percent-encoded. The values may be secret, so that errors do not have them.
fn pairs(name: &str, text: &str) -> Result<Vec<(String, String)>, Error> {
    let parts = text.split(',').map(str::trim);
    let pairs = parts.filter(|part| !part.is_empty()).map(|part| {
        let (key, value) = part.split_once('=')?;
        let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
        (!key.is_empty()).then_some((key, value))
    });
    let pairs: Option<Vec<_>> = pairs.collect();
    pairs.ok_or_else(|| {
        let problem = "wants key=value,key=value, percent-encoded where a value has a comma or a %";
        Error::Options(format!("{name}: {problem}"))
    })
}

/// A text without percent-encoding; `None` if it is wrongly encoded.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        // (`from_str_radix` takes a sign.)
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Options, Error> {
        Options::from_variables(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_general_endpoint_is_a_base_and_that_of_metrics_is_not() {
        let endpoint = |variables: &[_]| of(variables).unwrap().endpoint;
        assert_eq!(endpoint(&[]), "http://localhost:4318/v1/metrics");
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1/otlp/");
        assert_eq!(endpoint(&[general]), "http://a:1/otlp/v1/metrics");
        let of_metrics = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://b:2/");
        assert_eq!(endpoint(&[general, of_metrics]), "http://b:2/");
        let empty = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", " ");
        assert_eq!(endpoint(&[general, empty]), "http://a:1/otlp/v1/metrics");
    }

    #[test]
    fn variables_are_taken() {
        let options = of(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb, x = y"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
            (
                "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                "Base2_Exponential_Bucket_Histogram",
            ),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", "env=test,"),
        ])
        .unwrap();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(options.headers, [pair("api-key", "a,b"), pair("x", "y")]);
        assert_eq!(options.timeout, Duration::from_millis(1500));
        assert!(options.gzip && options.exponential);
        assert_eq!(options.certificate, Some("/ca.pem".into()));
        assert_eq!(options.service_name.as_deref(), Some("shop"));
        assert_eq!(options.attributes, [pair("env", "test")]);
    }

    #[test]
    fn what_means_nothing_is_refused_and_headers_are_not_shown() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
            ("OTEL_RESOURCE_ATTRIBUTES", "%zz=1"),
        ] {
            let error = of(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let error = of(&[("OTEL_EXPORTER_OTLP_HEADERS", "secret")]).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
