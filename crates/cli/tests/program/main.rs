//! The program as users run it: real files, real exit codes, real messages.

mod bad_images;
mod bad_models;
mod calibrating;
mod command_line;
mod continuing;
mod devices;
mod disks;
mod engines;
mod export;
mod fixture;
mod folders;
mod import;
mod judging;
mod masks;
#[path = "../../../engine-onnx/tests/common/mod.rs"]
mod onnxruntime;
mod pretraining;
mod reading;
mod report;
mod schemas;
#[cfg(feature = "server")]
mod serving;
mod sharding;
#[cfg(feature = "station")]
mod station;
mod train_parts;
mod training;
mod unusual_files;
mod views;
mod watching;
mod weights;
