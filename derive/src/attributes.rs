//! Reads the contents of `#[mmstats(…)]` and of doc comments, without interpreting them.
//!
//! Reading continues after a mistake: an unknown or repeated key costs only itself.

use std::ops::RangeInclusive;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{
    Attribute, Expr, Ident, Lit, LitInt, LitStr, Meta, Path, Token, WhereClause, WherePredicate,
    token,
};

use crate::context::Context;

/// A key that `#[mmstats(…)]` may contain, and how it is written.
pub struct Key {
    /// What is to the left of the `=`.
    pub name: &'static str,
    /// How to write it: what messages say after "write".
    pub form: &'static str,
}

/// The path to the main crate.
pub const CRATE: Key = Key {
    name: "crate",
    form: "`crate = …`, with the path to mmstats",
};

/// How values of several files are merged into one.
pub const MERGE: Key = Key {
    name: "merge",
    form: "`merge = \"sum\"`, \"max\", \"min\", \"mean\" or \"latest\"",
};

/// Marks a field that only rises. It has no value.
pub const COUNTER: Key = Key {
    name: "counter",
    form: "`counter` alone",
};

/// One `key = value` of the user, or a key alone.
pub struct Setting {
    /// The user's key.
    pub key: Ident,
    /// The user's value; for a key alone, the key.
    pub value: Expr,
    form: &'static str,
}

/// Reads all `#[mmstats(…)]` among `attributes`. `owner` is what they belong to: "a model", "a field".
pub fn settings(
    context: &mut Context,
    attributes: &[Attribute],
    owner: &str,
    known: &[Key],
) -> Vec<Setting> {
    let mut settings = Vec::new();
    for attribute in attributes {
        if !attribute.path().is_ident("mmstats") {
            continue;
        }
        let Meta::List(list) = &attribute.meta else {
            context.error(&attribute.meta, "write `#[mmstats(key = value, …)]`");
            continue;
        };
        let read = |input: ParseStream<'_>| {
            while !input.is_empty() {
                read_setting(context, input, owner, known, &mut settings)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = list.parse_args_with(read) {
            context.syntax_error(error);
        }
    }
    settings
}

fn read_setting(
    context: &mut Context,
    input: ParseStream<'_>,
    owner: &str,
    known: &[Key],
    settings: &mut Vec<Setting>,
) -> syn::Result<()> {
    // Any identifier: `crate` is a keyword.
    let key = input.call(Ident::parse_any)?;
    let mut value = None;
    if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        value = Some(input.parse::<Expr>()?);
    } else if input.peek(token::Paren) {
        input.parse::<TokenTree>()?;
    }
    let Some(Key { form, .. }) = known.iter().find(|known| key == known.name) else {
        let names: Vec<_> = known.iter().map(|key| format!("`{}`", key.name)).collect();
        let message = format!(
            "unknown attribute `{key}`: {owner} takes {}",
            names.join(", ")
        );
        context.error(key, message);
        return Ok(());
    };
    // A key without a value stands alone.
    let alone = key == COUNTER.name;
    let value = match value {
        None if alone => Some(Expr::Verbatim(key.to_token_stream())),
        Some(_) if alone => None,
        value => value,
    };
    match value {
        None => context.error(&key, format!("write {form}")),
        Some(_) if settings.iter().any(|earlier| earlier.key == key) => {
            context.error(&key, format!("`{key}` is given twice"));
        }
        Some(value) => settings.push(Setting { key, value, form }),
    }
    Ok(())
}

impl Setting {
    /// Returns the value as a string literal.
    pub fn text(&self, context: &mut Context) -> Option<LitStr> {
        match literal(&self.value) {
            Some(Lit::Str(text)) => Some(text.clone()),
            _ => self.wrong(context),
        }
    }

    /// Returns the value as an integer literal for which `good` holds.
    pub fn integer(&self, context: &mut Context, good: impl Fn(u16) -> bool) -> Option<LitInt> {
        match literal(&self.value) {
            Some(Lit::Int(number)) if number.base10_parse().is_ok_and(good) => Some(number.clone()),
            _ => self.wrong(context),
        }
    }

