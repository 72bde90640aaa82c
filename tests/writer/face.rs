//! The public interface as designed: this file must compile as it is.

use mmstats::{
    Compound, Counter, Flag, Gauge, Groups, MmStats, MmValue, Percentile, Stopwatch, Text, Timer,
    UpDown,
};

/// Statistics of the web tier.
#[derive(MmStats)]
#[mmstats(name = "my-app")]
struct Web {
    /// Requests received.
    requests: Counter,
    in_flight: UpDown,
    temperature: Gauge<f64>,
    #[mmstats(unit = "bytes")]
    body_size: Percentile,
    #[mmstats(label = "timers.response")]
    response_time: Timer,
    pool: Compound<Pool>,
    release: Text<32>,
    ready: Flag,
    db: Db,
    handlers: Groups<Handler>,
}
#[derive(MmStats)]
struct Db {
    queries: Counter,
}
#[derive(MmStats)]
struct Handler {
    response_ok: Counter,
    response_bad: Counter,
    response_time: Timer,
}

#[derive(Clone, Copy, Default, Debug, PartialEq, MmValue)]
#[repr(C)]
struct Pool {
    open: u32,
    idle: u32,
    waits: u64,
}

async fn fetch() {}

/// A task of a multi-threaded executor may move between threads, so everything that it keeps must be `Send`.
fn spawn<F: Future<Output = ()> + Send + 'static>(_: F) {}

fn work() -> u32 {
    7
}

#[test]
fn the_face_of_the_design() -> Result<(), mmstats::Error> {
    let root = tempfile::tempdir().unwrap();
    if false {
        Web::local(|s| s.requests.inc());
        let _: mmstats::Stats<Web> = Web::create()?;
    }
    let builder = Web::builder().path(root.path()).label_prefix("web.");
    let web = builder.max_size(1 << 20).mode(0o600).keep(false).create()?;
    web.requests.inc();
    web.requests.add(5);
    web.requests.get();
    web.requests.set(7);
    web.in_flight.inc();
    web.in_flight.dec();
    web.in_flight.add(-3);
    web.temperature.set(36.6);
    web.temperature.get();
    web.body_size.record(512);
    let timer = web.response_time.start();
    let _: std::time::Duration = timer.stop();
    web.response_time.start().discard();
    web.response_time
        .record(std::time::Duration::from_millis(3));
    #[allow(clippy::redundant_closure, reason = "as the design writes it")]
    let out = web.response_time.time(|| work());
    assert_eq!(out, 7);
    web.pool.update(|p| {
        p.open += 1;
        p.waits += 1
    });
    web.pool.set(Pool::default());
    let _: Pool = web.pool.get();
    web.release.set("1.4.2");
    web.ready.set(true);
    web.db.queries.inc();
    spawn(async {
        let t = Stopwatch::start();
        fetch().await;
        Web::local(|s| s.response_time.record(t.elapsed()));
    });
    web.handlers.group("index").response_ok.inc();
    web.handlers["index"].response_ok.inc();
    web.handlers.try_group("index")?.response_bad.inc();
    let stats = Handler::groups(["index", "login"])
        .path(root.path())
        .create()?;
    let index = stats.group("index");
    index
        .response_time
        .record(std::time::Duration::from_millis(1));
    let _ = Web::builder().anonymous().create()?;

    let writer = mmstats::Writer::builder("sqlalchemy")
        .path(root.path())
        .create()?;
    let url: &Text<256> = writer.text("connection_foo.url").add()?;
    let selects: &Counter = writer
        .counter("users_table.selects")
        .help("Selects sent.")
        .add()?;
    let time: &Timer = writer.timer("users_table.select_time").add()?;
    writer
        .group("users_table")?
        .counter("rows")
        .unit("rows")
        .add()?;
    url.set("sqlite://");
    selects.inc();
    time.time(|| ());

    use mmstats::reader::Reader;
    let mut reader = Reader::open(root.path())?;
    let snapshot = reader.snapshot()?;
    assert_eq!(
        snapshot
            .get("my-app", "web.requests")
            .and_then(|v| v.as_u64()),
        Some(7)
    );
    let pool: Pool = snapshot.compound("my-app", "web.pool")?;
    assert_eq!(pool, Pool::default());
    for (model, label, value) in snapshot.iter() {
        assert!(!model.is_empty() && !label.is_empty() && !value.kind().is_empty());
    }
    assert_eq!(snapshot.files().len(), 3);
    assert!(snapshot.errors().is_empty());
    assert!(snapshot.labels("web.index.*").count() > 0);
    Ok(())
}
