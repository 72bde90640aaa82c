//! `#[derive(MmStats)]`: code generation.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Expr, LitInt, Path, Type};

use crate::attributes::{ends, import, predicates};
use crate::model::{Choice, Model, ModelField};

/// Returns the implementation for a model without mistakes.
pub fn expand(input: &DeriveInput, model: &Model<'_>) -> TokenStream {
    let Model {
        main_crate,
        name,
        help,
        export,
        fields,
    } = model;
    let ident = &input.ident;
    let import = import(main_crate);
    let export = match export {
        Some(export) => quote!(::core::option::Option::Some(#export)),
        None => quote!(::core::option::Option::None),
    };
    let names = fields.iter().map(|field| field.ident);
    let describe = fields.iter().map(describe);
    let has_groups = fields.iter().filter_map(has_groups);
    // The expressions of `value = …` cannot see this name.
    let binder = Ident::new("binder", Span::mixed_site());
    // They can see these, but nobody uses such names.
    let prepared: Vec<_> = (fields.iter().enumerate())
        .map(|(n, field)| Ident::new(&format!("mmstats_field_{n}"), ends(field.ty).0))
        .collect();
    // All values first, then all fields: the user's code runs before there is anything to break.
    let prepare = fields
        .iter()
        .zip(&prepared)
        .map(|(field, prepared)| prepare(field, prepared));
    let bind = fields
        .iter()
        .zip(&prepared)
        .map(|(field, prepared)| bind(field, prepared, &binder));
    let checks = fields.iter().map(checks);
    let field = field(input);
    let traits = traits();
    quote! {
        const _: () = {
            #import

            #[automatically_derived]
            unsafe impl __mmstats::MmStats for #ident {
                const NAME: &'static ::core::primitive::str = #name;
                const HELP: &'static ::core::primitive::str = #help;
                const EXPORT: ::core::option::Option<&'static ::core::primitive::str> = #export;
                #traits

                #[inline(always)]
                fn has_groups() -> ::core::primitive::bool {
                    false #(|| #has_groups)*
                }

                fn describe_fields(describe: &mut __mmstats::__private::Describe) {
                    #(#describe)*
                }

                fn prepare_fields()
                -> impl ::core::ops::FnOnce(&mut __mmstats::__private::Binder<'_>) -> Self {
                    #(#prepare)*
                    move |#binder: &mut __mmstats::__private::Binder<'_>| #ident { #(#bind)* }
                }

                #[inline]
                fn with_local<__R>(
                    run: impl ::core::ops::FnOnce(&__mmstats::__private::LocalCell<Self>) -> __R,
                ) -> __R {
                    ::std::thread_local! {
                        static CELL: __mmstats::__private::LocalCell<#ident> =
                            const { __mmstats::__private::LocalCell::new() };
                    }
                    CELL.with(run)
                }
            }

            #field

            #(#checks)*

            // Other programs read the fields, so one that is never read here is not dead code.
            #(const _: ::core::primitive::usize = ::core::mem::offset_of!(#ident, #names);)*
        };
    }
}

/// Returns an implementation that only prevents further errors where the model is used.
pub fn fallback(input: &DeriveInput, main_crate: &Path) -> TokenStream {
    let ident = &input.ident;
    let import = import(main_crate);
    let (parameters, arguments, clause) = input.generics.split_for_impl();
    let predicates = predicates(clause);
    let field = field(input);
    let traits = traits();
    quote! {
        const _: () = {
            #import

            #[automatically_derived]
            unsafe impl #parameters __mmstats::MmStats for #ident #arguments
            where
                #ident #arguments: 'static,
                #(#predicates,)*
            {
                const NAME: &'static ::core::primitive::str = "";
                const HELP: &'static ::core::primitive::str = "";
                #traits

                fn describe_fields(_: &mut __mmstats::__private::Describe) {
                    ::core::unreachable!()
                }

                fn prepare_fields()
                -> impl ::core::ops::FnOnce(&mut __mmstats::__private::Binder<'_>) -> Self {
                    |_: &mut __mmstats::__private::Binder<'_>| ::core::unreachable!()
                }

                fn with_local<__R>(
                    _: impl ::core::ops::FnOnce(&__mmstats::__private::LocalCell<Self>) -> __R,
                ) -> __R {
                    ::core::unreachable!()
                }
            }

            #field
        };
    }
}

/// Proves that the traits that bind the fields are those of the implemented `MmStats`. With the user's own traits
/// behind `crate = …`, safe code would get the binder and what it hands out.
fn traits() -> TokenStream {
    quote! {
        const TRAITS: fn(
            &dyn __mmstats::__private::Field,
            &dyn __mmstats::__private::ConstantField<Value = ()>,
        ) = |_, _| ();
    }
}

/// Makes a model usable as a field of other models. This is not one impl for all models in the main crate, because
/// the compiler would then report a wrong field type in terms of models.
fn field(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    let (parameters, arguments, clause) = input.generics.split_for_impl();
    let predicates = predicates(clause);
    quote! {
        #[automatically_derived]
        unsafe impl #parameters __mmstats::__private::Field for #ident #arguments
        where
            #ident #arguments: 'static,
            #(#predicates,)*
        {
            #[inline(always)]
            fn has_groups() -> ::core::primitive::bool {
                <Self as __mmstats::MmStats>::has_groups()
            }

            fn describe(
                describe: &mut __mmstats::__private::Describe,
                label: &::core::primitive::str,
                _: __mmstats::__private::Options<'_>,
            ) {
                describe.nested(label, <Self as __mmstats::MmStats>::describe_fields);
            }

            fn bind(
                binder: &mut __mmstats::__private::Binder<'_>,
                label: &::core::primitive::str,
                options: __mmstats::__private::Options<'_>,
            ) -> Self {
                <Self as __mmstats::__private::Field>::prepare()(binder, label, options)
            }

            fn prepare() -> impl ::core::ops::FnOnce(
                &mut __mmstats::__private::Binder<'_>,
                &::core::primitive::str,
                __mmstats::__private::Options<'_>,
            ) -> Self {
                let bind = <Self as __mmstats::MmStats>::prepare_fields();
                move |binder: &mut __mmstats::__private::Binder<'_>,
                      label: &::core::primitive::str,
                      _: __mmstats::__private::Options<'_>| binder.nested(label, bind)
            }
        }
    }
}

/// Returns code that tells whether the field has groups; `None` for a constant.
fn has_groups(field: &ModelField<'_>) -> Option<TokenStream> {
    let name = trait_of(&field.value);
    let ask = || at_type(field.ty, name, "has_groups", Some(TokenStream::new()));
    field.value.is_none().then(ask)
}

fn describe(field: &ModelField<'_>) -> TokenStream {
    let ModelField {
        ty, label, value, ..
    } = field;
    let name = trait_of(value);
    let options = options(field);
    let call = at_type(
        ty,
        name,
        "describe",
        Some(quote!(describe, #label, #options)),
    );
    quote!(#call;)
}

/// Returns code that sets `prepared` to what binds the field, or for a constant to its value. It is a tuple of one
/// element: where it is used, `prepared.0` has the span of the whole type, which one token cannot have.
fn prepare(field: &ModelField<'_>, prepared: &Ident) -> TokenStream {
    let ModelField { ty, value, .. } = field;
    let name = trait_of(value);
    if let Some(value) = value {
        let expected = at_type(ty, name, "Value", None);
        return quote! {
            let #prepared: #expected = #value;
            let #prepared = (#prepared,);
        };
    }
    let call = at_type(ty, name, "prepare", Some(TokenStream::new()));
    quote!(let #prepared = (#call,);)
}

fn bind(field: &ModelField<'_>, prepared: &Ident, binder: &Ident) -> TokenStream {
    let ModelField {
        ident,
        ty,
        label,
        value,
        ..
    } = field;
    let last = ends(ty).1;
    let index = LitInt::new("0", last);
    if value.is_some() {
        let arguments = quote!(#binder, #prepared.#index);
        let call = at_type(ty, trait_of(value), "bind", Some(arguments));
        return quote!(#ident: #call,);
    }
    let options = options(field);
    let arguments = quote_spanned!(last=> (#binder, #label, #options));
    quote!(#ident: #prepared.#index #arguments,)
}

/// Returns the trait of a field, which depends on whether it has a value.
fn trait_of(value: &Option<Expr>) -> &'static str {
    match value {
        Some(_) => "ConstantField",
        None => "Field",
    }
}

/// Returns `<ty as trait>::item`, or a call of it, with exactly the span of the type. Whatever the compiler does
/// not find is then one mistake at one place, which it reports once.
fn at_type(ty: &Type, name: &str, item: &str, arguments: Option<TokenStream>) -> TokenStream {
    let (first, last) = ends(ty);
    let name = Ident::new(name, Span::call_site());
    let item = Ident::new(item, last);
    let less = quote_spanned!(first=> <);
    let arguments = arguments.map(|arguments| quote_spanned!(last=> (#arguments)));
    quote!(#less #ty as __mmstats::__private::#name>::#item #arguments)
}

/// Returns the options that the attributes set, the same for both walks.
fn options(field: &ModelField<'_>) -> TokenStream {
    let mut options = quote!(__mmstats::__private::Options::NONE);
    if !field.help.is_empty() {
        let help = &field.help;
        options.extend(quote!(.help(#help)));
    }
    for choice in &field.choices {
        options.extend(match choice {
            Choice::Unit(unit) => quote!(.unit(#unit)),
            Choice::Digits(digits) => quote!(.digits(#digits)),
            Choice::Merge(merge) => quote!(.merge(#merge)),
            Choice::Prefix(prefix) => quote!(.prefix(#prefix)),
            Choice::GroupLabel(key) => quote!(.group_label(#key)),
            Choice::Buffers(buffers) => quote!(.buffers(#buffers)),
            Choice::Window(nanos) => quote!(.window(#nanos)),
            Choice::Idle(nanos) => quote!(.idle(#nanos)),
        });
    }
    options
}

/// Has the compiler check that the attributes fit the field's type. With a cast to `dyn`, its error reveals less of
/// the generated code than with a call of a function that has a bound.
fn checks(field: &ModelField<'_>) -> TokenStream {
    let ty = field.ty;
    // With the user's span, so that the error is reported as the user's and not the macro's.
    let cast = Ident::new("field", ty.span());
    field
        .choices
        .iter()
        .map(|choice| {
            let takes = match choice {
                Choice::Unit(_) => quote!(TakesUnit),
                Choice::Digits(_) => quote!(TakesDigits),
                Choice::Merge(_) => quote!(TakesMerge),
                Choice::Prefix(_) => quote!(TakesPrefix),
                Choice::GroupLabel(_) => quote!(TakesGroupLabel),
                Choice::Buffers(_) => quote!(TakesBuffers),
                Choice::Window(_) => quote!(TakesWindow),
                Choice::Idle(_) => quote!(TakesIdle),
            };
            quote!(const _: fn(&#ty) -> &dyn __mmstats::__private::#takes = |#cast| #cast;)
        })
        .collect()
}
