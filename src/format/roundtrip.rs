//! Tests that decoding returns what was encoded, and that arbitrary bytes do no harm.

use proptest::prelude::*;

use super::bytes::Bytes;
use super::header::{Header, LockToken};
use super::labels::Labels;
use super::record::{HEAD, Head, Instance, Octave, Type};
use super::scalar::Scalar;
use super::schema::{FieldSchema, Geometry, Merge, MetricSchema, Schema};

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,40}"
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map("\\PC{1,10}", text(), 0..5)
        .prop_map(|map| map.into_iter().collect())
}

fn merge() -> impl Strategy<Value = Merge> {
    (0u8..5).prop_map(|code| Merge::from_code(code).expect("a known rule"))
}

fn scalar() -> impl Strategy<Value = Scalar> {
    (1u8..=11).prop_map(|code| Scalar::from_code(code).expect("a known type"))
}

fn geometry() -> impl Strategy<Value = Geometry> {
    (0u32..=6, 64u16..200, 0u16..80).prop_map(|(bits, words, plain)| Geometry {
        buffers: if bits == 0 { 0 } else { 1 << bits },
        words,
        plain,
    })
}

fn field() -> impl Strategy<Value = FieldSchema> {
    (
        text(),
        scalar(),
        prop::option::of(1u16..8),
        0u16..400,
        merge(),
        any::<bool>(),
    )
        .prop_map(
            |(name, scalar, count, offset, merge, counter)| FieldSchema {
                name,
                scalar,
                count,
                offset,
                merge,
                counter,
            },
        )
}

fn metric() -> impl Strategy<Value = MetricSchema> {
    (
        (
            "\\PC{1,40}",
            text(),
            text(),
            any::<u16>(),
            prop::option::of(scalar()),
        ),
        (
            merge(),
            geometry(),
            any::<u32>(),
            prop::collection::vec(field(), 0..4),
        ),
    )
        .prop_map(
            |((label, unit, help, kind, scalar), (merge, geometry, parameter, fields))| {
                MetricSchema {
                    label,
                    unit,
                    help,
                    kind,
                    scalar,
                    merge,
                    offset: 0,
                    geometry,
                    parameter,
                    fields: fields.into(),
                }
            },
        )
}

fn schema() -> impl Strategy<Value = Schema> {
    let texts = (text(), text(), text(), prop::option::of(text()));
    (texts, prop::collection::vec(metric(), 0..6)).prop_map(
        |((model, help, type_path, export), metrics)| {
            let mut schema = Schema {
                model,
                help,
                type_path,
                export,
                ..Schema::default()
            };
            metrics.into_iter().for_each(|metric| schema.push(metric));
            schema
        },
    )
}

proptest! {
    #[test]
    fn schemas(schema in schema()) {
        let record = schema.encode();
        let head = Head::decode(&record, 640, record.len() as u64).unwrap();
        prop_assert_eq!(head, Head { len: record.len(), kind: Some(Type::Schema), has_generation: false });
        let body = Bytes::new(&record[HEAD..], 648);
        let (decoded, problems) = Schema::decode(body).unwrap();
        prop_assert_eq!(decoded, schema);
        prop_assert!(problems.is_empty(), "{:?}", problems);
    }

    #[test]
    fn headers(model in "\\PC{0,60}", exe in text(), numbers in any::<[u64; 6]>(), ids in any::<[u32; 4]>(), id in any::<[u8; 16]>()) {
        let mut header = Header {
            model,
            exe,
            created: numbers[0],
            pid: ids[0],
            tid: ids[1],
            uid: ids[2],
            gid: ids[3],
            start_time: numbers[1],
            boot_id: id,
            pid_namespace: numbers[2],
            machine_id: id,
            lock: LockToken { token: numbers[3], device: numbers[4], inode: numbers[5], pinned: ids[0] % 2 == 1 },
            time_namespace: numbers[0],
            ..Header::default()
        };
        let bytes = header.encode();
        header.len = bytes.len();
        prop_assert_eq!(Header::decode(&bytes).unwrap(), header);
    }

    #[test]
    fn instances_and_octaves(prefix in text(), group in text(), labels in labels(), at in 0usize..1 << 20, words in 0usize..500, octave in 0u32..64) {
        let at = 8 * at;
        let instance = Instance { schema: 192, block: 0, prefix, group, labels };
        let placed = instance.encode(at, words, None);
        let read = Instance::decode(Bytes::new(&placed.metadata[HEAD..], 0)).unwrap();
        prop_assert_eq!(read, Instance { block: placed.values as u32, ..instance });
        prop_assert!(at + placed.metadata.len() <= placed.values && placed.values + 8 * words <= placed.end);

        let octave = Octave { owner: 256, octave, counts: 0, len: words as u32 };
        let placed = octave.encode(at);
        let read = Octave::decode(Bytes::new(&placed.metadata[HEAD..], 0)).unwrap();
        prop_assert_eq!(read, Octave { counts: placed.values as u32, ..octave });
    }

    /// No panic, and no allocation out of proportion: a schema that claims 2³² metrics in a few bytes would
    /// end the test.
    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Header::length(&bytes).and_then(|len| Header::decode(&bytes[..len.min(bytes.len())]));
        let _ = Head::decode(&bytes, 0, bytes.len() as u64);
        let _ = Schema::decode(Bytes::new(&bytes, 0));
        let _ = Instance::decode(Bytes::new(&bytes, 0));
        let _ = Octave::decode(Bytes::new(&bytes, 0));
    }

    /// Like random bytes, but mostly valid.
    #[test]
    fn damaged_schemas(schema in schema(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut record = schema.encode();
        let at = at.index(record.len());
        record[at] = byte;
        let _ = Schema::decode(Bytes::new(&record[HEAD..], 0));
    }
}
