//! Resources, which say to whom metrics belong: one for each process, and one for the totals of processes that have
//! ended.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message as _;
use rustix::system::uname;
use uuid::Uuid;

use super::Options;
use super::message::{Any, KeyValue, Resource};
use crate::format::header::ProcessId;
use crate::reader::{Model, Process};

/// The namespace of `service.instance.id`, from the semantic conventions.
const NAMESPACE: Uuid = Uuid::from_u128(0x4d63009a_8d0f_11ee_aad7_4c796ed8e320);
/// The name that the conventions give to a resource without a name.
const UNKNOWN: &str = "unknown_service";

/// The owner of metrics: the same at each reading and for every reader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResourceOwner {
    /// A process.
    Process(ProcessId),
    /// The totals of processes that have ended, in the retired files of this path.
    Retired(Box<Path>),
}

impl ResourceOwner {
    /// Returns the owner of a model's values: a process, or the retired totals.
    pub fn of(model: &Model, path: &Path) -> ResourceOwner {
        match model.process() {
            Some(process) => {
                let (pid, start_time, boot, namespace, token) = process.id();
                // A process has a different token in each root. The token is not needed if the start time is known.
                let token = if start_time == 0 { token } else { 0 };
                ResourceOwner::Process((pid, start_time, boot, namespace, token))
            }
            None => ResourceOwner::Retired(path.into()),
        }
    }
}

/// The attributes that resources have in common, and the resources made so far.
#[derive(Debug)]
pub struct Resources {
    host: String,
    service_name: Option<String>,
    attributes: Vec<(String, String)>,
    /// The resources, encoded once: a changed attribute would make another resource.
    encoded: HashMap<ResourceOwner, Box<[u8]>>,
}

impl Resources {
    /// Takes the attributes from the user's options.
    pub fn new(options: &Options) -> Resources {
        let mut attributes = options.attributes.clone();
        let mut take = |wanted: &str| {
            let at = attributes.iter().rposition(|(key, _)| key == wanted)?;
            let value = attributes[at].1.clone();
            attributes.retain(|(key, _)| key != wanted);
            Some(value).filter(|value| !value.is_empty())
        };
        let named = take("service.name");
        let host = take("host.name");
        Resources {
            host: host.unwrap_or_else(|| uname().nodename().to_string_lossy().into_owned()),
            service_name: options.service_name.clone().or(named),
            attributes,
            encoded: HashMap::new(),
        }
    }

    /// Drops resources that do not exist any more.
    pub fn forget_others(&mut self, there: &HashSet<&ResourceOwner>) {
        self.encoded.retain(|whose, _| there.contains(whose));
    }

    /// Returns the encoded message of a resource.
    pub fn encoded(&mut self, whose: &ResourceOwner, process: Option<&Process>) -> &[u8] {
        if !self.encoded.contains_key(whose) {
            let encoded = self.resource(whose, process).encode_to_vec();
            self.encoded.insert(whose.clone(), encoded.into());
        }
        &self.encoded[whose]
    }

    /// Makes a resource. The user's attributes override others, except those that identify a process.
    fn resource(&self, whose: &ResourceOwner, process: Option<&Process>) -> Resource {
        let mut own = Vec::new();
        let instance = match whose {
            ResourceOwner::Process((pid, start_time, boot, namespace, token)) => {
                own.push(KeyValue::new("process.pid", Any::Int((*pid).into())));
                let boot = u128::from_le_bytes(*boot);
                format!(
                    "{}/{pid}/{start_time}/{boot:x}/{namespace}/{token}",
                    self.host
                )
            }
            ResourceOwner::Retired(path) => {
                own.push(KeyValue::new("mmstats.retired", Any::Bool(true)));
                format!("{}/retired/{}", self.host, path.display())
            }
        };
        if let Some(started) = process.and_then(Process::started) {
            // Each reading of the clocks gives a slightly different time. Different pushers agree to a second.
            own.push(KeyValue::text("process.creation.time", rfc3339(started)));
        }
        let exe = process.map_or("", Process::exe);
        if !exe.is_empty() {
            own.push(KeyValue::text("process.executable.path", exe));
        }
        let file = Path::new(exe).file_name();
        let default_name = file.map(|name| name.to_string_lossy().into_owned());
        let id = Uuid::new_v5(&NAMESPACE, instance.as_bytes());
        own.push(KeyValue::text("service.instance.id", id.to_string()));
        own.push(KeyValue::text("host.name", &self.host));
        let name = self.service_name.clone().or(default_name);
        let name = name.unwrap_or_else(|| UNKNOWN.to_owned());
        own.push(KeyValue::text("service.name", name));
        for (at, (key, value)) in self.attributes.iter().enumerate() {
            // The last of several wins, as the specification requires for merging.
            let again = self.attributes[at + 1..]
                .iter()
                .any(|(other, _)| other == key);
            if !again && own.iter().all(|attribute| attribute.key != *key) {
                own.push(KeyValue::text(key, value));
            }
        }
        Resource { attributes: own }
    }
}

/// Returns nanoseconds since 1970-01-01 UTC.
pub fn unix_nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Formats a time as in `2026-11-29T04:31:00Z`, to the nearest second, by computing the civil date from the days
/// since 1970-01-01.
fn rfc3339(time: SystemTime) -> String {
    let seconds = unix_nanos(time).saturating_add(500_000_000) / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so the leap day is the last day of the year. (Howard Hinnant, "chrono-Compatible
    // Low-Level Date Algorithms".)
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_written_as_rfc_3339_says() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_926_660_499, "2026-11-29T04:31:00Z"),
            (4_107_542_399_500, "2100-03-01T00:00:00Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(rfc3339(time), text);
        }
    }

    fn get<'a>(resource: &'a Resource, key: &str) -> Vec<&'a Any> {
        let attributes = resource.attributes.iter();
        let found = attributes.filter(|attribute| attribute.key == key);
        found
            .map(|found| found.value.as_ref().unwrap().value.as_ref().unwrap())
            .collect()
    }

    #[test]
    fn a_resource_has_each_key_once_and_the_users_names() {
        let text = |text: &str| Any::String(text.to_owned());
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let options = Options {
            attributes: vec![
                pair("service.name", "from-attributes"),
                pair("host.name", "box"),
                pair("env", "a"),
                pair("env", "b"),
                pair("process.pid", "1"),
            ],
            ..Options::default()
        };
        let whose = ResourceOwner::Process((7, 5, [1; 16], 3, 0));
        let resource = Resources::new(&options).resource(&whose, None);
        assert_eq!(get(&resource, "service.name"), [&text("from-attributes")]);
        assert_eq!(get(&resource, "host.name"), [&text("box")]);
        assert_eq!(get(&resource, "env"), [&text("b")]);
        assert_eq!(get(&resource, "process.pid"), [&Any::Int(7)]);
        assert!(get(&resource, "process.executable.path").is_empty());
        let named = Options {
            service_name: Some("shop".to_owned()),
            ..options
        };
        let named = Resources::new(&named).resource(&whose, None);
        assert_eq!(get(&named, "service.name"), [&text("shop")]);
        // The same process is the same instance, whatever the service is called.
        let id = get(&resource, "service.instance.id");
        assert_eq!(id, get(&named, "service.instance.id"));
    }
}
