use super::*;

fn of(values: &[f64]) -> FloatDistribution {
    with_digits(2, values)
}

fn with_digits(digits: u32, values: &[f64]) -> FloatDistribution {
    let layout = FloatLayout::new(digits).unwrap();
    let mut all = FloatDistribution::new(layout);
    for &value in values {
        let (octave, position) = layout.place(value);
        let mut counts = vec![0; layout.buckets()];
        counts[position % layout.buckets()] = 1;
        all.add_octave(rank(octave), &counts);
        all.moments = all.moments.with(value, 0);
    }
    all
}

#[test]
fn percentiles_have_the_order_of_the_values_across_signs() {
    let values = [-1e300, -3.0, -2.0, -0.5, 0.0, 1e-310, 0.25, 7.0, 1e300];
    let all = of(&values);
    for (i, &value) in (1..).zip(&values) {
        let found = all.percentile(100.0 * f64::from(i) / 9.0 - 0.1).unwrap();
        let error = (found - value).abs();
        assert!(error <= value.abs() / 128.0 + 1e-308, "{found} for {value}");
    }
    assert_eq!(all.percentile(0.0), Some(-1e300));
    assert_eq!(all.percentile(100.0), Some(1e300));
    assert_eq!(all.percentile(50.0), Some(0.0));
}

#[test]
fn a_single_value_is_itself_at_every_percentile() {
    for value in [0.0, -0.0, 0.3, -1e-5, f64::MIN, f64::MAX, 5e-324] {
        let all = of(&[value]);
        for percent in [0.0, 50.0, 99.9, 100.0] {
            assert_eq!(all.percentile(percent), Some(value));
        }
        assert_eq!(
            (all.min(), all.max(), all.last()),
            (Some(value), Some(value), Some(value))
        );
    }
    assert_eq!(of(&[]).percentile(50.0), None);
}

#[test]
fn merging_is_recording_everything_in_one_place() {
    let (a, b) = ([1.5, -2.0, 3.25e10], [0.0, 1e-12, -2.0]);
    let mut merged = of(&a);
    merged.merge(of(&b));
    let direct = of(&[a, b].concat());
    assert_eq!((&merged.octaves, merged.count()), (&direct.octaves, 6));
    assert_eq!((merged.min(), merged.max()), (direct.min(), direct.max()));
    assert_eq!(
        merged.last(),
        None,
        "of two writers' last values none is the last"
    );
    let mut same = of(&a);
    same.merge(of(&[]));
    assert_eq!(same, of(&a));
    let mut coarse = with_digits(3, &a);
    coarse.merge(with_digits(2, &b));
    assert_eq!(coarse.octaves, direct.octaves);
}

#[test]
fn an_interval_has_its_own_percentiles() {
    let before = of(&[1.0; 10]);
    let now = of(&[&[1.0; 10][..], &[-4.0, 8.0]].concat());
    let interval = now.since(&before);
    assert_eq!((interval.count(), interval.total()), (2, 4.0));
    assert_eq!(interval.percentile(50.0).map(f64::round), Some(-4.0));
    assert!(interval.min() >= Some(-4.1) && interval.max() <= Some(8.0));
    assert_eq!(now.since(&now).count(), 0);
    assert_eq!(now.since(&now).min(), None);
}

#[test]
fn values_without_buckets_are_counted_by_range() {
    let layout = FloatLayout::new(2).unwrap();
    let mut ranges = [0; RANGES];
    // 1.0 and -1.0 are in octaves 1023 and 3071.
    ranges[1023 / OCTAVES_OF_RANGE] = 2;
    ranges[3071 / OCTAVES_OF_RANGE] = 1;
    let moments = [1.0, 1.0, -1.0]
        .iter()
        .fold(SummaryValue::default(), |m, v| m.with(*v, 0));
    let all = FloatDistribution::of(layout, moments, &ranges, &[]);
    assert_eq!(all.bucket_count(), 3);
    let mut buckets = Vec::new();
    all.each_bucket(|low, high, count| buckets.push((low <= -1.0 && -1.0 <= high, count)));
    assert_eq!(buckets, [(true, 1), (false, 2)]);
    assert!(all.percentile(99.0).unwrap() > 0.0);
}
