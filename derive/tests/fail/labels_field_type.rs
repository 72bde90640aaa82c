use mmstats::MmLabels;

#[derive(MmLabels, Clone)]
struct Route {
    handler: &'static str,
    ratio: f64,
    method: Method,
}

impl PartialEq for Route {
    fn eq(&self, _: &Route) -> bool {
        true
    }
}

impl Eq for Route {}

impl std::hash::Hash for Route {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

#[derive(Clone)]
enum Method {
    Get,
}

fn main() {}
