//! Groups that come and go, in files made by hand.

use super::*;

/// A file with groups of these names and generations, each with one counter of the given value.
fn file(groups: &[(&str, u64, u64)]) -> Vec<u8> {
    let schema = schema([counter("n")]);
    let mut maker = Maker::new(&header("m", 10, 1));
    let at = maker.schema(&schema);
    for (name, generation, value) in groups {
        let block = maker.removable(at, &schema, name, *generation);
        maker.set(block, &[*value]);
    }
    maker.finish()
}

#[test]
fn an_odd_generation_is_not_there_and_the_others_are() {
    // As left by a writer that was killed while it reused a space.
    both_ways(|root| {
        let groups = [("a", 0, 1), ("gone", 1, 2), ("b", 6, 3), ("half", 7, 4)];
        let path = root.write("mmstats-10-11", &file(&groups));
        let snapshot = root.reader().snapshot().unwrap();
        assert_no_errors(&snapshot);
        let labels: Vec<&str> = snapshot.iter().map(|(_, label, _)| label).collect();
        assert_eq!(labels, ["a.n", "b.n"]);
        assert_eq!(u64_of(&snapshot, "b.n"), Some(3));
        assert_eq!(verify(&path).unwrap(), []);
    });
}

#[test]
fn a_space_that_is_used_again_has_another_group_and_its_own_difference() {
    both_ways(|root| {
        root.write("mmstats-10-11", &file(&[("a", 0, 100), ("b", 0, 5)]));
        let mut reader = root.reader();
        reader.deltas(true);
        reader.snapshot().unwrap();
        root.write("mmstats-10-11", &file(&[("x", 2, 3), ("b", 0, 6)]));
        let snapshot = reader.snapshot().unwrap();
        assert_no_errors(&snapshot);
        assert_eq!(u64_of(&snapshot, "a.n"), None);
        assert_eq!(u64_of(&snapshot, "x.n"), Some(3));
        let deltas = snapshot.model("m").unwrap().deltas().iter();
        let deltas: Vec<_> = deltas
            .map(|stat| (stat.label(), stat.value().as_u64().unwrap()))
            .collect();
        assert_eq!(deltas, [("b.n", 1), ("x.n", 3)]);
    });
}

#[test]
fn wrong_texts_cost_the_instance_and_are_named_once() {
    both_ways(|root| {
        let mut bytes = file(&[("a", 4, 1), ("b", 0, 2)]);
        let name = bytes.windows(2).rposition(|two| two == b"a\0").unwrap();
        // The length of the group's name, beyond the generation.
        bytes[name - 6..][..2].copy_from_slice(&60u16.to_le_bytes());
        root.write("mmstats-10-11", &bytes);
        let mut reader = root.reader();
        for _ in 0..3 {
            let snapshot = reader.snapshot().unwrap();
            assert_eq!(u64_of(&snapshot, "b.n"), Some(2));
            assert_eq!(snapshot.iter().count(), 1);
            assert_eq!(snapshot.errors().len(), 1, "{:?}", snapshot.errors());
        }
    });
}

#[test]
fn a_space_that_is_used_again_has_the_labels_of_its_group() {
    let file = |labels: &[(&str, &str)], generation, value| {
        let schema = schema([counter("n")]);
        let mut maker = Maker::new(&header("m", 10, 1));
        let at = maker.schema(&schema);
        let block = maker.removable_with(at, &schema, ("", labels), generation);
        maker.set(block, &[value]);
        maker.finish()
    };
    both_ways(|root| {
        root.write(
            "mmstats-10-11",
            &file(&[("a", "1"), ("b", "\"2\"")], 0, 100),
        );
        let mut reader = root.reader();
        reader.deltas(true);
        let snapshot = reader.snapshot().unwrap();
        assert_no_errors(&snapshot);
        assert_eq!(u64_of(&snapshot, r#"n{a="1",b="\"2\""}"#), Some(100));
        root.write("mmstats-10-11", &file(&[("a", "1"), ("b", "\"3\"")], 2, 7));
        let snapshot = reader.snapshot().unwrap();
        assert_no_errors(&snapshot);
        let model = snapshot.model("m").unwrap();
        let [series] = model.series() else {
            panic!("{model:?}")
        };
        let labels = series.labels().iter();
        let labels: Vec<_> = labels.map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(series.label(), r#"n{a="1",b="\"3\""}"#);
        assert_eq!(labels, [("a", "1"), ("b", "\"3\"")]);
        assert_eq!(model.deltas()[0].value().as_u64(), Some(7));
    });
}
