//! `#[derive(MmLabels)]`: reading and checking the struct.

use std::collections::HashMap;

use quote::ToTokens;
use syn::{DeriveInput, Ident, Path, Type};

use crate::attributes::{self, Key};
use crate::context::Context;
use crate::{label, shape};

/// The attributes of the struct.
const ON_LABELS: &[Key] = &[attributes::CRATE];

/// The attributes of a field.
const ON_FIELD: &[Key] = &[Key {
    name: "key",
    form: "`key = \"…\"`, with a string literal",
}];

/// The maximum number of labels of one group.
const MOST: usize = 64;

/// A struct that holds the labels of a group.
pub struct Labels<'a> {
    /// The path to the main crate.
    pub main_crate: Path,
    /// Its fields, by key.
    pub fields: Vec<LabelField<'a>>,
}

/// A field of such a struct.
pub struct LabelField<'a> {
    /// The field's identifier.
    pub ident: &'a Ident,
    /// Its type.
    pub ty: &'a Type,
    /// The name under which other programs see it.
    pub key: String,
}

impl<'a> Labels<'a> {
    /// Reads the struct. Mistakes in it go to `context`; only the path to the main crate is then valid in the
    /// result.
    pub fn read(context: &mut Context, input: &'a DeriveInput) -> Labels<'a> {
        let settings = attributes::settings(context, &input.attrs, "a struct of labels", ON_LABELS);
        let mut labels = Labels {
            main_crate: attributes::main_crate(context, &settings),
            fields: Vec::new(),
        };
        shape::no_generics(
            context,
            "labels cannot be generic: write a struct for each case, with String or Cow<'static, str> \
             for a borrowed text",
            input,
        );
        let Some(fields) = shape::named_fields(context, "a struct of labels", input) else {
            return labels;
        };
        if fields.is_empty() {
            context.error(&input.ident, "labels must have at least one field");
        }
        if let Some((ident, _)) = fields.get(MOST) {
            context.error(ident, "labels can have at most 64 fields");
        }
        let mut keys = HashMap::new();
        for (ident, field) in fields {
            labels
                .fields
                .push(LabelField::read(context, ident, field, &mut keys));
        }
        labels.fields.sort_by(|a, b| a.key.cmp(&b.key));
        labels
    }
}

impl<'a> LabelField<'a> {
    fn read(
        context: &mut Context,
        ident: &'a Ident,
        field: &'a syn::Field,
        keys: &mut HashMap<String, &'a Ident>,
    ) -> LabelField<'a> {
        let mut key = shape::plain_name(ident);
        // The user's tokens that set the key.
        let mut place = ident.to_token_stream();
        for setting in attributes::settings(context, &field.attrs, "a label", ON_FIELD) {
            if let Some(text) = setting.text(context) {
                key = text.value();
                place = text.to_token_stream();
            }
        }
        if let Some(problem) = label::key_problem(&key) {
            context.error(&place, format!("the key of a label {problem}"));
        }
        if let Some(first) = keys.get(&key) {
            let message = format!(
                "the key \"{key}\" is already used by the field `{first}`: give one of them another \
                 with `#[mmstats(key = \"…\")]`"
            );
            context.error(&place, message);
        } else {
            keys.insert(key.clone(), ident);
        }
        LabelField {
            ident,
            ty: &field.ty,
            key,
        }
    }
}
