//! Checks that the derives have in common.

use quote::ToTokens;
use syn::{Data, DeriveInput, Field, Fields, Ident};

use crate::context::Context;

/// Returns the fields of a struct with named fields. For anything else, returns `None` and reports an error that
/// begins with `what`, such as "a model".
pub fn named_fields<'a>(
    context: &mut Context,
    what: &str,
    input: &'a DeriveInput,
) -> Option<Vec<(&'a Ident, &'a Field)>> {
    let fields = match &input.data {
        Data::Struct(item) => &item.fields,
        Data::Enum(item) => {
            context.error(
                item.enum_token,
                format!("{what} must be a struct with named fields, not an enum"),
            );
            return None;
        }
        Data::Union(item) => {
            context.error(
                item.union_token,
                format!("{what} must be a struct with named fields, not a union"),
            );
            return None;
        }
    };
    let message = || {
        format!(
            "{what} has named fields: write `struct {} {{ … }}`",
            input.ident
        )
    };
    match fields {
        Fields::Named(fields) => Some(
            fields
                .named
                .iter()
                .filter_map(|field| Some((field.ident.as_ref()?, field)))
                .collect(),
        ),
        Fields::Unnamed(fields) => {
            context.error(fields, message());
            None
        }
        Fields::Unit => {
            context.error(&input.ident, message());
            None
        }
    }
}

/// Rejects type parameters, lifetimes and where clauses.
pub fn no_generics(context: &mut Context, message: &str, input: &DeriveInput) {
    if !input.generics.params.is_empty() {
        context.error(&input.generics, message);
    } else if let Some(clause) = &input.generics.where_clause {
        context.error(clause, message);
    }
}

/// Returns the field's name as other programs see it: `type` for `r#type`.
pub fn plain_name(ident: &Ident) -> String {
    use syn::ext::IdentExt;
    ident.unraw().to_string()
}

/// Rejects control characters in a `text` that other programs will print.
pub fn no_control(context: &mut Context, what: &str, text: &str, at: impl ToTokens) {
    if text.chars().any(char::is_control) {
        context.error(at, format!("{what} must not contain control characters"));
    }
}
