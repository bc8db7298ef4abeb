//! Folders as people keep them, and those that say by their names that not all parts in them are good.

mod common;

use std::path::{Path, PathBuf};

use common::{write, write_all};
use efficientad_datasets::{
    Dataset, DatasetError, DatasetSource, Doubt, GroundTruth, Layout, Purpose, Stated, TakenAs,
};
use tempfile::{TempDir, tempdir};

fn folder(names: &[&str]) -> TempDir {
    let root = tempdir().unwrap();
    write_all(root.path(), names);
    root
}

#[track_caller]
fn open(root: &Path) -> Dataset {
    Dataset::open(root).unwrap()
}

fn names(dataset: &Dataset, paths: &[PathBuf]) -> Vec<String> {
    let below = |path: &PathBuf| path.strip_prefix(&dataset.root).unwrap().display().to_string();
    paths.iter().map(below).collect()
}

/// Test photos: path, kind, mask.
fn test(dataset: &Dataset) -> Vec<(String, &str, Option<String>)> {
    let row = |image: &'_ efficientad_datasets::TestImage| {
        let mask = match &image.ground_truth {
            GroundTruth::Good => Some("good".to_owned()),
            GroundTruth::Missing => None,
            GroundTruth::Mask(mask) => names(dataset, std::slice::from_ref(mask)).pop(),
            GroundTruth::Regions(_) => Some("regions".to_owned()),
        };
        (image.relative.display().to_string(), mask)
    };
    dataset
        .test
        .iter()
        .map(|image| {
            let (path, mask) = row(image);
            (path, image.kind.as_str(), mask)
        })
        .collect()
}

fn expected<'a>(rows: &[(&str, &'a str, Option<&str>)]) -> Vec<(String, &'a str, Option<String>)> {
    rows.iter()
        .map(|(path, kind, mask)| ((*path).to_owned(), *kind, mask.map(str::to_owned)))
        .collect()
}

#[test]
fn ok_ng_and_mask() {
    let root =
        folder(&["OK/1.png", "OK/2.png", "NG/1.png", "NG/2.png", "MASK/1.png", "MASK/9.png"]);
    let dataset = open(root.path());
    assert_eq!(dataset.layout, Layout::Labelled);
    assert_eq!(names(&dataset, &dataset.train), ["OK/1.png", "OK/2.png"]);
    let rows = [("NG/1.png", "NG", Some("MASK/1.png")), ("NG/2.png", "NG", None)];
    assert_eq!(test(&dataset), expected(&rows));
    let unused = format!("{}: 1 photo (masks of no photo)", root.path().join("MASK").display());
    assert_eq!(dataset.left_out.to_string(), unused);
}

#[test]
fn good_parts_beside_kinds_of_defects() {
    let root = folder(&[
        "good/1.png",
        "good/2.png",
        "NG/scratch/1.png",
        "NG/dent/1.png",
        "mask/scratch/1_mask.png",
    ]);
    let dataset = open(root.path());
    assert_eq!(names(&dataset, &dataset.train), ["good/1.png", "good/2.png"]);
    let rows = [
        ("NG/dent/1.png", "dent", None),
        ("NG/scratch/1.png", "scratch", Some("mask/scratch/1_mask.png")),
    ];
    assert_eq!(test(&dataset), expected(&rows));
}

#[test]
fn anomalibs_folders_with_good_parts_to_test_with() {
    let root = folder(&[
        "normal/1.png",
        "normal/2.png",
        "normal_test/3.png",
        "Abnormal/4.png",
        "mask/4.png",
    ]);
    let dataset = open(root.path());
    assert_eq!(names(&dataset, &dataset.train), ["normal/1.png", "normal/2.png"]);
    let rows = [
        ("Abnormal/4.png", "Abnormal", Some("mask/4.png")),
        ("normal_test/3.png", "good", Some("good")),
    ];
    assert_eq!(test(&dataset), expected(&rows));
}

