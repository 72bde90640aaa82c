//! The derive macros of mmstats: `MmStats` for models, `MmValue` for the values of a `Compound`.
//!
//! They are used through the crate `mmstats`, which exports both.
//!
//! # How it works
//! Each macro reads the user's struct into a description (`model.rs`, `value.rs`) and goes on after
//! a mistake, so that all mistakes are reported at once, each at the user's own token. If there is
//! none, the description becomes code (`expand_model.rs`, `expand_value.rs`). If there is one, an
//! implementation without a meaning takes its place, so that the code that uses the struct is not
//! full of errors as well.
//!
//! What only the compiler can know (whether a type can be a field, whether an attribute goes with
//! it, whether a struct has padding) the generated code asks it, by bounds and constants that stand
//! at the user's tokens.
//!
//! Generated code names the traits `MmStats` and `MmValue`, and nothing else of the main crate but
//! what is in `mmstats::__private`.

mod attributes;
mod context;
mod expand_model;
mod expand_value;
mod label;
mod model;
mod shape;
mod value;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use context::Context;
use model::Model;
use value::Value;

/// Makes a struct a model: a description of statistics, one field for each metric.
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
/// The struct has named fields and no type parameters or lifetimes: all files of a model share one
/// directory and one set of metrics. It may be private. A field that the program never reads is not
/// reported as dead code, since other programs read it.
///
/// The first paragraph of a doc comment, of the struct and of each field, is the help text that
/// readers show. It has at most 4096 bytes.
///
/// # Attributes of the struct
///
/// | `#[mmstats(…)]` | meaning | default |
/// |---|---|---|
/// | `name = "…"` | the model's name, and that of its directory: at most 255 bytes, no `/`, no control character, no `.` in front | the struct's name |
/// | `crate = path` | where the generated code finds mmstats, if it is renamed or exported by another crate; `crate = "path"` is the same | `::mmstats` |
///
/// # Attributes of a field
///
/// | `#[mmstats(…)]` | goes with | meaning | default |
/// |---|---|---|---|
/// | `label = "…"` | every field | what other programs call the metric: parts with dots between them, at most 1024 bytes (1017 with a window), no control character; each label once in a model | the field's name |
/// | `unit = "…"` | fields that are a number | of what the number is a count or measure: at most 4096 bytes, no control character | none |
/// | `digits = 1` to `5` | `Timer`, `Percentile` | significant digits of the percentiles | 2 |
/// | `merge = "sum"`, `"max"`, `"min"`, `"mean"` or `"latest"` | `Gauge` | how the values of several files become one | `"sum"` |
/// | `prefix = "…"` | `Groups` | what stands in front of the groups' labels: as a label, and may end with a dot | nothing |
/// | `value = expression` | `Constant`, which needs it | its value; the expression is evaluated whenever a file (or a group) is made, before anything of it is. It must not use the statistics of its own model | |
/// | `buffers = 2`, `4`, … `64` | `Compound`, `Text`, `Timer`, `Percentile`, `Summary`, `Average`, `MovingAverage`, `SamplingCounter` | how many buffers the writer goes round: with more, a reader that is slower than the writer still gets a whole value | 2 |
/// | `window = "60s"` | `Counter`, `Summary`, `Timer`, `Percentile` | beside all that was recorded, what was in the last time, `"1s"` to `"24h"` (`ms`, `s`, `m`, `h`): `WindowCount`, `WindowMean`, `WindowMax`, percentiles; of a counter `WindowCount` and `Rate`, per second. Up to a twelfth of it is missing at its far edge. It costs a second record, a reading of the coarse clock and 13 times the space; an increment of a counter costs nothing more, but its process has a thread that looks at the count twelve times in a window | none |
///
/// Several attributes may share one `#[mmstats(…)]`.
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

/// Makes a struct the value of a `Compound`, which is written and read as a whole.
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
/// The struct is `Copy` and `#[repr(C)]`. Its fields are integers of 8 to 64 bits, floats, and
/// arrays of one of them; no `usize` and no `bool`. It has at most 512 bytes and no padding: where
/// the compiler would leave a gap, the error names the field to add. A field whose name begins with
/// `_pad` is such padding, and no other program sees it.
///
/// # Attributes
///
/// | `#[mmstats(…)]` | on | meaning | default |
/// |---|---|---|---|
/// | `crate = path` | the struct | where the generated code finds mmstats; `crate = "path"` is the same | `::mmstats` |
/// | `merge = "sum"`, `"max"`, `"min"`, `"mean"` or `"latest"` | a field | how the values of several files become one | `"sum"` |
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
