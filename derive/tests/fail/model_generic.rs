use std::marker::PhantomData;

use mmstats::{Counter, Gauge, MmStats};

#[derive(MmStats)]
struct OfType<T> {
    level: Gauge<T>,
}

#[derive(MmStats)]
struct OfNumber<const N: usize> {
    requests: Counter,
}

#[derive(MmStats)]
struct OfLifetime<'a> {
    requests: Counter,
    name: PhantomData<&'a str>,
}

#[derive(MmStats)]
struct Where
where
    u8: Copy,
{
    requests: Counter,
}

fn main() {
    OfType::<f64>::local(|_| ());
    OfNumber::<1>::local(|_| ());
    OfLifetime::<'static>::local(|_| ());
    Where::local(|_| ());
}
