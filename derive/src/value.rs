//! `#[derive(MmValue)]`: reading and checking the struct.

use syn::{DeriveInput, Ident, Meta, Path, Token, Type};

use crate::attributes::{self, Key, Merge};
use crate::context::Context;
use crate::shape;

/// The attributes of the struct.
const ON_VALUE: &[Key] = &[attributes::CRATE];

/// The attributes of a field.
const ON_FIELD: &[Key] = &[attributes::MERGE, attributes::COUNTER];

/// Types that cannot be elements, and what to write instead.
const NO_ELEMENT: [(&str, &str); 3] = [
    (
        "usize",
        "the size of usize depends on the platform: write u64",
    ),
    (
        "isize",
        "the size of isize depends on the platform: write i64",
    ),
    ("bool", "not every byte is a valid bool: write u8"),
];

/// A struct that is the value of a `Compound`.
pub struct Value<'a> {
    /// The path to the main crate.
    pub main_crate: Path,
    /// Its fields, in order.
    pub fields: Vec<ElementField<'a>>,
}

/// A field of such a struct.
pub struct ElementField<'a> {
    /// The field's identifier.
    pub ident: &'a Ident,
    /// Its type.
    pub ty: &'a Type,
    /// The name under which other programs see it.
    pub name: String,
    /// How values of several files are merged into one.
    pub merge: Merge,
    /// Whether its numbers only rise.
    pub counter: bool,
}

impl ElementField<'_> {
    /// Returns whether the field only fills a gap, so that no other program sees it.
    pub fn is_padding(&self) -> bool {
        self.name.starts_with("_pad")
    }
}

impl<'a> Value<'a> {
    /// Reads the struct. Mistakes in it go to `context`; only the path to the main crate is then valid in the
    /// result.
    pub fn read(context: &mut Context, input: &'a DeriveInput) -> Value<'a> {
        let settings = attributes::settings(context, &input.attrs, "a value", ON_VALUE);
        let mut value = Value {
            main_crate: attributes::main_crate(context, &settings),
            fields: Vec::new(),
        };
        shape::no_generics(
            context,
            "a value cannot be generic, because the file states the type of each field: write a \
             struct for each case",
            input,
        );
        let Some(fields) = shape::named_fields(context, "a value", input) else {
            return value;
        };
        check_repr(context, input);
        for (ident, field) in fields {
            let settings =
                attributes::settings(context, &field.attrs, "a field of a value", ON_FIELD);
            let setting = |name: &str| settings.iter().find(|setting| setting.key == name);
            let read = ElementField {
                ident,
                ty: &field.ty,
                name: shape::plain_name(ident),
                merge: setting("merge")
                    .and_then(|setting| setting.merge(context))
                    .unwrap_or(Merge::SUM),
                counter: setting("counter").is_some(),
            };
            if let (Some(setting), true) = (setting("counter"), read.merge != Merge::SUM) {
                context.error(
                    &setting.key,
                    "a counter is merged by summing: remove `merge` or `counter`",
                );
            }
            if let (true, Some(setting)) = (read.is_padding(), settings.first()) {
                context.error(
                    &setting.key,
                    "a field named `_pad…` is padding: it takes no attributes",
                );
            }
            if let Some(problem) = crate::label::problem(&read.name) {
                context.error(ident, format!("the name of a field {problem}"));
            }
            check_type(context, read.ty);
            value.fields.push(read);
        }
        if value.fields.iter().all(ElementField::is_padding) {
            context.error(
                &input.ident,
                "a value must have at least one field besides padding",
            );
        }
        value
    }

    /// Returns an unused name for a padding field to add.
    pub fn padding_name(&self) -> String {
        let taken = |name: &String| self.fields.iter().any(|field| field.name == *name);
        let mut name = "_pad".to_owned();
        let mut number = 2;
        while taken(&name) {
            name = format!("_pad{number}");
            number += 1;
        }
        name
    }
}

/// Requires `#[repr(C)]`: the order and offsets of the fields are part of the file.
fn check_repr(context: &mut Context, input: &DeriveInput) {
    let mut c = false;
    for attribute in &input.attrs {
        if !attribute.path().is_ident("repr") {
            continue;
        }
        // The compiler reports a malformed one.
        let list = syn::punctuated::Punctuated::<Meta, Token![,]>::parse_terminated;
        for meta in attribute.parse_args_with(list).into_iter().flatten() {
            c |= meta.path().is_ident("C");
            if meta.path().is_ident("packed") {
                context.error(
                    &meta,
                    "a value must not be packed: write padding as fields, `_pad: [u8; N]`",
                );
                // Avoids a second error at the same attribute.
                c = true;
            }
        }
    }
    if !c {
        let message = "a value needs a fixed field order: write `#[repr(C)]` above the struct";
        context.error(&input.ident, message);
    }
}

/// Rejects the types for which a better message exists than that they are not numbers.
fn check_type(context: &mut Context, ty: &Type) {
    match ty {
        Type::Array(array) => match &*array.elem {
            Type::Array(inner) => {
                context.error(inner, "arrays of arrays are not supported: write one array");
            }
            element => check_type(context, element),
        },
        Type::Group(group) => check_type(context, &group.elem),
        Type::Paren(paren) => check_type(context, &paren.elem),
        Type::Path(path) => {
            for (name, message) in NO_ELEMENT {
                if path.path.is_ident(name) {
                    context.error(ty, message);
                }
            }
        }
        _ => {}
    }
}
