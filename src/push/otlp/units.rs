//! Units as OpenTelemetry writes them (UCUM).

/// Returns the code of a unit, or the unit itself if it has none.
pub fn ucum(unit: &str) -> &str {
    const UNITS: [(&str, &str); 24] = [
        ("days", "d"),
        ("hours", "h"),
        ("minutes", "min"),
        ("seconds", "s"),
        ("milliseconds", "ms"),
        ("microseconds", "us"),
        ("nanoseconds", "ns"),
        ("bits", "bit"),
        ("bytes", "By"),
        ("kilobytes", "kBy"),
        ("kibibytes", "KiBy"),
        ("KiB", "KiBy"),
        ("megabytes", "MBy"),
        ("mebibytes", "MiBy"),
        ("MiB", "MiBy"),
        ("gigabytes", "GBy"),
        ("gibibytes", "GiBy"),
        ("GiB", "GiBy"),
        ("percent", "%"),
        ("ratio", "1"),
        ("celsius", "Cel"),
        ("volts", "V"),
        ("amperes", "A"),
        ("watts", "W"),
    ];
    let found = UNITS.iter().find(|(name, _)| *name == unit);
    found.map_or(unit, |(_, code)| code)
}
