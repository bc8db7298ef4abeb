//! Every layout, and what is wrong with folders that are none, on folders made for the test.

mod common;

use std::fs;
use std::path::Path;

use common::{write, write_all};
use efficientad_datasets::{Dataset, DatasetError, GroundTruth, Layout, TestImage};
use tempfile::tempdir;

fn names(root: &Path, paths: &[std::path::PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()).collect()
}

fn image<'a>(dataset: &'a Dataset, relative: &str) -> &'a TestImage {
    dataset.test.iter().find(|image| image.relative == Path::new(relative)).unwrap()
}

#[track_caller]
fn refusal(root: &Path) -> DatasetError {
    Dataset::open(root).and_then(Dataset::trainable).unwrap_err()
}

#[test]
fn a_folder_of_images_is_all_training() {
    let root = tempdir().unwrap();
    let root = root.path();
    write_all(root, &["b.JPG", "a.png", "B.tiff", ".hidden.png", "notes.txt", "old/c.png"]);
    let dataset = Dataset::open(root).unwrap();
    assert_eq!(dataset.layout, Layout::Folder);
    assert_eq!(names(root, &dataset.train), ["B.tiff", "a.png", "b.JPG"]);
    assert!(dataset.test.is_empty() && dataset.validation.is_empty());
    let left_out = format!(
        "1 .txt; {}: 1 photo (below a folder that has photos of its own)",
        root.join("old").display()
    );
    assert_eq!(dataset.left_out.to_string(), left_out);
}

#[test]
fn without_images_of_its_own_a_folder_is_searched_below() {
    let root = tempdir().unwrap();
    let root = root.path();
    write_all(root, &["line1/b.webp", "line1/day-2/a.bmp", "line-2/a.jpeg", ".trash/x.png"]);
    let dataset = Dataset::open(root).unwrap();
    assert_eq!(names(root, &dataset.train), ["line-2/a.jpeg", "line1/b.webp", "line1/day-2/a.bmp"]);
}

#[cfg(unix)]
#[test]
fn a_circle_of_links_ends() {
    let root = tempdir().unwrap();
    write_all(root.path(), &["day/a.png", "day/b.png"]);
    std::os::unix::fs::symlink(root.path(), root.path().join("day/again")).unwrap();
    assert_eq!(Dataset::open(root.path()).unwrap().train.len(), 2);
}

#[test]
fn mvtec_ad_with_every_kind_of_mask_name() {
    let root = tempdir().unwrap();
    let root = root.path();
    write_all(
        root,
        &[
            "train/good/001.png",
            "train/good/000.png",
            "test/good/000.png",
            "test/crack/000.png",
            "test/crack/001.jpg",
            "test/crack/002.png",
            "test/unmasked/000.png",
            "ground_truth/crack/000_mask.png",
            "ground_truth/crack/000.png",
            "ground_truth/crack/001.bmp",
        ],
    );
    let dataset = Dataset::open(root).unwrap();
    assert_eq!(dataset.layout, Layout::MvtecAd);
    assert_eq!(names(root, &dataset.train), ["train/good/000.png", "train/good/001.png"]);
    let order: Vec<_> = dataset.test.iter().map(|image| image.relative.to_str().unwrap()).collect();
    let expected = [
        "test/crack/000.png",
        "test/crack/001.jpg",
        "test/crack/002.png",
        "test/good/000.png",
        "test/unmasked/000.png",
    ];
    assert_eq!(order, expected);
    let mask = |name: &str| GroundTruth::Mask(root.join("ground_truth/crack").join(name));
    assert_eq!(image(&dataset, "test/crack/000.png").ground_truth, mask("000_mask.png"));
    assert_eq!(image(&dataset, "test/crack/001.jpg").ground_truth, mask("001.bmp"));
    assert_eq!(image(&dataset, "test/good/000.png").ground_truth, GroundTruth::Good);
    let good: Vec<_> =
        dataset.test.iter().filter(|image| !image.anomalous).map(|image| &image.kind).collect();
    assert_eq!(good, ["good"]);
    assert_eq!(dataset.kinds(), ["crack", "unmasked"]);
    let missing: Vec<_> =
        dataset.without_mask().map(|image| image.relative.to_str().unwrap()).collect();
    assert_eq!(missing, ["test/crack/002.png", "test/unmasked/000.png"]);
}

