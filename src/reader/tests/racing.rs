//! Writers that are faster than the reader.

use super::*;

/// Runs a test beside a writer in this process, on a file that both sides may map. The writer publishes a
/// compound whose fields are always equal, as fast as it can.
fn with_busy_writer(root: &Root, test: impl FnOnce(&AtomicU64)) {
    const WORDS: usize = 16;
    let schema = schema([compound("c", WORDS)]);
    let mut maker = Maker::new(&header("m", 1, 1));
    let at = maker.schema(&schema);
    let block = maker.instance(at, &schema, "", "");
    let path = root.write("mmstats-1-1", &maker.finish());
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let map = memmap2::MmapOptions::new().map_raw(&file).unwrap();
    let first = map.as_ptr().wrapping_add(block).cast::<AtomicU64>();
    // SAFETY: the block lies within the mapping, which outlives the threads below, and all accesses to it are
    // atomic.
    let words: &[AtomicU64] = unsafe { std::slice::from_raw_parts(first, 1 + 2 * WORDS) };
    let stop = AtomicBool::new(false);
    /// Ends the writer, even if the test fails.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    // Spins between two writes.
    let gap = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let buffer = |p: u64| &words[1 + (p as usize % 2) * WORDS..][..WORDS];
                slot::publish(&words[0], buffer, std::iter::repeat_n(n, WORDS));
                for _ in 0..gap.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        });
        let _stop = Stop(&stop);
        test(&gap);
    });
}

fn fields(snapshot: &Snapshot) -> Vec<u64> {
    (0..16)
        .filter_map(|i| u64_of(snapshot, &format!("c.f{i}")))
        .collect()
}

#[test]
fn values_of_a_busy_writer_are_never_torn_and_never_go_back() {
    both_ways(|root| {
        with_busy_writer(root, |gap| {
            let mut reader = root.reader();
            let mut last = 0;
            for round in 0..40_000 {
                // On a loaded machine the writer may not have begun yet.
                if round >= 400 && last > 0 {
                    break;
                }
                gap.store(if round < 200 { 0 } else { 100 }, Ordering::Relaxed);
                let snapshot = reader.snapshot().unwrap();
                assert_no_errors(&snapshot);
                let fields = fields(&snapshot);
                assert!(
                    fields.windows(2).all(|two| two[0] == two[1]),
                    "torn: {fields:?}"
                );
                let now = fields.first().copied().unwrap_or(0);
                assert!(now >= last, "{now} after {last}");
                assert!(snapshot.is_whole() || snapshot.busy().eq([("m", "c")]));
                last = now;
            }
            assert!(last > 0);
        });
    });
}

#[test]
fn a_slot_that_is_never_had_is_busy_and_missing_then_kept() {
    both_ways(|root| {
        let schema = schema([counter("a"), compound("c", 2)]);
        let bytes = Maker::simple(&header("m", 1, 1), &schema, &[1, 2, 0, 0, 8, 9]).finish();
        root.write("mmstats-1-1", &bytes);
        let mut reader = root.reader();
        reader.snapshot().unwrap();
        {
            // As if the last pass had failed to read it.
            let mut files = reader.files.in_order();
            files[0].contents.values.busy.push((0, 1));
            files[0].contents.values.had[0] = false;
            let mut table = table::MergeTable::new(u64::MAX);
            table.begin(&mut files, &[0], &mut Vec::new());
            table.add(1, files[0], State::Live, &mut Vec::new());
            assert_eq!(
                table
                    .busy(files[0])
                    .map(|label| &**label)
                    .collect::<Vec<_>>(),
                ["c"]
            );
            let stats = table.finish();
            assert_eq!(stats.iter().map(Series::label).collect::<Vec<_>>(), ["a"]);
        }
        let snapshot = reader.snapshot().unwrap();
        assert!(snapshot.is_whole());
        assert_eq!(u64_of(&snapshot, "c.f1"), Some(9));
    });
}
