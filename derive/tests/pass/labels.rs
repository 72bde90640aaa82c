use std::borrow::Cow;
use std::sync::Arc;

use mmstats::{Counter, Groups, MmLabelValue, MmLabels, MmStats};

/// Every type, not in the order of the keys.
#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Route {
    status: u16,
    handler: &'static str,
    owned: String,
    either: Cow<'static, str>,
    boxed: Box<str>,
    shared: Arc<str>,
    #[mmstats(key = "http.method")]
    method: Method,
    r#type: char,
    tls: bool,
}

#[derive(MmLabelValue, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    Get = 1,
    #[mmstats(name = "PUT")]
    Put,
    NotFound,
    r#Self_,
}

#[derive(MmStats)]
struct Web {
    #[mmstats(prefix = "web.")]
    routes: Groups<Handler, Route>,
    #[mmstats(group_label = "handler", prefix = "by_name.")]
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
}

fn main() {
    assert_eq!(
        Route::KEYS,
        ["boxed", "either", "handler", "http.method", "owned", "shared", "status", "tls", "type"]
    );
    let texts = [Method::Get, Method::Put, Method::NotFound, Method::Self_].map(|method| method.text().into_owned());
    assert_eq!(texts, ["get", "PUT", "not_found", "self_"]);
    let web = Web::builder().anonymous().create().unwrap();
    let route = Route {
        status: 200,
        handler: "index",
        owned: "a".to_owned(),
        either: "b".into(),
        boxed: "c".into(),
        shared: "d".into(),
        method: Method::Get,
        r#type: 'e',
        tls: true,
    };
    assert_eq!(route.values(), ["c", "b", "index", "get", "a", "d", "200", "true", "e"]);
    web.routes.group(&route).requests.inc();
    web.handlers.group("index").requests.inc();
    let name = String::from("index");
    web.handlers.group(&name).requests.inc();
    assert_eq!(web.handlers[&*name].requests.get(), 2);
}
