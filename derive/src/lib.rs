//! The derive macros of mmstats: `MmStats` for models, `MmValue` for the values of a `Compound`, `MmLabels` for the
//! labels of groups and `MmLabelValue` for an enum among them.
//!
//! The crate `mmstats` re-exports all of them.
//!
//! # How it works
//! Each macro reads the user's item into a description (`model.rs`, `value.rs`, `labels.rs`, `label_value.rs`). It
//! continues after a mistake, so that all mistakes are reported at once, each at the user's own token. If there are
//! none, the description becomes code (`expand_model.rs`, `expand_value.rs`, …). Otherwise a placeholder
//! implementation is emitted, so that the code that uses the struct does not cause more errors.
//!
//! Some facts only the compiler can know: whether a type can be a field, whether an attribute fits it, whether a
//! struct has padding. The generated code makes it check them, by bounds and constants that have the spans of the
//! user's tokens.
//!
//! Generated code names the traits of these macros, and nothing else of the main crate except what is in
//! `mmstats::__private`.

mod attributes;
mod context;
mod expand_label_value;
mod expand_labels;
mod expand_model;
mod expand_value;
mod label;
mod label_value;
mod labels;
mod model;
mod shape;
mod value;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use context::Context;
use label_value::LabelValue;
use labels::Labels;
use model::Model;
use value::Value;

/// Makes a struct a model: a description of statistics, with one field for each metric.
///
/// ```ignore
/// use mmstats::{Constant, Counter, MmStats, Percentile, Timer};
///
/// /// Statistics of the web tier.
/// #[derive(MmStats)]
/// #[mmstats(name = "my-app")]
/// struct Web {
///     /// Requests received.
///     requests: Counter,
///     #[mmstats(unit = "bytes", digits = 3)]
///     body_size: Percentile,
///     #[mmstats(label = "timers.response")]
///     response_time: Timer,
///     #[mmstats(value = num_cpus())]
///     cpus: Constant<u32>,
///     db: Db,
/// }
///
/// #[derive(MmStats)]
/// struct Db {
///     queries: Counter,
/// }
///
/// Web::local(|s| s.requests.inc());
/// ```
///
/// The struct must have named fields and no type parameters or lifetimes, because all files of a model share one
/// directory and one set of metrics. It may be private. A field that the program never reads is not reported as
/// dead code, since other programs read it.
///
/// The first paragraph of the doc comment of the struct, and of each field, is the help text that readers show. It
/// must have at most 4096 bytes.
///
/// # Attributes of the struct
///
/// | `#[mmstats(…)]` | meaning | default |
/// |---|---|---|
/// | `export = "…"` | the prefix that exporters put before the names of its metrics: at most 4096 bytes; may be empty | the model's name |
/// | `name = "…"` | the model's name, and that of its directory: at most 255 bytes, no `/`, no control character, no `.` in front | the struct's name |
/// | `crate = path` | the path at which the generated code finds mmstats, if that is renamed or re-exported by another crate; `crate = "path"` is the same | `::mmstats` |
///
/// # Attributes of a field
///
/// | `#[mmstats(…)]` | goes with | meaning | default |
/// |---|---|---|---|
/// | `label = "…"` | every field | the name under which other programs see the metric: parts separated by dots, at most 1024 bytes (1017 with a window), no control character; each label once in a model | the field's name |
/// | `unit = "…"` | fields that hold a number | what the number counts or measures: at most 4096 bytes, no control character | none |
/// | `digits = 1` to `5` | `Timer`, `Percentile` | significant digits of the percentiles | 2 |
/// | `merge = "sum"`, `"max"`, `"min"`, `"mean"` or `"latest"` | `Gauge` | how the values of several files are merged into one | `"sum"` |
/// | `prefix = "…"` | `Groups` | a prefix for the groups' labels: follows the rules for labels, but may end with a dot | none |
/// | `group_label = "…"` | `Groups` by name | the key that exporters use for the group's name, as in `handler="index"`: 1 to 256 bytes, no control characters, no white space and none of `{ } , = "` | `group` |
/// | `idle = "10m"` | `Groups` | removes a group once its values, and those of the groups within it, have not changed for this time in any thread of the process: `"1s"` to `"168h"` (`ms`, `s`, `m`, `h`); noticed up to a quarter of the time later. Its series ends as with `remove`. A write costs nothing more, but a thread of the process checks the groups four times in this period | none |
/// | `value = expression` | `Constant`, which needs it | its value; the expression is evaluated each time a file (or a group) is created, before anything else of it. It must not use the statistics of its own model | |
/// | `buffers = 2`, `4`, … `64` | `Compound`, `Text`, `Timer`, `Percentile`, `Summary`, `Average`, `MovingAverage`, `SamplingCounter` | the number of buffers that the writer cycles through: with more, a reader that is slower than the writer still gets a whole value | 2 |
/// | `window = "60s"` | `Counter`, `Summary`, `Timer`, `Percentile` | in addition to the totals, what was recorded in the last period, `"1s"` to `"24h"` (`ms`, `s`, `m`, `h`): `WindowCount`, `WindowMean`, `WindowMax`, percentiles; for a counter `WindowCount` and `Rate`, per second. Up to a twelfth of the period is missing at its far edge. It costs a second record, a read of the coarse clock and 13 times the space. An increment of a counter costs nothing more, but a thread of the process reads the count twelve times in a window | none |
///
/// One `#[mmstats(…)]` may contain several attributes.
#[proc_macro_derive(MmStats, attributes(mmstats))]
pub fn derive_mm_stats(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut context = Context::default();
    let model = Model::read(&mut context, &input);
    match context.finish() {
        None => expand_model::expand(&input, &model),
        Some(mut errors) => {
            errors.extend(expand_model::fallback(&input, &model.main_crate));
            errors
        }
    }
    .into()
}

