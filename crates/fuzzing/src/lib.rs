//! Every parser of the project as a function of bytes, and changed files for them.
//!
//! | module | what it does |
//! |---|---|
//! | [`mod@target`] | a parser: how it is called, with which files it begins, how much memory it may take |
//! | [`targets()`] | all of them |
//! | [`mutator`] | files with changes, each from its number |
//! | [`trial`] | one file for one parser: what it does, in which time and memory |
//!
//! The program runs as many changed files as it is asked for; the tests a few thousand, and every file
//! in `regressions`, which once was a finding. `fuzz`, beside `crates`, has the same targets for
//! cargo-fuzz. How to use all of it is in `CONTRIBUTING.md`.
#![allow(clippy::ptr_arg)] // Changes of a file have one type, whether they change its length or not.

mod fixtures;
pub mod mutator;
mod panics;
mod repair;
mod scratch;
pub mod target;
mod targets;
pub mod trial;

pub use mutator::Mutator;
pub use target::{Memory, Target};
pub use targets::{target, targets};
pub use trial::{Finding, Trial, Trials};