    /// Returns the time in a string literal, in nanoseconds, if it is in the range `good`.
    pub fn duration(&self, context: &mut Context, good: RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(context)?.value();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let unit = match unit {
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => 0,
        };
        let nanos = number.parse().ok().and_then(|n: u64| n.checked_mul(unit));
        match nanos.filter(|nanos| good.contains(nanos)) {
            None => self.wrong(context),
            nanos => nanos,
        }
    }

    /// Returns the value as a path, which may be in quotes.
    pub fn path(&self, context: &mut Context) -> Option<Path> {
        if let Expr::Path(path) = ungrouped(&self.value)
            && path.qself.is_none()
            && path.attrs.is_empty()
        {
            return Some(path.path.clone());
        }
        match literal(&self.value) {
            Some(Lit::Str(text)) => text.parse_with(Path::parse_mod_style).ok(),
            _ => None,
        }
        .or_else(|| self.wrong(context))
    }

    /// Returns the value as a merge rule.
    pub fn merge(&self, context: &mut Context) -> Option<Merge> {
        let rule = match self.text(context)?.value().as_str() {
            "sum" => "Sum",
            "max" => "Max",
            "min" => "Min",
            "mean" => "Mean",
            "latest" => "Latest",
            _ => return self.wrong(context),
        };
        Some(Merge(rule))
    }

    /// Reports, at the value, how to write it.
    fn wrong<T>(&self, context: &mut Context) -> Option<T> {
        context.error(&self.value, format!("write {}", self.form));
        None
    }
}

/// A merge rule: a variant of the main crate's `Merge`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Merge(&'static str);

impl Merge {
    /// The rule of a field that does not set one.
    pub const SUM: Merge = Merge("Sum");
}

impl ToTokens for Merge {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let variant = Ident::new(self.0, Span::call_site());
        tokens.extend(quote!(__mmstats::__private::Merge::#variant));
    }
}

fn literal(value: &Expr) -> Option<&Lit> {
    match ungrouped(value) {
        Expr::Lit(literal) => Some(&literal.lit),
        _ => None,
    }
}

/// Removes the invisible groups around what a `macro_rules!` macro passed on.
fn ungrouped(mut value: &Expr) -> &Expr {
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    value
}

/// Returns the path to the main crate that `crate = …` sets, or its usual name.
pub fn main_crate(context: &mut Context, settings: &[Setting]) -> Path {
    settings
        .iter()
        .find(|setting| setting.key == "crate")
        .and_then(|setting| setting.path(context))
        .unwrap_or_else(|| syn::parse_quote!(::mmstats))
}

/// Imports the main crate into generated code as `__mmstats`. The new name has the span of the user's path too, so
/// that a wrong path is reported there.
pub fn import(main_crate: &Path) -> TokenStream {
    let name = Ident::new("__mmstats", ends(main_crate).1);
    quote!(use #main_crate as #name;)
}

/// Returns the user's own bounds, each to be followed by a comma.
pub fn predicates(clause: Option<&WhereClause>) -> impl Iterator<Item = &WherePredicate> {
    clause
        .into_iter()
        .flat_map(|clause| clause.predicates.iter())
}

/// Returns the spans of the first and last token of the user's `tokens`.
///
/// For the compiler, an expression extends from its first token to its last. So errors in generated code whose
/// first and last token have these spans are reported at exactly these tokens of the user.
pub fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let tokens = tokens.to_token_stream();
    let mut spans = tokens.into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}

/// Returns the first paragraph of the doc comment, as one line.
pub fn help(attributes: &[Attribute]) -> String {
    let mut words = Vec::new();
    for attribute in attributes {
        if let Meta::NameValue(doc) = &attribute.meta
            && doc.path.is_ident("doc")
            && let Some(Lit::Str(text)) = literal(&doc.value)
        {
            // A `/** … */` comment is one text of several lines, which often begin with an asterisk.
            let text = text.value();
            let block = text.contains('\n');
            for line in text.lines() {
                let mut line = line.trim();
                if block {
                    line = line.strip_prefix('*').unwrap_or(line).trim_start();
                }
                if line.is_empty() && !words.is_empty() {
                    return words.join(" ");
                }
                words.extend(line.split_whitespace().map(str::to_owned));
            }
            if text.is_empty() && !words.is_empty() {
                return words.join(" ");
            }
        }
    }
    words.join(" ")
}
