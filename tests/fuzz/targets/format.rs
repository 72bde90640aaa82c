//! The bytes go to the decoders as they are; the result is encoded and decoded again.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mmstats::format::bytes::{Bytes, TEXT_MOST};
use mmstats::format::description::Description;
use mmstats::format::extent::Extent;
use mmstats::format::header::{Header, NAME_MOST, Owner};
use mmstats::format::histogram::Layout;
use mmstats::format::record::{HEAD, Head, Instance, Octave};
use mmstats::format::schema::Schema;
use mmstats_fuzz::{Random, mutate, records};

fuzz_target!(|data: &[u8]| {
    header(data);
    record(data, 0);
    for (from, to) in records(data) {
        record(&data[from..to], from);
    }
    if let Some(word) = data.first_chunk() {
        let word = u64::from_le_bytes(*word);
        assert_eq!(
            Owner::unpack(Owner::unpack(word).pack()),
            Owner::unpack(word)
        );
        for layout in (0..=6).filter_map(Layout::new) {
            let (top, position) = layout.place(word);
            let bucket = position % layout.buckets();
            let (low, high) = layout.bounds(layout.octave(top), Some(bucket));
            assert!((low..=high).contains(&word));
        }
    }
});

fn header(data: &[u8]) {
    let Ok(len) = Header::length(data) else {
        return;
    };
    let Some(Ok(mut decoded)) = data.get(..len).map(Header::decode) else {
        return;
    };
    if decoded.model.len() <= NAME_MOST && decoded.exe.len() <= 4096 {
        let encoded = decoded.encode();
        decoded.len = encoded.len();
        assert_eq!(Header::decode(&encoded), Ok(decoded));
    }
}

fn record(data: &[u8], at: usize) {
    let left = data.len() as u64;
    if let Ok(head) = Head::decode(data, at as u64, left) {
        assert!((HEAD..=data.len()).contains(&head.len) && head.len % 8 == 0);
    }
    let Some(body) = data.get(HEAD..) else {
        return;
    };
    let body = || Bytes::new(body, (at + HEAD) as u64);
    if let Ok(description) = Description::decode(body())
        && let Some(encoded) = description.encode()
    {
        let again = Bytes::new(&encoded[HEAD..], HEAD as u64);
        assert_eq!(Description::decode(again), Ok(description));
    }
    if let Ok(instance) = Instance::decode(body())
        && instance.prefix.len().max(instance.group.len()) <= TEXT_MOST
    {
        let encoded = instance.encode(0, 8, None);
        let again = Instance::decode(Bytes::new(&encoded.metadata[HEAD..], 0)).unwrap();
        assert_eq!(again.label_prefix(), instance.label_prefix());
    }
    if let Ok(mut extent) = Extent::decode(body()) {
        assert!(extent.shape.total_words() >= extent.shape.cells as usize);
        // A size for which there is memory.
        (extent.shape.cells, extent.shape.plain) =
            (extent.shape.cells % 8, extent.shape.plain % 64);
        let encoded = extent.encode(0);
        let again = Extent::decode(Bytes::new(&encoded.metadata[HEAD..], 0)).unwrap();
        extent.values = again.values;
        assert_eq!(again, extent);
    }
    if let Ok(octave) = Octave::decode(body()) {
        let encoded = Octave { len: 16, ..octave }.encode(0);
        let again = Octave::decode(Bytes::new(&encoded.metadata[HEAD..], 0)).unwrap();
        assert_eq!((again.owner, again.octave), (octave.owner, octave.octave));
    }
    if let Ok((schema, _)) = Schema::decode(body()) {
        let fits = |text: &String| text.len() <= TEXT_MOST;
        let all = [&schema.model, &schema.help, &schema.type_path]
            .into_iter()
            .chain(&schema.export)
            .chain((schema.metrics.iter()).flat_map(|metric| {
                [&metric.label, &metric.unit, &metric.help]
                    .into_iter()
                    .chain(metric.fields.iter().map(|field| &field.name))
            }));
        if all.into_iter().all(fits) {
            let encoded = schema.encode();
            let again = Schema::decode(Bytes::new(&encoded[HEAD..], 0));
            assert_eq!(again, Ok((schema, Vec::new())));
        }
    }
}

fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
    mutate(data, size, max, &mut Random::new(seed), fuzzer_mutate)
});
