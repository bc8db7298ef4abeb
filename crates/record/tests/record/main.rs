//! The record as programs use it.

mod disks;
mod files;
mod fixture;
mod killed;
mod outside;
mod photos;
mod searching;
