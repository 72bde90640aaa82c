//! `#[derive(MmStats)]`: reading and checking the struct.
//!
//! This checks all that the struct's own text shows. Only the compiler knows whether an attribute fits the type of
//! its field: the expansion has it check that.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use quote::ToTokens;
use syn::{DeriveInput, Expr, Ident, LitInt, LitStr, Path, Type};

use crate::attributes::{self, Key, Merge};
use crate::context::Context;
use crate::{label, shape};

/// The attributes of the struct.
const ON_MODEL: &[Key] = &[
    Key {
        name: "name",
        form: "`name = \"…\"`, with a string literal",
    },
    Key {
        name: "export",
        form: "`export = \"…\"`, with a string literal",
    },
    attributes::CRATE,
];

/// The attributes of a field.
const ON_FIELD: &[Key] = &[
    Key {
        name: "label",
        form: "`label = \"…\"`, with a string literal",
    },
    Key {
        name: "unit",
        form: "`unit = \"…\"`, with a string literal",
    },
    Key {
        name: "digits",
        form: "`digits = 2`, or another number from 1 to 5",
    },
    attributes::MERGE,
    Key {
        name: "prefix",
        form: "`prefix = \"…\"`, with a string literal",
    },
    Key {
        name: "group_label",
        form: "`group_label = \"…\"`, with a string literal",
    },
    Key {
        name: "idle",
        form: "`idle = \"10m\"`, or another time from \"1s\" to \"168h\": a number with ms, s, m or h",
    },
    Key {
        name: "value",
        form: "`value = …`, with an expression",
    },
    Key {
        name: "buffers",
        form: "`buffers = 4`, or another power of two from 2 to 64",
    },
    Key {
        name: "window",
        form: "`window = \"60s\"`, or another time from \"1s\" to \"24h\": a number with ms, s, m or h",
    },
];

/// The range of windows, in nanoseconds.
const WINDOWS: RangeInclusive<u64> = 1_000_000_000..=24 * 3_600_000_000_000;

/// The range of times after which a group is idle, in nanoseconds.
const IDLE: RangeInclusive<u64> = 1_000_000_000..=168 * 3_600_000_000_000;

/// The maximum length of a unit or help text, in bytes.
const TEXT_MOST: usize = 4096;

/// The maximum length of a model's name, in bytes: it names a directory.
const NAME_MOST: usize = 255;

/// A struct that is a model.
pub struct Model<'a> {
    /// The path to the main crate.
    pub main_crate: Path,
    /// The model's name.
    pub name: String,
    /// The help text of the model.
    pub help: String,
    /// The prefix that exporters put in front of names, if not the model's name.
    pub export: Option<LitStr>,
    /// Its fields, in order.
    pub fields: Vec<ModelField<'a>>,
}

/// A field of a model.
pub struct ModelField<'a> {
    /// The field's identifier.
    pub ident: &'a Ident,
    /// Its type.
    pub ty: &'a Type,
    /// The name under which other programs see it.
    pub label: String,
    /// Its help text.
    pub help: String,
    /// The value, for a constant.
    pub value: Option<Expr>,
    /// The other attributes.
    pub choices: Vec<Choice>,
}

/// An attribute that only some types accept.
pub enum Choice {
    /// `unit = "…"`
    Unit(LitStr),
    /// `digits = 1..=5`
    Digits(LitInt),
    /// `merge = "…"`
    Merge(Merge),
    /// `prefix = "…"`
    Prefix(LitStr),
    /// `group_label = "…"`
    GroupLabel(LitStr),
    /// `idle = "…"`, in nanoseconds
    Idle(u64),
    /// `buffers = 2..=64`
    Buffers(LitInt),
    /// `window = "…"`, in nanoseconds
    Window(u64),
}