/// Makes a struct the value of a `Compound`, which is always written and read as a whole.
///
/// ```ignore
/// use mmstats::{Compound, MmStats, MmValue};
///
/// #[derive(Clone, Copy, Default, MmValue)]
/// #[repr(C)]
/// struct Pool {
///     open: u32,
///     #[mmstats(merge = "max")]
///     most: u32,
///     waits: [u64; 4],
/// }
///
/// #[derive(MmStats)]
/// struct Web {
///     pool: Compound<Pool>,
/// }
///
/// Web::local(|s| s.pool.update(|pool| pool.open += 1));
/// ```
///
/// The struct must be `Copy` and `#[repr(C)]`. Its fields are integers of 8 to 64 bits, floats, and arrays of one
/// of them; `usize` and `bool` are not allowed. It must have at most 512 bytes and no padding: if the compiler
/// would leave a gap, the error names the field to add. A field whose name begins with `_pad` is such padding, and
/// other programs do not see it.
///
/// # Attributes
///
/// | `#[mmstats(…)]` | on | meaning | default |
/// |---|---|---|---|
/// | `crate = path` | the struct | the path at which the generated code finds mmstats; `crate = "path"` is the same | `::mmstats` |
/// | `merge = "sum"`, `"max"`, `"min"`, `"mean"` or `"latest"` | a field | how the values of several files are merged into one | `"sum"` |
/// | `counter` | a field | its numbers never decrease, so exporters export them as counters. They are merged by summing | a level |
#[proc_macro_derive(MmValue, attributes(mmstats))]
pub fn derive_mm_value(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut context = Context::default();
    let value = Value::read(&mut context, &input);
    match context.finish() {
        None => expand_value::expand(&input, &value),
        Some(mut errors) => {
            errors.extend(expand_value::fallback(&input, &value.main_crate));
            errors
        }
    }
    .into()
}

/// Makes a struct the labels of a group: the key of a `Groups<T, L>`.
///
/// ```ignore
/// use mmstats::{Counter, Groups, MmLabels, MmStats};
///
/// #[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
/// struct Route {
///     handler: &'static str,
///     #[mmstats(key = "code")]
///     status: u16,
/// }
///
/// #[derive(MmStats)]
/// struct Web {
///     routes: Groups<Handler, Route>,
/// }
///
/// #[derive(MmStats)]
/// struct Handler {
///     requests: Counter,
/// }
///
/// Web::local(|s| s.routes.group(&Route { handler: "index", status: 200 }).requests.inc());
/// ```
///
/// The struct must have 1 to 64 named fields. Each is a string (`&'static str`, `String`, `Cow<'static, str>`,
/// `Box<str>`, `Arc<str>`), an integer, a `bool`, a `char` or an enum with `#[derive(MmLabelValue)]`. The struct
/// must derive `Clone`, `PartialEq`, `Eq` and `Hash`, by which a known group is found.
///
/// # Attributes
///
/// | `#[mmstats(…)]` | on | meaning | default |
/// |---|---|---|---|
/// | `crate = path` | the struct | the path at which the generated code finds mmstats; `crate = "path"` is the same | `::mmstats` |
/// | `key = "…"` | a field | the label's key: 1 to 256 bytes, no control characters, no white space and none of `{ } , = "`; each key once | the field's name |
#[proc_macro_derive(MmLabels, attributes(mmstats))]
pub fn derive_mm_labels(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut context = Context::default();
    let labels = Labels::read(&mut context, &input);
    match context.finish() {
        None => expand_labels::expand(&input, &labels),
        Some(mut errors) => {
            errors.extend(expand_labels::fallback(&input, &labels.main_crate));
            errors
        }
    }
    .into()
}

/// Makes an enum of unit variants a label value: the type of a field of a struct with `#[derive(MmLabels)]`.
///
/// ```ignore
/// use mmstats::MmLabelValue;
///
/// #[derive(MmLabelValue, Clone, PartialEq, Eq, Hash)]
/// enum Method {
///     Get,                        // get
///     #[mmstats(name = "PUT")]
///     Put,                        // PUT
/// }
/// ```
///
/// # Attributes
///
/// | `#[mmstats(…)]` | on | meaning | default |
/// |---|---|---|---|
/// | `crate = path` | the enum | the path at which the generated code finds mmstats; `crate = "path"` is the same | `::mmstats` |
/// | `name = "…"` | a variant | its text: at most 1024 bytes, no control characters but the line feed; each text once | the variant in snake_case |
#[proc_macro_derive(MmLabelValue, attributes(mmstats))]
pub fn derive_mm_label_value(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut context = Context::default();
    let value = LabelValue::read(&mut context, &input);
    match context.finish() {
        None => expand_label_value::expand(&input, &value),
        Some(mut errors) => {
            errors.extend(expand_label_value::fallback(&input, &value.main_crate));
            errors
        }
    }
    .into()
}
