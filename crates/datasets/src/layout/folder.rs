//! A plain folder of good images.

use std::path::Path;

use crate::files::{Listing, images_below};
use crate::{Dataset, DatasetError, Layout};

pub(super) fn open(root: &Path, listing: Listing) -> Result<Dataset, DatasetError> {
    let (train, left_out) = if listing.images.is_empty() {
        images_below(root)?
    } else {
        (listing.images, listing.left_out)
    };
    Ok(Dataset {
        root: root.to_owned(),
        layout: Layout::Folder,
        train,
        validation: Vec::new(),
        test: Vec::new(),
        left_out,
    })
}
