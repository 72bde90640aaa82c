//! Options: what is pushed and where to, from OpenTelemetry's environment variables or set by a program.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use super::Error;

/// The path below a base URL that accepts metrics.
const METRICS: &str = "v1/metrics";

/// How requests are sent. There is no `http/json`: receivers that accept it also accept `http/protobuf`, and JSON is
/// several times as large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// Protobuf over HTTP.
    #[default]
    HttpProtobuf,
    /// gRPC, if the feature `push-grpc` is on.
    Grpc,
}

impl Protocol {
    /// Returns the base URL where receivers listen by default.
    fn default_base(self) -> &'static str {
        match self {
            Protocol::HttpProtobuf => "http://localhost:4318",
            Protocol::Grpc => "http://localhost:4317",
        }
    }

    /// Returns the URL for a base. With gRPC it is the base itself, which may lack its scheme.
    fn endpoint(self, base: &str, is_insecure: bool) -> String {
        match self {
            Protocol::HttpProtobuf => at_base(base),
            Protocol::Grpc => with_scheme(base, is_insecure),
        }
    }
}

/// What a [`Pusher`](super::Pusher) pushes, where to and how.
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
    /// Roots, models' directories, stats files or PIDs. If empty, the paths that the environment names. They need not
    /// exist yet.
    pub paths: Vec<PathBuf>,
    /// How requests are sent. The default is protobuf over HTTP.
    pub protocol: Protocol,
    /// The URL that receives the requests, used as it is. The default is `http://localhost:4318/v1/metrics`. With
    /// gRPC it has no path: `http://localhost:4317`.
    pub endpoint: String,
    /// Headers of each request, for example for authentication.
    pub headers: Vec<(String, String)>,
    /// How long a request may take, from the connection to the answer. The default is ten seconds.
    pub timeout: Duration,
    /// Whether requests are compressed with gzip. The default is `false`.
    pub gzip: bool,
    /// Certificates (PEM) of the authorities trusted to vouch for the server, instead of the usual ones.
    pub certificate: Option<PathBuf>,
    /// Certificate and key (PEM) that this client presents.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether distributions have exponential buckets rather than explicit bounds. The default is `false`.
    pub exponential: bool,
    /// `service.name` of all resources. The default is the name of each process' program.
    pub service_name: Option<String>,
    /// Further attributes of all resources.
    pub attributes: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            paths: Vec::new(),
            protocol: Protocol::default(),
            endpoint: at_base(Protocol::default().default_base()),
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

/// Returns the URL that accepts metrics below a base URL.
///
/// ```
/// use mmstats::push::otlp::at_base;
///
/// assert_eq!(at_base("http://collector:4318"), "http://collector:4318/v1/metrics");
/// ```
pub fn at_base(base: &str) -> String {
    format!("{}/{METRICS}", base.trim_end_matches('/'))
}

/// Returns a base URL with a scheme. If it has none, the variable `…_INSECURE` decides which.
fn with_scheme(base: &str, is_insecure: bool) -> String {
    match base {
        _ if base.contains("://") => base.to_owned(),
        _ if is_insecure => format!("http://{base}"),
        _ => format!("https://{base}"),
    }
}

impl Options {
    /// Returns the options that the variables `OTEL_…` set: `OTEL_EXPORTER_OTLP_[METRICS_]ENDPOINT`, `…PROTOCOL`,
    /// `…HEADERS`, `…TIMEOUT`, `…COMPRESSION`, `…CERTIFICATE`, `…CLIENT_CERTIFICATE`, `…CLIENT_KEY`, `…INSECURE`
    /// (with gRPC, for an endpoint without `http://` or `https://`),
    /// `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`, `OTEL_SERVICE_NAME` and
    /// `OTEL_RESOURCE_ATTRIBUTES`. A variable for metrics overrides the general one. An empty variable counts as
    /// unset.
    ///
    /// ```no_run
    /// let options = mmstats::push::otlp::Options::from_env()?;
    /// println!("pushes to {}", options.endpoint);
    /// # Ok::<(), mmstats::push::otlp::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Options`] if one of them is invalid or not supported (`http/json`).
    pub fn from_env() -> Result<Options, Error> {
        Options::from_env_but(None, None)
    }

    /// Like [`from_env`](Self::from_env), but with this protocol and this base URL of the receiver, if they are
    /// given.
    ///
    /// # Errors
    /// The same as for [`from_env`](Self::from_env).
    ///
    /// ```
    /// use mmstats::push::otlp::{Options, Protocol};
    ///
    /// let options = Options::from_env_but(Some(Protocol::Grpc), Some("http://collector:4317"))?;
    /// assert_eq!(options.endpoint, "http://collector:4317");
    /// # Ok::<(), mmstats::push::otlp::Error>(())
    /// ```
    pub fn from_env_but(protocol: Option<Protocol>, base: Option<&str>) -> Result<Options, Error> {
        Options::from_variables(|name| env::var(name).ok(), protocol, base)
    }

