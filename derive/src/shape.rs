//! What both derives ask of the item that they stand on.

use quote::ToTokens;
use syn::{Data, DeriveInput, Field, Fields, Ident};

use crate::context::Context;

/// The fields of a struct with named fields; for anything else `None` and an error that begins with
/// `what`, "a model" or "a value".
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
                format!("{what} is a struct with named fields, not an enum"),
            );
            return None;
        }
        Data::Union(item) => {
            context.error(
                item.union_token,
                format!("{what} is a struct with named fields, not a union"),
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

/// Refuses type parameters, lifetimes and where clauses.
pub fn no_generics(context: &mut Context, message: &str, input: &DeriveInput) {
    if !input.generics.params.is_empty() {
        context.error(&input.generics, message);
    } else if let Some(clause) = &input.generics.where_clause {
        context.error(clause, message);
    }
}

/// The field's name as other programs see it: `type` for `r#type`.
pub fn plain_name(ident: &Ident) -> String {
    use syn::ext::IdentExt;
    ident.unraw().to_string()
}

/// Refuses control characters in a `text` that other programs will print.
pub fn no_control(context: &mut Context, what: &str, text: &str, at: impl ToTokens) {
    if text.chars().any(char::is_control) {
        context.error(at, format!("{what} has no control characters"));
    }
}
