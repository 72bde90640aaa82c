//! `#[derive(MmLabelValue)]`: code generation.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Path};

use crate::attributes::import;
use crate::label_value::LabelValue;

/// Returns the implementation for an enum without mistakes.
pub fn expand(input: &DeriveInput, value: &LabelValue<'_>) -> TokenStream {
    let arms = value
        .variants
        .iter()
        .map(|(variant, text)| quote!(Self::#variant => #text));
    implementation(
        input,
        &value.main_crate,
        quote!(::std::borrow::Cow::Borrowed(match self { #(#arms),* })),
    )
}

/// Returns an implementation that only prevents further errors where the enum is used.
pub fn fallback(input: &DeriveInput, main_crate: &Path) -> TokenStream {
    implementation(input, main_crate, quote!(::core::unreachable!()))
}

fn implementation(input: &DeriveInput, main_crate: &Path, text: TokenStream) -> TokenStream {
    let ident = &input.ident;
    let import = import(main_crate);
    let (parameters, arguments, clause) = input.generics.split_for_impl();
    quote! {
        const _: () = {
            #import

            #[automatically_derived]
            impl #parameters __mmstats::MmLabelValue for #ident #arguments #clause {
                fn text(&self) -> ::std::borrow::Cow<'_, ::core::primitive::str> {
                    #text
                }
            }
        };
    }
}