#[test]
fn test_images_are_sorted_by_their_whole_names() {
    let root = tempdir().unwrap();
    write_all(
        root.path(),
        &[
            "train/good/0.png",
            "train/good/1.png",
            "test/a/0.png",
            "test/a-b/0.png",
            "test/a/10.png",
        ],
    );
    let dataset = Dataset::open(root.path()).unwrap();
    let order: Vec<_> = dataset.test.iter().map(|image| image.relative.to_str().unwrap()).collect();
    assert_eq!(order, ["test/a-b/0.png", "test/a/0.png", "test/a/10.png"]);
}

#[test]
fn mvtec_ad_may_lack_a_test_set() {
    let root = tempdir().unwrap();
    write_all(root.path(), &["train/good/0.png", "train/good/1.png"]);
    assert!(Dataset::open(root.path()).unwrap().test.is_empty());
}

const CONFIG: &str = r#"[
    {"defect_name": "missing_pushpin", "pixel_value": 255, "saturation_threshold": 3780, "relative_saturation": false},
    {"defect_name": "color", "pixel_value": 251, "saturation_threshold": 0.25, "relative_saturation": true}
]"#;

fn write_loco(root: &Path) {
    write_all(
        root,
        &[
            "train/good/000.png",
            "validation/good/000.png",
            "validation/good/001.png",
            "test/good/000.png",
            "test/logical_anomalies/000.png",
            "test/logical_anomalies/001.png",
            "ground_truth/logical_anomalies/000/001.png",
            "ground_truth/logical_anomalies/000/000.png",
        ],
    );
}

#[test]
fn mvtec_loco_brings_validation_images_and_saturations() {
    let root = tempdir().unwrap();
    let root = root.path();
    write_loco(root);
    write(root, "defects_config.json", CONFIG);
    let dataset = Dataset::open(root).unwrap();
    assert_eq!(dataset.layout, Layout::MvtecLoco);
    let split = dataset.split(0).unwrap();
    assert_eq!((split.train.len(), split.validation.len()), (1, 2));
    let GroundTruth::Regions(regions) =
        &image(&dataset, "test/logical_anomalies/000.png").ground_truth
    else {
        panic!("no regions");
    };
    let masks: Vec<_> = regions.iter().map(|region| region.mask.clone()).collect();
    let folder = "ground_truth/logical_anomalies/000";
    assert_eq!(names(root, &masks), [format!("{folder}/000.png"), format!("{folder}/001.png")]);
    let saturation = |value, area| regions[0].saturation_area(value, area).unwrap();
    assert_eq!([saturation(255, 5000), saturation(255, 100)], [3780, 100]);
    assert_eq!([saturation(251, 103), saturation(251, 1)], [25, 1]);
    let unknown = regions[0].saturation_area(7, 10).unwrap_err().to_string();
    assert!(unknown.contains("000.png: pixel value 7 is not in"), "{unknown}");
    assert_eq!(
        image(&dataset, "test/logical_anomalies/001.png").ground_truth,
        GroundTruth::Missing
    );
}

#[test]
fn mvtec_loco_without_its_configuration_is_refused() {
    let root = tempdir().unwrap();
    write_loco(root.path());
    assert!(matches!(refusal(root.path()), DatasetError::MissingDefectsConfig(path)
        if path == root.path().join("defects_config.json")));
}

