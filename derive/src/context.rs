//! Collects mistakes, so that all of them are reported at once.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far.
#[derive(Default)]
pub struct Context {
    errors: Vec<syn::Error>,
}

impl Context {
    /// Records a mistake at the user's `tokens`.
    pub fn error(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.errors.push(syn::Error::new_spanned(tokens, message));
    }

    /// Records a mistake that syn found.
    pub fn syntax_error(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    /// Returns the number of mistakes so far.
    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// Returns the mistakes as compile errors; `None` if there are none.
    pub fn finish(self) -> Option<TokenStream> {
        if self.errors.is_empty() {
            return None;
        }
        Some(
            self.errors
                .iter()
                .map(syn::Error::to_compile_error)
                .collect(),
        )
    }
}
