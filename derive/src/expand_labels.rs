//! `#[derive(MmLabels)]`: code generation.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Path};

use crate::attributes::{ends, import, predicates};
use crate::labels::{LabelField, Labels};

/// Returns the implementation for labels without mistakes.
pub fn expand(input: &DeriveInput, labels: &Labels<'_>) -> TokenStream {
    let Labels { main_crate, fields } = labels;
    let ident = &input.ident;
    let import = import(main_crate);
    let keys = fields.iter().map(|field| &field.key);
    let values = fields.iter().map(value);
    quote! {
        const _: () = {
            #import

            #[automatically_derived]
            impl __mmstats::MmLabels for #ident {
                const KEYS: &'static [&'static ::core::primitive::str] = &[#(#keys),*];

                fn values(
                    &self,
                ) -> ::std::vec::Vec<::std::borrow::Cow<'_, ::core::primitive::str>> {
                    ::std::vec![#(#values),*]
                }
            }
        };
    }
}

/// Returns code for the text of a field. The compiler reports a missing trait at the field's type.
fn value(field: &LabelField<'_>) -> TokenStream {
    let LabelField { ident, ty, .. } = field;
    let (first, last) = ends(ty);
    let less = quote_spanned!(first=> <);
    let call = quote_spanned!(last=> ::text);
    let argument = quote_spanned!(last=> (&self.#ident));
    quote!(#less #ty as __mmstats::MmLabelValue> #call #argument)
}

/// Returns an implementation that only prevents further errors where the labels are used.
pub fn fallback(input: &DeriveInput, main_crate: &Path) -> TokenStream {
    let ident = &input.ident;
    let import = import(main_crate);
    let (parameters, arguments, clause) = input.generics.split_for_impl();
    let predicates = predicates(clause);
    quote! {
        const _: () = {
            #import

            #[automatically_derived]
            impl #parameters __mmstats::MmLabels for #ident #arguments
            where
                #ident #arguments: ::core::clone::Clone
                    + ::core::cmp::Eq
                    + ::core::hash::Hash
                    + ::core::marker::Send
                    + 'static,
                #(#predicates,)*
            {
                const KEYS: &'static [&'static ::core::primitive::str] = &[];

                fn values(
                    &self,
                ) -> ::std::vec::Vec<::std::borrow::Cow<'_, ::core::primitive::str>> {
                    ::core::unreachable!()
                }
            }
        };
    }
}
