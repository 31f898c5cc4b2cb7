//! The harness and the program, from the outside: one program for all, because each test program links
//! the whole crate.
#![cfg(feature = "train")]

mod archive;
#[cfg(feature = "cli")]
mod attacks;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod compare;
mod data;
#[cfg(feature = "cli")]
mod divergence;
mod exploration;
mod given_teacher;
#[cfg(feature = "cli")]
mod killed;
#[cfg(feature = "cli")]
mod loss_files;
#[cfg(feature = "cli")]
mod loss_warnings;
#[cfg(feature = "cli")]
mod report;
mod run;
#[path = "../support/mod.rs"]
mod support;
mod tables;
mod train;
#[cfg(feature = "cli")]
mod unlabelled;