impl<'a> Model<'a> {
    /// Reads the struct. Mistakes in it go to `context`; only the path to the main crate is then valid in the
    /// result.
    pub fn read(context: &mut Context, input: &'a DeriveInput) -> Model<'a> {
        let settings = attributes::settings(context, &input.attrs, "a model", ON_MODEL);
        let mut model = Model {
            main_crate: attributes::main_crate(context, &settings),
            name: shape::plain_name(&input.ident),
            help: attributes::help(&input.attrs),
            export: None,
            fields: Vec::new(),
        };
        check_length(context, "a help text", &model.help, &input.ident);
        match settings.iter().find(|setting| setting.key == "name") {
            None => check_name(context, &model.name, &input.ident),
            Some(setting) => {
                if let Some(name) = setting.text(context) {
                    model.name = name.value();
                    check_name(context, &model.name, &name);
                }
            }
        }
        if let Some(setting) = settings.iter().find(|setting| setting.key == "export") {
            model.export = setting.text(context);
            if let Some(export) = &model.export {
                check_length(context, "an exported prefix", &export.value(), export);
            }
        }
        shape::no_generics(
            context,
            "a model cannot be generic, because all its files share one directory and one set of \
             metrics: write a struct for each case",
            input,
        );
        let fields = shape::named_fields(context, "a model", input).unwrap_or_default();
        let mut labels = HashMap::new();
        for (ident, field) in fields {
            let field = ModelField::read(context, ident, field, &mut labels);
            model.fields.push(field);
        }
        model
    }
}

impl<'a> ModelField<'a> {
    fn read(
        context: &mut Context,
        ident: &'a Ident,
        field: &'a syn::Field,
        labels: &mut HashMap<String, &'a Ident>,
    ) -> ModelField<'a> {
        let mut read = ModelField {
            ident,
            ty: &field.ty,
            label: shape::plain_name(ident),
            help: attributes::help(&field.attrs),
            value: None,
            choices: Vec::new(),
        };
        // The user's tokens that set the label.
        let mut place = ident.to_token_stream();
        let earlier = context.len();
        let settings = attributes::settings(context, &field.attrs, "a field", ON_FIELD);
        let labelled = settings.iter().any(|setting| setting.key == "label");
        for setting in settings {
            let choice = match setting.key.to_string().as_str() {
                "label" => {
                    if let Some(label) = setting.text(context) {
                        read.label = label.value();
                        place = label.to_token_stream();
                        check_label(context, "a label", label::problem(&read.label), &label);
                    }
                    None
                }
                "value" => {
                    read.value = Some(setting.value);
                    None
                }
                "unit" => setting.text(context).map(|unit| {
                    shape::no_control(context, "a unit", &unit.value(), &unit);
                    check_length(context, "a unit", &unit.value(), &unit);
                    Choice::Unit(unit)
                }),
                "prefix" => setting.text(context).map(|prefix| {
                    let problem = label::prefix_problem(&prefix.value());
                    check_label(context, "a prefix", problem, &prefix);
                    Choice::Prefix(prefix)
                }),
                "group_label" => setting.text(context).map(|key| {
                    let problem = label::key_problem(&key.value());
                    check_label(context, "the key of a group's name", problem, &key);
                    Choice::GroupLabel(key)
                }),
                "merge" => setting.merge(context).map(Choice::Merge),
                "digits" => setting
                    .integer(context, |digits| (1..=5).contains(&digits))
                    .map(Choice::Digits),
                "buffers" => setting
                    .integer(context, |n| (2..=64).contains(&n) && n.is_power_of_two())
                    .map(Choice::Buffers),
                "window" => setting.duration(context, WINDOWS).map(Choice::Window),
                "idle" => setting.duration(context, IDLE).map(Choice::Idle),
                key => unreachable!("`{key}` is in the table of keys, but is not read"),
            };
            read.choices.extend(choice);
        }
        check_length(context, "a help text", &read.help, ident);
        if !labelled {
            check_label(context, "a label", label::problem(&read.label), ident);
        }
        let window = format!("{}{}", read.label, label::WINDOW);
        let windowed = (read.choices.iter()).any(|choice| matches!(choice, Choice::Window(_)));
        if windowed && label::problem(&read.label).is_none() {
            let problem = label::problem(&window).map(|_| "must have at most 1017 bytes");
            check_label(
                context,
                "the label of a metric with a window",
                problem,
                &place,
            );
        }
        for label in [Some(read.label.clone()), windowed.then_some(window)] {
            let Some(label) = label else { continue };
            if let Some(first) = labels.get(&label) {
                let message = format!(
                    "the label \"{label}\" is already used by the field `{first}`: give one of them \
                     another with `#[mmstats(label = \"…\")]`",
                );
                context.error(&place, message);
            } else {
                labels.insert(label, ident);
            }
        }
        // After another mistake, the value may exist but not have been read.
        if is_constant(read.ty) && read.value.is_none() && context.len() == earlier {
            context.error(
                read.ty,
                "a Constant needs a value: write `#[mmstats(value = …)]`",
            );
        }
        read
    }
}

/// Checks that a name is suitable for a directory that a scan of the root finds: not hidden, not a path.
fn check_name(context: &mut Context, name: &str, at: impl ToTokens) {
    let mistake = if name.is_empty() {
        "is empty"
    } else if name.contains('/') {
        "contains a `/`"
    } else if name.starts_with('.') {
        "begins with a `.`"
    } else if name.chars().any(char::is_control) {
        "contains a control character"
    } else if name.len() > NAME_MOST {
        "is longer than 255 bytes"
    } else {
        return;
    };
    let message = format!("a model's name is also the name of a directory, and this one {mistake}");
    context.error(at, message);
}

/// Reports the problem of a label or a prefix of labels, if it has one.
fn check_label(context: &mut Context, what: &str, problem: Option<&str>, at: impl ToTokens) {
    if let Some(problem) = problem {
        context.error(at, format!("{what} {problem}"));
    }
}

/// Checks the length of a text that the file stores in full.
fn check_length(context: &mut Context, what: &str, text: &str, at: impl ToTokens) {
    if text.len() > TEXT_MOST {
        context.error(at, format!("{what} must have at most {TEXT_MOST} bytes"));
    }
}

/// Returns whether the type is written as `Constant<…>`, whatever its path.
fn is_constant(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "Constant"),
        Type::Group(group) => is_constant(&group.elem),
        Type::Paren(paren) => is_constant(&paren.elem),
        _ => false,
    }
}
