//! The derives: what compiles, and what each mistake is told.
//!
//! `fail` holds one case for each mistake, and beside it what the compiler says. Those texts are of
//! one version of rustc; after a change, `TRYBUILD=overwrite cargo test -p mmstats-derive` writes them
//! anew. Read them then: each error stands at the user's own token and says what to write, and there
//! is no other.

#[test]
fn derives() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/pass/*.rs");
    cases.compile_fail("tests/fail/*.rs");
}
