//! Regions of interest: polygons, masks, and as models keep them.

use std::path::Path;

use efficientad_images::{Limits, MarkedArea, RegionOfInterest};

use super::{MIB, images};
use crate::target::{Memory, Target, as_it_is};
use crate::{fixtures, repair, scratch};

/// Width and height of the photo that regions are put on.
const PHOTO: (u32, u32) = (97, 61);
/// A polygon file has 1 MiB at most.
const MEMORY: Memory = Memory { fixed: MIB, per_byte: 64 };

const POLYGONS: Target = Target {
    name: "region_polygons",
    parses: "regions as polygons in JSON",
    run: |bytes| scratch::with_file("region.json", bytes, marks),
    seeds: polygons,
    repair: as_it_is,
    tokens: &[
        b"{\"unit\":\"pixels\",\"polygons\":[",
        b"\"fraction\"",
        b"[[0,0],[9,0],[9,9]]",
        b",",
        b"[",
        b"]",
        b"}",
        b"null",
        b"\"unit\":",
        b"-",
        b".",
    ],
    memory: MEMORY,
    tried_in_tests: 2000,
};

/// The regions' parsers.
pub(super) const TARGETS: &[Target] = &[
    POLYGONS,
    Target {
        name: "region_mask",
        parses: "regions as masks",
        run: |bytes| !images::is_large(bytes) && scratch::with_file("region.png", bytes, marks),
        seeds: || fixtures::read("images/tests/fixtures/files", &["png", "bmp", "tif"]),
        repair: repair::png,
        tokens: &[],
        memory: Memory { fixed: 34 * MIB, per_byte: 1 },
        ..POLYGONS
    },
    Target {
        name: "region_runs",
        parses: "regions as models keep them",
        run: |bytes| {
            serde_json::from_slice::<RegionOfInterest>(bytes)
                .is_ok_and(|region| region.at(97, 61).is_ok())
        },
        seeds: runs,
        tokens: &[b"{\"width\":97,\"height\":61,\"runs\":[", b",", b"]", b"}", b"\"runs\":", b"0,"],
        // A pixel of the largest region takes a byte.
        memory: Memory { fixed: 1 << 27, per_byte: 64 },
        ..POLYGONS
    },
];

/// Whether a file marks anything of the photo.
fn marks(path: &Path) -> bool {
    let Ok(area) = MarkedArea::open(path) else { return false };
    let excluded = RegionOfInterest::between(None, Some(&area), PHOTO);
    let included = RegionOfInterest::between(Some(&area), None, PHOTO);
    included.is_ok() || excluded.is_ok() || area.at(13, 24).is_ok()
}

fn polygons() -> Vec<Vec<u8>> {
    [
        r#"{"unit":"pixels","polygons":[[[2,1],[60,1],[60.5,30],[2,30]],[[7,3.4],[8,3.4],[8,4],[7,4]]]}"#,
        r#"{"unit": "fraction", "polygons": [[[0, 0], [0.5, 1], [1, 0], [0.25, 0.75], [1, 1e-3]]]}"#,
        r#"{"polygons":[],"unit":"pixels"}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn runs() -> Vec<Vec<u8>> {
    let stripes = (0..97 * 61).map(|pixel| pixel / 97 % 3 == 1).collect();
    let stripes = RegionOfInterest::new(97, 61, stripes).expect("a sound region");
    let mut seeds = vec![serde_json::to_vec(&stripes).expect("JSON")];
    let largest = Limits::default().max_pixels;
    seeds.push(format!(r#"{{"width":16384,"height":8192,"runs":[0,{largest}]}}"#).into_bytes());
    seeds.push(br#"{"width":2,"height":2,"runs":[1,2,1]}"#.to_vec());
    seeds
}