#[test]
fn good_parts_beside_a_folder_of_defects() {
    let root = folder(&["1.png", "2.png", "defects/3.png"]);
    let dataset = open(root.path());
    assert_eq!(names(&dataset, &dataset.train), ["1.png", "2.png"]);
    assert_eq!(test(&dataset), expected(&[("defects/3.png", "defects", None)]));
}

#[test]
fn a_fifth_of_the_good_parts_is_kept_to_test_with_where_there_are_none() {
    let good: Vec<String> = (0..20).map(|number| format!("OK/{number:02}.png")).collect();
    let mut files: Vec<&str> = good.iter().map(String::as_str).collect();
    let plain = folder(&files);
    assert_eq!(open(plain.path()).train.len(), 20);
    files.push("NG/1.png");
    let root = folder(&files);
    let dataset = open(root.path());
    let kept: Vec<_> = dataset.test.iter().filter(|image| !image.anomalous).collect();
    assert_eq!((dataset.train.len(), kept.len()), (16, 4));
    assert!(kept.iter().all(|image| !dataset.train.contains(&image.path)));
    assert_eq!(open(root.path()).train, dataset.train);
    let taken: Vec<String> = dataset.taken().iter().map(ToString::to_string).collect();
    let lines =
        ["OK: 16 good, to train on", "OK: 4 good, to test with", "NG: 1 defects, to test with"];
    assert_eq!(taken, lines);
}

#[test]
fn case_tells_nothing_in_the_names_of_parts() {
    let root = folder(&[
        "Train/Good/1.png",
        "Train/Good/2.png",
        "Test/Bad/3.png",
        "Test/GOOD/4.png",
        "Ground_Truth/bad/3.png",
    ]);
    let dataset = open(root.path());
    assert_eq!(dataset.layout, Layout::MvtecAd);
    assert_eq!(dataset.train.len(), 2);
    let rows = [
        ("Test/Bad/3.png", "Bad", Some("Ground_Truth/bad/3.png")),
        ("Test/GOOD/4.png", "good", Some("good")),
    ];
    assert_eq!(test(&dataset), expected(&rows));
}

#[test]
fn btech() {
    let root = folder(&[
        "train/ok/0.bmp",
        "train/ok/1.bmp",
        "test/ok/2.bmp",
        "test/ko/3.bmp",
        "ground_truth/ko/3.png",
    ]);
    let rows = [
        ("test/ko/3.bmp", "ko", Some("ground_truth/ko/3.png")),
        ("test/ok/2.bmp", "good", Some("good")),
    ];
    assert_eq!(test(&open(root.path())), expected(&rows));
}

#[test]
fn mvtec_ad_2() {
    let root = folder(&[
        "train/good/0.png",
        "train/good/1.png",
        "validation/good/2.png",
        "test_public/good/3.png",
        "test_public/bad/4.png",
        "test_public/ground_truth/bad/4_mask.png",
        "test_private/5.png",
        "test_private_mixed/6.png",
    ]);
    let dataset = open(root.path());
    assert_eq!((dataset.train.len(), dataset.validation.len()), (2, 1));
    let mask = Some("test_public/ground_truth/bad/4_mask.png");
    let rows =
        [("test_public/bad/4.png", "bad", mask), ("test_public/good/3.png", "good", Some("good"))];
    assert_eq!(test(&dataset), expected(&rows));
    assert_eq!(dataset.left_out.folders().len(), 2);
    assert!(dataset.left_out.to_string().contains("truth is not published"));
}

#[test]
fn mvtec_3d_ad() {
    let root = folder(&[
        "train/good/rgb/0.png",
        "train/good/rgb/1.png",
        "train/good/xyz/0.tiff",
        "validation/good/rgb/2.png",
        "test/hole/rgb/3.png",
        "test/hole/gt/3.png",
        "test/hole/xyz/3.tiff",
        "test/good/rgb/4.png",
        "test/good/gt/4.png",
    ]);
    let dataset = open(root.path());
    assert_eq!(names(&dataset, &dataset.train), ["train/good/rgb/0.png", "train/good/rgb/1.png"]);
    let rows = [
        ("test/good/rgb/4.png", "good", Some("good")),
        ("test/hole/rgb/3.png", "hole", Some("test/hole/gt/3.png")),
    ];
    assert_eq!(test(&dataset), expected(&rows));
}

