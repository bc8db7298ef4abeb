//! What other programs trained.

use std::fs;

use crate::fixture::{FAST, Sandbox, run, shared};
use crate::weights::{
    anomalib_model, fixture, sequential_autoencoder, sequential_student, sequential_teacher,
};

#[test]
fn a_teacher_is_imported_and_trained_with() {
    let sandbox = Sandbox::new();
    let foreign = sandbox.write("teacher_small.safetensors", &sequential_teacher());
    let teacher = sandbox.path("teacher");
    let printed = run(["import", &foreign, "--out", &teacher]).success();
    let expected = format!("{teacher}: small teacher, for efficientad train --teacher {teacher}\n");
    assert_eq!(printed, expected);
    let photos = sandbox.good_photos("photos", 2);
    let train = |teacher: &str, out: &str| {
        run([&["train", &photos, "--out", out, "--teacher", teacher][..], &FAST].concat())
    };
    let (ours, theirs) = (sandbox.path("ours"), sandbox.path("theirs"));
    train(&teacher, &ours).success();
    train(&foreign, &theirs).success();
    assert!(fs::read(ours).unwrap() == fs::read(theirs).unwrap());
    let medium = ["--teacher", &teacher, "--size", "medium"];
    run([&["train", &photos, "--out", &sandbox.path("m")][..], &medium[..]].concat()).refused(
        &format!(
            "{teacher}: this teacher is small, not medium; leave out --size, or give another teacher"
        ),
    );
}

#[test]
fn three_networks_need_good_photos() {
    let sandbox = Sandbox::new();
    let teacher = sandbox.write("teacher", &sequential_teacher());
    let student = sandbox.write("student", &sequential_student());
    let autoencoder = sandbox.write("autoencoder", &sequential_autoencoder());
    let out = sandbox.path("m");
    let import = ["import", &student, &teacher, &autoencoder, "--out", &out];
    run(import).refused(
        "these files lack the statistics of the teacher and the scale of the maps; give --good DIR \
         with the photos of good parts that the networks were trained on",
    );
    let good = sandbox.good_photos("good", 4);
    let printed = run([&import[..], &["--good", &good]].concat()).success();
    assert!(printed.starts_with(&format!("{out}: small model\nthreshold ")), "{printed}");
    let info = run(["info", &out]).success();
    assert!(info.contains("training     by another program\n"), "{info}");
    let photo = format!("{good}/0.png");
    assert!(run(["predict", &out, &photo, "--json"]).json_lines()[0]["anomalous"].is_boolean());
    run(["import", &student, &teacher, "--out", &out])
        .expect(2, &["cannot import: found student and teacher: give a teacher alone"]);
}

#[test]
fn a_whole_model_has_no_threshold_until_it_is_calibrated() {
    let sandbox = Sandbox::new();
    let foreign = sandbox.write("model.safetensors", &anomalib_model());
    let out = sandbox.path("m");
    let imported = run(["import", &foreign, "--out", &out]);
    imported.expect(0, &["has no threshold; give --good DIR"]);
    assert_eq!(imported.stdout, format!("{out}: small model\n"));
    assert!(run(["info", &out]).success().contains("threshold    none: never calibrated\n"));
    let photo = format!("{}/test/good/0.png", shared().dataset);
    let judged = run(["predict", &out, &photo, "--json"]);
    judged.expect(0, &["the model has no threshold: give --threshold for verdicts\n"]);
    assert!(judged.json_lines()[0]["anomalous"].is_null());
    let table = run(["eval", &out, &shared().dataset]).success();
    assert!(table.contains("the model has no threshold"), "{table}");
    let good = sandbox.good_photos("good", 2);
    let printed = run(["import", &foreign, "--out", &out, "--good", &good]).success();
    assert!(printed.contains("as 2 calibration images are too few"), "{printed}");
}

#[test]
fn files_that_do_not_fit_are_told() {
    let sandbox = Sandbox::new();
    let out = sandbox.path("m");
    let narrow = fixture("pdn_small_state.pth");
    run(["import", &narrow, "--out", &out]).refused(&format!(
        "cannot import: {narrow} has neither 384 (teacher) nor 768 (student) output channels"
    ));
    run(["import", &fixture("anomalib_model.ckpt"), "--out", &out]).expect(
        2,
        &["anomalib_model.ckpt: tensor `teacher.", "belongs to another network or size"],
    );
    run(["import", &fixture("other_network.pth"), "--out", &out])
        .expect(2, &["its tensors (bias, weight) are named like no EfficientAD network"]);
    let teacher = sandbox.write("teacher", &sequential_teacher());
    let photos = sandbox.good_photos("photos", 2);
    run(["import", &teacher, "--out", &out, "--good", &photos])
        .refused("a teacher alone needs no photos: leave out --good, and give it to train");
    assert_eq!(sandbox.names(), ["photos", "teacher"]);
}
