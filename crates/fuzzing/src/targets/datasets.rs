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

const CONFIG: &[u8] = br#"[
  {"defect_name": "missing", "pixel_value": 255, "saturation_threshold": 0.5, "relative_saturation": true},
  {"defect_name": "twice", "pixel_value": 254, "saturation_threshold": 6300, "relative_saturation": false}
]"#;

thread_local! {
    static VISA_SET: VisaSet = VisaSet::new();
}

/// A data set that lacks nothing but its table.
struct VisaSet {
    folder: TempDir,
}

impl VisaSet {
    fn new() -> Self {
        let set = Self { folder: scratch::folder() };
        let make = |name: &str| {
            let path = set.folder.path().join(name);
            path.parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(&path, b""))
                .expect("room for a file");
        };
        (0..4).for_each(|number| make(&format!("candle/Data/Images/{number}.JPG")));
        make("candle/Data/Masks/3.png");
        make("split_csv/1cls.csv");
        set
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, table: &[u8]) -> bool {
        fs::write(self.path("split_csv/1cls.csv"), table).expect("room for a file");
        Dataset::open(self.path("candle")).is_ok()
    }
}