#[test]
fn test_photos_alone_can_be_evaluated_but_not_trained_on() {
    let root = folder(&["test/good/0.png", "test/crack/1.png"]);
    let dataset = open(root.path());
    assert_eq!(dataset.test.len(), 2);
    assert!(matches!(dataset.trainable(), Err(DatasetError::MissingTrain(_))));
}

#[test]
fn defects_in_train_are_not_trained_on() {
    let root =
        folder(&["train/good/0.png", "train/good/1.png", "train/bad/2.png", "test/good/3.png"]);
    let dataset = open(root.path());
    assert_eq!(dataset.train.len(), 2);
    assert!(dataset.left_out.to_string().contains("1 photo (defects, not trained on)"));
}

/// A grey picture of 2×1 pixels.
fn mask(values: [u8; 2]) -> String {
    format!("P2\n2 1\n255\n{} {}\n", values[0], values[1])
}

#[test]
fn masks_beside_photos_tell_good_parts_from_others() {
    let root = folder(&["kos01/Part0.jpg", "kos01/Part1.jpg", "kos02/Part0.jpg"]);
    write(root.path(), "kos01/Part0_label.pgm", &mask([0, 0]));
    write(root.path(), "kos01/Part1_label.pgm", &mask([0, 255]));
    write(root.path(), "kos02/Part0_label.pgm", &mask([0, 0]));
    let dataset = open(root.path());
    assert_eq!(dataset.layout, Layout::MasksBeside);
    assert_eq!(names(&dataset, &dataset.train), ["kos01/Part0.jpg", "kos02/Part0.jpg"]);
    let rows = [("kos01/Part1.jpg", "defect", Some("kos01/Part1_label.pgm"))];
    assert_eq!(test(&dataset), expected(&rows));
}

#[test]
fn masks_beside_photos_in_parts() {
    let root = folder(&["train/1.png", "train/2.png", "train/3.png", "test/4.png", "test/5.png"]);
    for (name, values) in [
        ("train/1", [0, 0]),
        ("train/2", [9, 0]),
        ("train/3", [0, 0]),
        ("test/4", [0, 0]),
        ("test/5", [255, 0]),
    ] {
        write(root.path(), &format!("{name}_GT.pgm"), &mask(values));
    }
    let dataset = open(root.path());
    assert_eq!(names(&dataset, &dataset.train), ["train/1.png", "train/3.png"]);
    let rows =
        [("test/4.png", "good", Some("good")), ("test/5.png", "defect", Some("test/5_GT.pgm"))];
    assert_eq!(test(&dataset), expected(&rows));
}

#[test]
fn a_table_tells() {
    let root = folder(&["a/1.png", "a/2.png", "b/3.png", "b/4.png", "masks/3.png", "c/5.png"]);
    let table =
        "Path;Label;Mask\na/1.png;OK;\na\\2.png;ok;\nb/3.png;scratch;masks/3.png\nb/4.png;1;\n";
    let file = write(root.path(), "parts.csv", table);
    for path in [root.path(), &file] {
        let dataset = open(path);
        assert_eq!(dataset.layout, Layout::Table);
        assert_eq!(names(&dataset, &dataset.train), ["a/1.png", "a/2.png"]);
        let rows = [("b/3.png", "scratch", Some("masks/3.png")), ("b/4.png", "defect", None)];
        assert_eq!(test(&dataset), expected(&rows));
        assert!(dataset.left_out.to_string().contains("1 photo (nothing says what they show)"));
    }
}

#[test]
fn a_table_may_name_splits() {
    let root = folder(&["1.png", "2.png", "3.png"]);
    let table = "image_path,label,split\n1.png,0,train\n2.png,0,test\n3.png,1,test\n";
    write(root.path(), "t.csv", table);
    let dataset = open(root.path());
    assert_eq!(names(&dataset, &dataset.train), ["1.png"]);
    assert_eq!(
        test(&dataset),
        expected(&[("2.png", "good", Some("good")), ("3.png", "defect", None)])
    );
}

