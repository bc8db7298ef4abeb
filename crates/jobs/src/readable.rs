//! The photos of a data set that can be read, and how many bits they use.

use std::ops::ControlFlow;

use efficientad::Samples;
use efficientad_datasets::Dataset;
use efficientad_evaluation::DepthCheck;
use efficientad_images::DecodeOptions;

use crate::error::JobError;
use crate::event::{Event, Notifier, Stage};
use crate::images::take_unreadable;

/// What is found out when all photos are read once.
#[derive(Debug, Default)]
pub(crate) struct Readable {
    /// How many can't be read.
    pub skipped: usize,
    /// How many of 16 bits the samples of each of the others use; `None` for photos of 8 bits.
    used_bits: Vec<Option<u8>>,
}

impl Readable {
    /// Decodes all training and validation images; those that can't be read are named and taken out
    /// of the data set.
    ///
    /// # Errors
    /// When too few are left, or the observer breaks.
    pub(crate) fn take<L>(
        dataset: &mut Dataset,
        decode: &DecodeOptions,
        threads: usize,
        notify: &mut Notifier<'_, '_, L>,
    ) -> Result<Self, JobError> {
        let found = dataset.train.len();
        let mut all = Self::default();
        for files in [&mut dataset.train, &mut dataset.validation] {
            let mut count = |done, total| notify.progress(Stage::Images, done, total);
            let ControlFlow::Continue(checked) =
                take_unreadable(files, decode, threads, &mut count)
            else {
                return Err(JobError::Cancelled);
            };
            all.skipped += checked.unreadable.len();
            all.used_bits.extend(checked.used_bits);
            for it in &checked.unreadable {
                notify.tell(Event::Skipped { path: &it.path, reason: &it.error })?;
            }
        }
        refuse_too_few(dataset, found)?;
        Ok(all)
    }

    /// What samples stand for, and how many bits of 16 they have: as the options say, or if they
    /// don't, as the photos tell.
    pub(crate) fn samples(&self, decode: &DecodeOptions) -> (Samples, Option<u8>) {
        let stated = Samples::stated(decode);
        if stated.bits.is_some() {
            return (stated, stated.bits);
        }
        let deep = self.used_bits.iter().flatten();
        let largest = deep.clone().copied().max().unwrap_or_default();
        let recognised = Samples::recognised(deep.count(), largest);
        (Samples { range: stated.range, ..recognised }, recognised.bits.or(Some(16)))
    }

    /// Says what there is to say about the depth of photos that are read as having so many bits of 16;
    /// `None` if that is not known, so that they are read as having all.
    ///
    /// # Errors
    /// When the observer breaks.
    pub(crate) fn tell_depth<L>(
        &self,
        bits: Option<u8>,
        notify: &mut Notifier<'_, '_, L>,
    ) -> Result<(), JobError> {
        let mut check = DepthCheck::new(bits);
        let mut remarks: Vec<_> =
            self.used_bits.iter().filter_map(|&used_bits| check.observe(used_bits)).collect();
        remarks.extend(check.end());
        remarks.into_iter().try_for_each(|remark| notify.tell(Event::Depth(remark)))
    }
}

fn refuse_too_few(dataset: &Dataset, found: usize) -> Result<(), JobError> {
    let needed = if dataset.validation.is_empty() { 2 } else { 1 };
    let readable = dataset.train.len();
    if readable < needed {
        let root = dataset.root.clone();
        return Err(JobError::TooFewReadable { root, readable, found, needed });
    }
    Ok(())
}
