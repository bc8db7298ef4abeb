//! Tables and descriptions of data sets.

use std::fs;
use std::path::PathBuf;

use efficientad_datasets::{Dataset, DefectsConfig};
use tempfile::TempDir;

use super::MIB;
use crate::scratch;
use crate::target::{Memory, Target, as_it_is};

const VISA: Target = Target {
    name: "visa_table",
    parses: "VisA's table",
    run: |bytes| VISA_SET.with(|set| set.open(bytes)),
    seeds: || vec![TABLE.as_bytes().to_vec(), TABLE.replace('\n', "\r\n").into_bytes()],
    repair: as_it_is,
    tokens: &[
        b",",
        b"\n",
        b"\r",
        b"\"",
        b"candle,train,normal,candle/Data/Images/0.JPG,\n",
        b"candle/../../",
        b"/",
        b"anomaly",
        b"object,split,label,image,mask\n",
        b"\0",
        b"\xEF\xBB\xBF",
        b"candle",
    ],
    memory: Memory { fixed: MIB, per_byte: 256 },
    tried_in_tests: 1000,
};

/// The parsers of what describes data sets.
pub(super) const TARGETS: &[Target] = &[
    VISA,
    Target {
        name: "photo_table",
        parses: "tables of photos",
        run: |bytes| TABLE_SET.with(|set| set.open(bytes)),
        seeds: || vec![PHOTOS.as_bytes().to_vec(), PHOTOS.replace(',', ";").into_bytes()],
        tokens: &[
            b",",
            b";",
            b"\t",
            b"\n",
            b"\"",
            b"Images/0.JPG,ok,,\n",
            b"../",
            b"/",
            b"\\",
            b"path,label,mask,split\n",
            b"\xEF\xBB\xBF",
            b"not_good",
        ],
        ..VISA
    },
    Target {
        name: "real_iad",
        parses: "Real-IAD's descriptions",
        run: |bytes| REAL_IAD_SET.with(|set| set.open(bytes)),
        seeds: || vec![REAL_IAD.to_vec()],
        tokens: &[
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b"null",
            b"\"prefix\":\"../\"",
            b"\"mask_path\":",
            b"\"image_path\":\"Data/Images/0.JPG\"",
            b"\"anomaly_class\":\"OK\"",
            b"/",
        ],
        ..VISA
    },
    Target {
        name: "loco_config",
        parses: "MVTec LOCO's saturation thresholds",
        run: |bytes| {
            scratch::with_file("defects_config.json", bytes, |path| {
                DefectsConfig::read(path).is_ok()
            })
        },
        seeds: || vec![CONFIG.to_vec(), b"[]".to_vec()],
        tokens: &[
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b"\"pixel_value\":",
            b"true",
            b"null",
            b"\"defect_name\":\"\"",
            b"1e999",
            b"-",
        ],
        memory: Memory { fixed: MIB, per_byte: 64 },
        tried_in_tests: 2000,
        ..VISA
    },
];

const TABLE: &str = "object,split,label,image,mask
candle,train,normal,candle/Data/Images/0.JPG,
candle,train,normal,candle/Data/Images/1.JPG,
candle,test,normal,candle/Data/Images/2.JPG,
candle,test,anomaly,candle/Data/Images/3.JPG,candle/Data/Masks/3.png
capsules,test,anomaly,capsules/Data/Images/3.JPG,
";

const PHOTOS: &str = "path,label,mask,split
Images/0.JPG,ok,,train
Images/1.JPG,0,,test
Images/2.JPG,scratch,,test
Images/3.JPG,1,Masks/3.png,test
";

const REAL_IAD: &[u8] = br#"{"meta": {"normal_class": "OK", "prefix": "candle/"},
  "train": [{"anomaly_class": "OK", "image_path": "Data/Images/0.JPG", "mask_path": null}],
  "test": [{"anomaly_class": "OK", "image_path": "Data/Images/1.JPG", "mask_path": null},
    {"anomaly_class": "AK", "image_path": "Data/Images/3.JPG", "mask_path": "Data/Masks/3.png"}]}"#;

const CONFIG: &[u8] = br#"[
  {"defect_name": "missing", "pixel_value": 255, "saturation_threshold": 0.5, "relative_saturation": true},
  {"defect_name": "twice", "pixel_value": 254, "saturation_threshold": 6300, "relative_saturation": false}
]"#;

thread_local! {
    static VISA_SET: DescribedSet = DescribedSet::new("split_csv/1cls.csv", "candle");
    static TABLE_SET: DescribedSet = DescribedSet::new("candle/Data/photos.csv", "candle/Data/photos.csv");
    static REAL_IAD_SET: DescribedSet = DescribedSet::new("candle.json", "candle.json");
}

/// A data set that lacks nothing but its description.
struct DescribedSet {
    folder: TempDir,
    /// The description's place.
    description: &'static str,
    /// What is opened.
    root: &'static str,
}

impl DescribedSet {
    fn new(description: &'static str, root: &'static str) -> Self {
        let set = Self { folder: scratch::folder(), description, root };
        let make = |name: &str| {
            let path = set.folder.path().join(name);
            path.parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(&path, b""))
                .expect("room for a file");
        };
        (0..4).for_each(|number| make(&format!("candle/Data/Images/{number}.JPG")));
        make("candle/Data/Masks/3.png");
        make(description);
        set
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, description: &[u8]) -> bool {
        fs::write(self.path(self.description), description).expect("room for a file");
        Dataset::open(self.path(self.root)).is_ok()
    }
}