#[test]
fn a_bad_table_is_refused_with_its_line() {
    let cases = [
        ("path,label\n1.png,ok\n9.png,ok\n", "line 3: "),
        ("path,label\n1.png,\n", "line 2: there is no label"),
        ("path,label\n1.png,ok\n1.png,ng\n", "line 3: this photo is in line 2, too"),
        ("path,label\n../1.png,ok\n", "line 2: ../1.png does not lie below the table's folder"),
        ("path,label,split\n1.png,ng,train\n", "line 2: a defect is in a split for good parts"),
        ("path,label,split\n1.png,ok,later\n", "line 2: the split is neither"),
        ("path,label,mask\n1.png,ng,7.png\n", "line 2: "),
        ("path,label\n1.png\n", "1 fields"),
    ];
    for (table, reason) in cases {
        let root = folder(&["1.png"]);
        write(root.path(), "t.csv", table);
        let message = Dataset::open(root.path()).unwrap_err().to_string();
        assert!(message.contains(reason) && message.contains("t.csv"), "{message}");
    }
    let root = folder(&["1.png", "2.png"]);
    write(root.path(), "prices.csv", "part,price\n1,2\n");
    assert_eq!(open(root.path()).layout, Layout::Folder);
    assert!(
        Dataset::open(root.path().join("prices.csv"))
            .unwrap_err()
            .to_string()
            .contains("names no columns")
    );
}

#[test]
fn real_iad() {
    let root = folder(&[
        "realiad_1024/jack/OK/S1/1.jpg",
        "realiad_1024/jack/OK/S1/2.jpg",
        "realiad_1024/jack/NG/AK/S2/3.jpg",
        "realiad_1024/jack/NG/AK/S2/3.png",
    ]);
    let description = r#"{"meta": {"normal_class": "OK", "prefix": "jack/"},
        "train": [{"category": "jack", "anomaly_class": "OK", "image_path": "OK/S1/1.jpg", "mask_path": null}],
        "test": [{"category": "jack", "anomaly_class": "OK", "image_path": "OK/S1/2.jpg", "mask_path": null},
            {"category": "jack", "anomaly_class": "AK", "image_path": "NG/AK/S2/3.jpg", "mask_path": "NG/AK/S2/3.png"}]}"#;
    let file = write(root.path(), "realiad_jsons/jack.json", description);
    for path in [root.path().join("realiad_1024/jack"), file] {
        let dataset = open(&path);
        assert_eq!(dataset.layout, Layout::RealIad);
        assert_eq!(names(&dataset, &dataset.train), ["OK/S1/1.jpg"]);
        let rows = [
            ("NG/AK/S2/3.jpg", "AK", Some("NG/AK/S2/3.png")),
            ("OK/S1/2.jpg", "good", Some("good")),
        ];
        assert_eq!(test(&dataset), expected(&rows));
    }
    for (from, to, reason) in [
        ("OK/S1/1.jpg", "../1.jpg", "leads out of the folder"),
        ("OK/S1/1.jpg", "OK/S1/9.jpg", "does not exist"),
        (
            r#""OK", "image_path": "OK/S1/1.jpg""#,
            r#""AK", "image_path": "OK/S1/1.jpg""#,
            "among the training",
        ),
    ] {
        write(root.path(), "realiad_jsons/jack.json", &description.replacen(from, to, 1));
        let message = Dataset::open(root.path().join("realiad_1024/jack")).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }
}

