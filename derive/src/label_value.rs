//! `#[derive(MmLabelValue)]`: reading and checking the enum.

use std::collections::HashMap;

use quote::ToTokens;
use syn::{Data, DeriveInput, Fields, Ident, Path, Variant};

use crate::attributes::{self, Key};
use crate::context::Context;
use crate::{label, shape};

/// The attributes of the enum.
const ON_ENUM: &[Key] = &[attributes::CRATE];

/// The attributes of a variant.
const ON_VARIANT: &[Key] = &[Key {
    name: "name",
    form: "`name = \"…\"`, with a string literal",
}];

/// An enum that is the value of a label.
pub struct LabelValue<'a> {
    /// The path to the main crate.
    pub main_crate: Path,
    /// Its variants, each with its text.
    pub variants: Vec<(&'a Ident, String)>,
}

impl<'a> LabelValue<'a> {
    /// Reads the enum. Mistakes in it go to `context`; only the path to the main crate is then valid in the result.
    pub fn read(context: &mut Context, input: &'a DeriveInput) -> LabelValue<'a> {
        let owner = "the value of a label";
        let settings = attributes::settings(context, &input.attrs, owner, ON_ENUM);
        let mut value = LabelValue {
            main_crate: attributes::main_crate(context, &settings),
            variants: Vec::new(),
        };
        shape::no_generics(context, "the value of a label cannot be generic", input);
        let Data::Enum(item) = &input.data else {
            context.error(
                &input.ident,
                "the value of a label is an enum of unit variants; a struct with several labels is \
                 `#[derive(MmLabels)]`",
            );
            return value;
        };
        if item.variants.is_empty() {
            context.error(
                &input.ident,
                "the value of a label must have at least one variant",
            );
        }
        let mut texts = HashMap::new();
        for variant in &item.variants {
            let text = text(context, variant, &mut texts);
            value.variants.push((&variant.ident, text));
        }
        value
    }
}

/// Returns the text of a variant.
fn text<'a>(
    context: &mut Context,
    variant: &'a Variant,
    texts: &mut HashMap<String, &'a Ident>,
) -> String {
    let ident = &variant.ident;
    if !matches!(variant.fields, Fields::Unit) {
        context.error(
            &variant.fields,
            "a variant of a label's value cannot have fields: write another field of the labels for them",
        );
    }
    let mut text = snake_case(&shape::plain_name(ident));
    // The user's tokens that set the text.
    let mut place = ident.to_token_stream();
    for setting in attributes::settings(context, &variant.attrs, "a variant", ON_VARIANT) {
        if let Some(name) = setting.text(context) {
            text = name.value();
            place = name.to_token_stream();
        }
    }
    if let Some(problem) = label::value_problem(&text) {
        context.error(&place, format!("the value of a label {problem}"));
    }
    if let Some(first) = texts.get(&text) {
        let message = format!(
            "the text \"{text}\" is already used by the variant `{first}`: give one of them another \
             with `#[mmstats(name = \"…\")]`"
        );
        context.error(&place, message);
    } else {
        texts.insert(text.clone(), ident);
    }
    text
}

/// Converts `CacheHit` to `cache_hit`, `HTTPError` to `http_error`, `V1Beta` to `v1_beta`.
fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut text = String::with_capacity(name.len() + 4);
    for (index, &c) in chars.iter().enumerate() {
        if c.is_uppercase() && index > 0 {
            let before = chars[index - 1];
            let begins = chars.get(index + 1).is_some_and(|next| next.is_lowercase());
            if before != '_' && (!before.is_uppercase() || begins) {
                text.push('_');
            }
        }
        text.extend(c.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_become_snake_case() {
        for (name, text) in [
            ("Get", "get"),
            ("CacheHit", "cache_hit"),
            ("HTTPError", "http_error"),
            ("V1Beta", "v1_beta"),
            ("Http2", "http2"),
            ("A", "a"),
            ("AB", "ab"),
            ("Not_Found", "not_found"),
            ("NOT_FOUND", "not_found"),
            ("Größe", "größe"),
        ] {
            assert_eq!(snake_case(name), text);
        }
    }
}