#[test]
fn a_bad_configuration_is_refused_with_its_entry() {
    let root = tempdir().unwrap();
    write_loco(root.path());
    let entry = |value: u32, threshold: f64, relative: bool| {
        format!(
            r#"{{"defect_name": "d{value}", "pixel_value": {value}, "saturation_threshold": {threshold}, "relative_saturation": {relative}}}"#
        )
    };
    let cases = [
        (entry(0, 5.0, false), "d0: pixel_value must be 1 to 255"),
        (entry(9, 1.5, true), "d9: a relative"),
        (entry(9, 0.0, false), "d9: an absolute"),
        (entry(300, 5.0, false), "expected u8"),
        (
            format!("{}, {}", entry(9, 5.0, false), entry(9, 6.0, false)),
            "d9: pixel_value is used twice",
        ),
        (r#"{"defect_name": "d"}"#.to_owned(), "missing field"),
    ];
    for (entries, reason) in cases {
        write(root.path(), "defects_config.json", &format!("[{entries}]"));
        let message = refusal(root.path()).to_string();
        assert!(message.contains(reason) && message.contains("defects_config.json"), "{message}");
    }
}

const TABLE: &str = "object,split,label,image,mask\n\
    candle,train,normal,candle/Data/Images/Normal/0001.JPG,\n\
    candle,train,normal,candle/Data/Images/Normal/0000.JPG,\n\
    candle,test,normal,candle/Data/Images/Normal/0002.JPG,\n\
    candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png\n\
    capsules,train,normal,capsules/Data/Images/Normal/000.JPG,\n";

fn write_visa(root: &Path, table: &str) {
    let names = [
        "candle/Data/Images/Normal/0000.JPG",
        "candle/Data/Images/Normal/0001.JPG",
        "candle/Data/Images/Normal/0002.JPG",
        "candle/Data/Images/Anomaly/000.JPG",
        "candle/Data/Masks/Anomaly/000.png",
    ];
    write_all(root, &names);
    write(root, "split_csv/1cls.csv", table);
}

#[test]
fn a_visa_category_follows_its_table() {
    let root = tempdir().unwrap();
    write_visa(root.path(), TABLE);
    let category = root.path().join("candle");
    let dataset = Dataset::open(&category).unwrap();
    assert_eq!(dataset.layout, Layout::Visa);
    assert_eq!(
        names(&category, &dataset.train),
        ["Data/Images/Normal/0000.JPG", "Data/Images/Normal/0001.JPG"]
    );
    assert_eq!(dataset.test.len(), 2);
    assert_eq!(dataset.kinds(), ["anomaly"]);
    let mask = GroundTruth::Mask(category.join("Data/Masks/Anomaly/000.png"));
    assert_eq!(image(&dataset, "Data/Images/Anomaly/000.JPG").ground_truth, mask);
    let good = image(&dataset, "Data/Images/Normal/0002.JPG");
    assert_eq!((good.kind.as_str(), good.anomalous), ("good", false));
}

#[test]
fn a_bad_visa_table_is_refused_with_its_line() {
    let good = "candle,train,normal,candle/Data/Images/Normal/0001.JPG,\n";
    let cases = [
        (TABLE.replace("label", "class"), "line 1 names no column label"),
        (TABLE.replace("0001.JPG,", "0009.JPG,"), "line 2: "),
        (TABLE.replace("candle,test,anomaly", "candle,test,odd"), "line 5: the label is neither"),
        (
            TABLE.replace("candle,test,anomaly", "candle,train,anomaly"),
            "line 5: an anomalous image",
        ),
        (TABLE.replace(good, "candle,train\n"), "line 2 has no label"),
        (
            TABLE.replace(good, "candle,dev,normal,candle/Data/Images/Normal/0001.JPG,\n"),
            "line 2: the split",
        ),
        (
            TABLE.replace(good, "candle,train,normal,../x.JPG,\n"),
            "line 2: ../x.JPG is not below candle",
        ),
        (
            TABLE.replace(good, "candle,train,normal,candle/../x.JPG,\n"),
            "line 2: candle/../x.JPG leads out of candle",
        ),
        (TABLE.to_owned() + &" ".repeat(17 << 20), "larger than 16 MiB"),
        (TABLE.replace("candle,", "screw,"), "no training images of object candle"),
    ];
    for (table, reason) in cases {
        let root = tempdir().unwrap();
        write_visa(root.path(), &table);
        let message = refusal(&root.path().join("candle")).to_string();
        assert!(message.contains(reason) && message.contains("1cls.csv"), "{message}");
    }
}

#[test]
fn a_visa_category_without_its_table_is_refused() {
    let root = tempdir().unwrap();
    write_visa(root.path(), TABLE);
    fs::remove_file(root.path().join("split_csv/1cls.csv")).unwrap();
    assert!(matches!(refusal(&root.path().join("candle")), DatasetError::MissingSplitTable(_)));
}

#[test]
fn folders_that_are_no_data_set_say_why() {
    let cases: [(&[&str], &str); 10] = [
        (&["notes.txt"], "no images here"),
        (&["train/0.png", "train/1.png"], "train: there is no folder good in it"),
        (&["train/good/readme.md"], "good: no images here"),
        (
            &["train/good/0.png"],
            "good: 1 image(s) of good parts, copies not counted; at least 2 are needed",
        ),
        (&["0.png"], "1 image(s) of good parts"),
        (&["test/good/0.png", "test/crack/0.png"], "no train/good"),
        (&["ground_truth/crack/0.png"], "ground_truth (by its name of masks)"),
        (
            &["train/good/0.png", "train/good/1.png", "test/0.png"],
            "directly in this folder have no kind",
        ),
        (&["bottle/train/good/0.png", "cable/train/good/0.png"], "holds several data sets"),
        (
            &["Positive/0.png", "Negative/1.png"],
            "Negative (unclear), Positive (unclear); say which",
        ),
    ];
    for (files, reason) in cases {
        let root = tempdir().unwrap();
        write_all(root.path(), files);
        let message = refusal(root.path()).to_string();
        assert!(message.contains(reason), "{files:?}: {message}");
        assert!(message.starts_with(root.path().to_str().unwrap()), "{message}");
    }
    let visa = tempdir().unwrap();
    write_visa(visa.path(), TABLE);
    assert!(
        matches!(refusal(visa.path()), DatasetError::Collection { example, .. } if example == "candle")
    );
}

#[test]
fn a_missing_folder_or_a_file_is_refused() {
    let root = tempdir().unwrap();
    let file = write(root.path(), "a.png", "");
    for path in [root.path().join("nowhere"), file] {
        assert!(matches!(refusal(&path), DatasetError::MissingFolder(found) if found == path));
    }
}

#[test]
fn every_extension_of_an_image_is_found_and_the_rest_is_counted() {
    let root = tempfile::tempdir().unwrap();
    let names = ["a.jfif", "b.JPE", "c.pgm", "d.tiff", "e.ppm", "f.heic", "g.gif", "h.txt"];
    write_all(root.path(), &names);
    write_all(root.path(), &[".hidden.gif"]);
    let dataset = Dataset::open(root.path()).unwrap();
    assert_eq!(dataset.train.len(), 5);
    assert_eq!(dataset.left_out.to_string(), "1 .gif, 1 .heic, 1 .txt");
    let photos = efficientad_datasets::photos::Photos::folder(root.path()).unwrap();
    assert_eq!(photos.left_out(), &dataset.left_out);

    let root = tempfile::tempdir().unwrap();
    let names = ["train/good/a.png", "train/good/b.png", "train/good/c.heic", "test/crack/d.png"];
    write_all(root.path(), &names);
    write_all(root.path(), &["test/crack/e.heic", "validation/good/f.png", "readme.txt"]);
    assert_eq!(Dataset::open(root.path()).unwrap().left_out.to_string(), "2 .heic");
}

#[cfg(unix)]
#[test]
fn pipes_and_sockets_are_no_images() {
    let root = tempdir().unwrap();
    write_all(root.path(), &["a.png", "b.png"]);
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("c.png")).unwrap();
    std::os::unix::fs::symlink("nowhere.png", root.path().join("d.png")).unwrap();
    let dataset = Dataset::open(root.path()).unwrap();
    assert_eq!(names(root.path(), &dataset.train), ["a.png", "b.png", "d.png"]);
    assert_eq!(dataset.left_out.to_string(), "1 .png");
}