    fn from_variables(
        get: impl Fn(&str) -> Option<String>,
        protocol: Option<Protocol>,
        base: Option<&str>,
    ) -> Result<Options, Error> {
        let get = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let otlp = |name: &str| {
            let names = ["OTEL_EXPORTER_OTLP_METRICS_", "OTEL_EXPORTER_OTLP_"];
            let mut names = names.map(|prefix| format!("{prefix}{name}")).into_iter();
            names.find_map(|name| get(&name).map(|value| (name, value.trim().to_owned())))
        };
        let protocol = match (protocol, otlp("PROTOCOL")) {
            (Some(protocol), _) => protocol,
            (None, None) => Protocol::default(),
            (None, Some((name, protocol))) => match &*protocol {
                "http/protobuf" => Protocol::HttpProtobuf,
                "grpc" => Protocol::Grpc,
                _ => return Err(wrong(&name, &protocol, "expected http/protobuf or grpc")),
            },
        };
        let is_insecure = match otlp("INSECURE") {
            None => false,
            Some((name, value)) => match &*value.to_ascii_lowercase() {
                "true" => true,
                "false" => false,
                _ => return Err(wrong(&name, &value, "expected true or false")),
            },
        };
        let endpoint = match (base, otlp("ENDPOINT"), protocol) {
            (None, Some((name, whole)), Protocol::HttpProtobuf)
                if name == "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" =>
            {
                whole
            }
            (Some(base), _, protocol) => protocol.endpoint(base, is_insecure),
            (None, Some((_, base)), protocol) => protocol.endpoint(&base, is_insecure),
            (None, None, protocol) => protocol.endpoint(protocol.default_base(), is_insecure),
        };
        let mut options = Options {
            protocol,
            endpoint,
            ..Options::default()
        };
        if let Some((name, headers)) = otlp("HEADERS") {
            options.headers = pairs(&name, &headers)?;
        }
        if let Some((name, timeout)) = otlp("TIMEOUT") {
            let millis = timeout.parse().ok().filter(|&millis| millis > 0);
            let millis = millis.ok_or_else(|| wrong(&name, &timeout, "expected milliseconds"))?;
            options.timeout = Duration::from_millis(millis);
        }
        if let Some((name, compression)) = otlp("COMPRESSION") {
            options.gzip = match &*compression {
                "gzip" => true,
                "none" => false,
                _ => return Err(wrong(&name, &compression, "expected gzip or none")),
            };
        }
        options.certificate = otlp("CERTIFICATE").map(|(_, path)| path.into());
        options.client_certificate = match (otlp("CLIENT_CERTIFICATE"), otlp("CLIENT_KEY")) {
            (Some((_, certificate)), Some((_, key))) => Some((certificate.into(), key.into())),
            (None, None) => None,
            (Some((name, path)), None) | (None, Some((name, path))) => {
                let problem = "expected CLIENT_CERTIFICATE and CLIENT_KEY together";
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

/// Parses `key=value,key=value`, percent-encoded. The values may be secret, so errors do not contain them.
fn pairs(name: &str, text: &str) -> Result<Vec<(String, String)>, Error> {
    let parts = text.split(',').map(str::trim);
    let pairs = parts.filter(|part| !part.is_empty()).map(|part| {
        let (key, value) = part.split_once('=')?;
        let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
        (!key.is_empty()).then_some((key, value))
    });
    let pairs: Option<Vec<_>> = pairs.collect();
    pairs.ok_or_else(|| {
        let problem =
            "expected key=value,key=value, percent-encoded where a value has a comma or a %";
        Error::Options(format!("{name}: {problem}"))
    })
}

/// Returns a text without percent-encoding; `None` if the encoding is invalid.
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
        // (`from_str_radix` accepts a sign.)
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
        let get = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Options::from_variables(get, None, None)
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
    fn an_endpoint_of_grpc_is_a_base_and_may_be_without_a_scheme() {
        const GENERAL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let endpoint = |variables: &[_]| {
            let grpc = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc");
            let options = of(&[&[grpc], variables].concat()).unwrap();
            assert_eq!(options.protocol, Protocol::Grpc);
            options.endpoint
        };
        let insecure = |value| ("OTEL_EXPORTER_OTLP_INSECURE", value);
        assert_eq!(endpoint(&[]), "http://localhost:4317");
        assert_eq!(endpoint(&[(GENERAL, "https://a:1")]), "https://a:1");
        let bare = (GENERAL, "a:1");
        assert_eq!(endpoint(&[bare]), "https://a:1");
        assert_eq!(endpoint(&[bare, insecure("false")]), "https://a:1");
        assert_eq!(endpoint(&[bare, insecure("True")]), "http://a:1");
        let whole = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://b:2");
        assert_eq!(endpoint(&[bare, whole]), "http://b:2");
        // Arguments of a program win.
        let get = |name: &str| (name == GENERAL).then(|| "http://a:1".to_owned());
        let endpoint = |protocol, base| {
            let options = Options::from_variables(get, Some(protocol), base);
            options.unwrap().endpoint
        };
        assert_eq!(endpoint(Protocol::Grpc, None), "http://a:1");
        let http = Protocol::HttpProtobuf;
        assert_eq!(endpoint(http, None), "http://a:1/v1/metrics");
        assert_eq!(endpoint(http, Some("http://c:3")), "http://c:3/v1/metrics");
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
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "1"),
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