/// What the names leave open is asked, not guessed.
#[test]
fn folders_that_mix_good_with_other_parts_are_refused() {
    let cases: [&[&str]; 6] = [
        &["good/1.png", "scratch/2.png"],
        &["photos/1.png", "NG/2.png"],
        &["OK/1.png", "MASK/1.png"],
        &["1.png", "2.png", "mask/1.png"],
        &["OK/1.png", "NG/2.png", "new/3.png"],
        &["2024/may/1.png", "2024/may/defects/2.png", "2025/june/3.png"],
    ];
    for files in cases {
        let root = folder(files);
        let error = Dataset::open(root.path()).unwrap_err();
        assert!(matches!(error, DatasetError::Mixed(_)), "{files:?}: {error}");
    }
    let root = folder(&["photos/1.png", "NG/2.png", "MASK/2.png"]);
    let Err(DatasetError::Mixed(mixed)) = Dataset::open(root.path()) else { panic!() };
    assert_eq!(mixed.defects, [root.path().join("NG")]);
    assert_eq!(mixed.unclear, [root.path().join("photos")]);
    assert_eq!(mixed.masks, [root.path().join("MASK")]);
    assert!(mixed.to_string().contains("NG (by its name of defects)"), "{mixed}");
}

#[test]
fn names_of_photos_are_looked_at() {
    let cases: [(&[&str], Doubt); 3] = [
        (&["ok_1.png", "ok_2.png", "ng_1.png"], Doubt::Defects),
        (&["1.png", "2_mask.png"], Doubt::Masks),
        (&["a/1.png", "a/2.png", "b/3 defect.png"], Doubt::Defects),
    ];
    for (files, expected) in cases {
        let root = folder(files);
        let error = Dataset::open(root.path()).unwrap_err();
        assert!(
            matches!(&error, DatasetError::DoubtfulNames { doubt, doubtful: 1, .. } if *doubt == expected),
            "{error}"
        );
    }
    let root = folder(&["NG/1.png", "NG/2.png"]);
    let error = Dataset::open(root.path().join("NG")).unwrap_err();
    assert!(matches!(error, DatasetError::DoubtfulFolder { doubt: Doubt::Defects, .. }), "{error}");
}

#[test]
fn what_the_user_says_counts() {
    let root = folder(&[
        "scratch/1.png",
        "scratch/2.png",
        "odd/3.png",
        "odd/deep/4.png",
        "odd/ng_5.png",
        "m/3_mask.png",
    ]);
    let stated = Stated {
        good: vec![root.path().join("scratch")],
        defects: vec![root.path().join("odd")],
        masks: vec![root.path().join("m")],
    };
    let dataset = DatasetSource::Stated(stated.clone()).open(Purpose::Training).unwrap();
    assert_eq!(names(&dataset, &dataset.train), ["scratch/1.png", "scratch/2.png"]);
    let rows = [("odd/3.png", "odd", Some("m/3_mask.png")), ("odd/ng_5.png", "odd", None)];
    assert_eq!(test(&dataset), expected(&rows));
    let to_test = Dataset::stated(&stated, Purpose::Evaluation).unwrap();
    assert!(to_test.train.is_empty());
    let good = to_test.test.iter().filter(|image| !image.anomalous).count();
    assert_eq!((good, to_test.taken()[0].taken_as), (2, TakenAs::TestGood));
    let twice = Stated { defects: vec![root.path().to_owned()], ..stated.clone() };
    assert!(matches!(Dataset::stated(&twice, Purpose::Training), Err(DatasetError::Twice(_))));
    let nowhere = Stated { good: vec!["nowhere".into()], ..stated };
    assert!(matches!(
        Dataset::stated(&nowhere, Purpose::Training),
        Err(DatasetError::MissingFolder(_))
    ));
}

#[test]
fn folders_of_systems_are_left_out() {
    let root = folder(&["1.png", "2.png", "@eaDir/1.png", "__MACOSX/2.png"]);
    let dataset = open(root.path());
    assert_eq!(dataset.train.len(), 2);
    let left_out = dataset.left_out.to_string();
    assert!(left_out.contains("@eaDir (made by the system)"), "{left_out}");
}

#[test]
fn several_lines_in_a_folder_are_several_data_sets() {
    let root = folder(&["line1/OK/1.png", "line1/NG/2.png", "line2/OK/3.png", "line2/NG/4.png"]);
    let error = Dataset::open(root.path()).unwrap_err();
    assert!(
        matches!(&error, DatasetError::Collection { example, .. } if example == "line1"),
        "{error}"
    );
}
