//! `#[derive(MmValue)]`: code generation.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Ident, Path};

use crate::attributes::{import, predicates};
use crate::value::{ElementField, Value};

/// The maximum size of a value, in bytes.
const SIZE_MOST: usize = 512;

/// Returns the implementation for a value without mistakes.
pub fn expand(input: &DeriveInput, value: &Value<'_>) -> TokenStream {
    let Value { main_crate, fields } = value;
    let ident = &input.ident;
    let import = import(main_crate);
    let descriptions = fields
        .iter()
        .filter(|field| !field.is_padding())
        .map(|field| {
            let ElementField {
                ident: field,
                ty,
                name,
                merge,
                counter,
            } = field;
            quote! {
                __mmstats::__private::ValueField {
                    name: #name,
                    scalar: <#ty as __mmstats::__private::ValueElement>::SCALAR,
                    count: <#ty as __mmstats::__private::ValueElement>::COUNT,
                    offset: ::core::mem::offset_of!(#ident, #field) as ::core::primitive::u16,
                    merge: #merge,
                    counter: #counter,
                }
            }
        });
    // Padding must consist of numbers, too: all of its bytes are written to the file.
    let padding = fields
        .iter()
        .filter(|field| field.is_padding())
        .map(|field| field.ty);
    let layout = layout(ident, value);
    let (names, types): (Vec<_>, Vec<_>) =
        (fields.iter()).map(|field| (field.ident, field.ty)).unzip();
    quote! {
        const _: () = {
            #import

            #[automatically_derived]
            unsafe impl __mmstats::MmValue for #ident {
                const FIELDS: &'static [__mmstats::__private::ValueField] = &[#(#descriptions),*];
            }

            #(const _: __mmstats::__private::Scalar =
                <#padding as __mmstats::__private::ValueElement>::SCALAR;)*

            #layout

            // The checked fields are all fields of the struct, even if other macros have changed it.
            const _: fn(&#ident) = |value| {
                let #ident { #(#names: _),* } = *value;
                #(let _: *const #types = &raw const value.#names;)*
            };
            #[allow(dead_code)]
            fn elements<E: __mmstats::__private::ValueElement>() {
                <__mmstats::__private::AnyValue as __mmstats::MmValue>::is_element::<E>()
            }
        };
    }
}

/// Returns an implementation that only prevents further errors where the value is used.
pub fn fallback(input: &DeriveInput, main_crate: &Path) -> TokenStream {
    let ident = &input.ident;
    let import = import(main_crate);
    let (parameters, arguments, clause) = input.generics.split_for_impl();
    let predicates = predicates(clause);
    quote! {
        const _: () = {
            #import

            #[automatically_derived]
            unsafe impl #parameters __mmstats::MmValue for #ident #arguments
            where
                #ident #arguments: ::core::marker::Copy + 'static,
                #(#predicates,)*
            {
                const FIELDS: &'static [__mmstats::__private::ValueField] = &[];
            }
        };
    }
}

/// Returns the checks of the struct's layout: all padding is a field, and the size fits a slot. Each gap is
/// reported at the field after it. A gap does not move later fields relative to each other, so they are reported
/// only for gaps of their own.
fn layout(ident: &Ident, value: &Value<'_>) -> TokenStream {
    let pad = value.padding_name();
    let mut end = quote!(0);
    let mut checks = TokenStream::new();
    for ElementField {
        ident: field, ty, ..
    } in &value.fields
    {
        let offset = quote!(::core::mem::offset_of!(#ident, #field));
        let size = quote!(::core::mem::size_of::<#ty>());
        let message = |bytes| {
            format!("padding before `{field}`: add a field `{pad}: [u8; {bytes}]` in front of it")
        };
        // No number is aligned to more than 8 bytes, so a larger gap is before something that is not a number.
        let larger = format!("padding before `{field}`");
        checks.extend(no_gap(field, &quote!(#offset - (#end)), message, &larger));
        let empty =
            format!("`{field}` has no numbers: give the array a length, or remove the field");
        checks.extend(refuse(field, &quote!(#size == 0), &empty));
        end = quote!(#offset + #size);
    }
    let size = quote!(::core::mem::size_of::<#ident>());
    let message =
        |bytes| format!("padding at the end of `{ident}`: add a last field `{pad}: [u8; {bytes}]`");
    let aligned = format!("padding at the end of `{ident}`: remove `align(…)`");
    checks.extend(no_gap(ident, &quote!(#size - (#end)), message, &aligned));
    let large = format!("`{ident}` is too large: a value can have at most {SIZE_MOST} bytes");
    checks.extend(refuse(ident, &quote!(#size > #SIZE_MOST), &large));
    checks
}

/// Has the compiler check that `gap` is zero. A panic in a constant cannot format a number, so there is a message
/// for each size, and `larger` for all sizes beyond them.
fn no_gap(
    at: &Ident,
    gap: &TokenStream,
    message: impl Fn(usize) -> String,
    larger: &str,
) -> TokenStream {
    let sizes = 1..8usize;
    let mistakes = sizes.clone().map(|size| mistake(at, &message(size)));
    let larger = mistake(at, larger);
    quote! {
        const _: () = match #gap {
            0 => (),
            #(#sizes => #mistakes,)*
            _ => #larger,
        };
    }
}

/// Has the compiler check that `condition` does not hold.
fn refuse(at: &Ident, condition: &TokenStream, message: &str) -> TokenStream {
    let mistake = mistake(at, message);
    quote!(const _: () = if #condition { #mistake };)
}

/// Returns an expression that is a compile error at the user's `at`. It is not `panic!`, because the error would
/// name that macro, too.
fn mistake(at: &Ident, message: &str) -> TokenStream {
    let span = at.span().resolved_at(Span::mixed_site());
    quote_spanned!(span=> ::core::option::Option::<()>::None.expect(#message))
}
