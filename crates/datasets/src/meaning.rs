//! What people mean by the names that they give to folders and photos.

use std::collections::BTreeSet;
use std::path::Path;

/// What a name says; most say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// What is said of the parts.
    pub label: Option<Label>,
    /// Which part of a data set it is.
    pub part: Option<Part>,
    /// Whether these are masks.
    pub masks: bool,
}

/// What a name says of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Good,
    Bad,
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Train,
    Validation,
    Test,
    /// Test photos whose truth is not published.
    Unlabelled,
}

/// Words for good parts, a line for each language.
const GOOD: &str = "
    good ok okay normal normals pass passed flawless intact conforming acceptable accepted
    gut
    bon bons bonne bonnes conforme conformes
    buono buoni buona buone conformi
    bueno buenos buena buenas
    goed goede goedgekeurd
    dobry dobre dobra
    合格 合格品 良品 正常 正常品
    양품 정상";
const BAD: &str = "
    bad ng nok ko abnormal anomaly anomalies anomalous defect defects defective defected fail failed faulty fault faults
    reject rejects rejected scrap rework damaged scratched cracked unacceptable nonconforming
    schlecht fehler fehlerhaft defekt ausschuss
    mauvais mauvaise mauvaises défaut défauts defaut defauts défectueux defectueux rebut rebuts
    difetto difetti difettoso difettosi scarto scarti
    malo malos mala malas defecto defectos defectuoso defectuosos rechazado rechazados
    ruim ruins defeito defeitos defeituoso defeituosos rejeitado rejeitados
    fout fouten slecht slechte afkeur afgekeurd
    zły złe zła wada wady wadliwe
    hatalı hatali kusurlu
    不合格 不合格品 不良 不良品 不正常 非正常 非良品 缺陷 缺陷品 异常 異常 欠陥 瑕疵
    불량 불량품 결함 비정상";
/// Names that mean something only as a whole: `i.O.` and `n.i.O.` of German shop floors.
const GOOD_WHOLE: &str = "io";
const BAD_WHOLE: &str = "nio";
const MASKS: &[&str] = &["mask", "masks", "maske", "masken", "groundtruth", "gt"];
const TRAIN: &[&str] = &["train", "training", "trainset"];
const VALIDATION: &[&str] = &["validation", "val", "valid"];
const TEST: &[&str] = &["test", "testing", "testset"];
/// MVTec AD 2's `test_private` and `test_private_mixed`.
const UNLABELLED: &str = "private";
const NOT: &[&str] = &[
    "no", "non", "not", "isn", "isnt", "without", "ohne", "kein", "keine", "nicht", "sans", "senza",
];
/// Before a good word only: `N.OK`, but `good_n_bad` has both, and a PAS or NIE may well be a machine.
const NOT_GOOD: &[&str] = &["n", "pas", "niet", "geen", "nie"];
/// What may stand between a word and what denies it: `not so good`, `isn't good`.
const FILLERS: &[&str] = &["so", "t", "very", "quite", "really"];
/// A positive test may be one that found a defect, or one that was passed.
const OPPOSITES: [[&str; 2]; 4] =
    [["positive", "negative"], ["positives", "negatives"], ["positiv", "negativ"], ["pos", "neg"]];
const FREE: &[&str] = &["free", "frei"];

/// What a folder's name, or a word of a table, says.
///
/// Words end at whatever is neither letter nor digit, and where a capital follows a small letter; digits
/// around a word, and case otherwise, tell nothing. A good and a bad word in one name make it bad: nothing
/// is trained on that may be.
pub(crate) fn of(name: &str) -> Meaning {
    of_words(&separate_words(name).flat_map(split_at_capitals).collect::<Vec<_>>())
}

/// What a name says that a machine may have given, as those of photos and of a data set's own folder: as
/// [`of`], but capitals end no word. `tmp4NGx` and `aBcNgX` say nothing.
pub(crate) fn of_machine_name(name: &str) -> Meaning {
    of_words(&separate_words(name).map(str::to_lowercase).collect::<Vec<_>>())
}

fn of_words(words: &[String]) -> Meaning {
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let whole = words.concat();
    let is_whole = |list: &[&str]| list.contains(&whole.as_str());
    let label = label(words, &whole);
    let part = if has(TEST) && words.iter().any(|word| word == UNLABELLED) {
        Some(Part::Unlabelled)
    } else if has(TRAIN) {
        Some(Part::Train)
    } else if has(TEST) {
        Some(Part::Test)
    } else if has(VALIDATION) && (label.is_some() || is_whole(VALIDATION)) {
        Some(Part::Validation)
    } else {
        None
    };
    let masks = has(MASKS) || words.windows(2).any(|pair| pair == ["ground", "truth"]);
    Meaning { label, part, masks }
}

/// What the names on a way of folders say together: as in one name, bad outweighs good.
pub(crate) fn of_way(way: &Path) -> Meaning {
    let names = way.iter().map(|name| of(&name.to_string_lossy()));
    names.fold(Meaning::default(), |all, name| Meaning {
        label: match (all.label, name.label) {
            (Some(Label::Bad), _) | (_, Some(Label::Bad)) => Some(Label::Bad),
            (all, name) => all.or(name),
        },
        part: all.part.or(name.part),
        masks: all.masks || name.masks,
    })
}

fn label(words: &[String], whole: &str) -> Option<Label> {
    if whole == GOOD_WHOLE {
        return Some(Label::Good);
    }
    if whole == BAD_WHOLE {
        return Some(Label::Bad);
    }
    let said = words.iter().enumerate().filter_map(|(at, word)| {
        let good = is_one_of(GOOD, word);
        let is_in = |list: &'static [&str]| move |word: &&String| list.contains(&word.as_str());
        let before = words[..at].iter().rev().find(|word| !is_in(FILLERS)(word));
        let after = words.get(at + 1);
        let negated = before
            .is_some_and(|word| is_in(NOT)(&word) || good && is_in(NOT_GOOD)(&word))
            || after.is_some_and(|word| is_in(FREE)(&word));
        (good || is_one_of(BAD, word)).then_some(good != negated)
    });
    said.reduce(|all, good| all && good).map(|good| if good { Label::Good } else { Label::Bad })
}

fn is_one_of(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|one| one == word)
}

/// Whether one of some names means the opposite of another, though each alone may mean a good part or a defect.
pub(crate) fn are_opposites<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    let words: BTreeSet<String> = names.flat_map(separate_words).map(str::to_lowercase).collect();
    OPPOSITES.iter().any(|pair| pair.iter().all(|word| words.contains(*word)))
}

/// The words of a name, without digits around them. What has digits within is no word.
fn separate_words(name: &str) -> impl Iterator<Item = &str> {
    let words = name.split(|letter: char| !letter.is_alphanumeric());
    let words = words.map(|word| word.trim_matches(|letter: char| letter.is_numeric()));
    words.filter(|word| !word.is_empty() && word.chars().all(char::is_alphabetic))
}

/// The parts of a word that begin with a capital after a small letter, in lower case.
fn split_at_capitals(word: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_small = false;
    for letter in word.chars() {
        if was_small && letter.is_uppercase() {
            parts.push(String::new());
        }
        parts.last_mut().into_iter().for_each(|part| part.extend(letter.to_lowercase()));
        was_small = letter.is_lowercase();
    }
    parts
}

/// What follows a photo's name in the name of its mask.
const MASK_ENDINGS: [&str; 7] =
    ["_mask", "_gt", "_label", "_ground_truth", "_groundtruth", "-mask", "_segmentation"];

/// What may follow it, too, but says so only where that photo is there.
const MASK_ENDINGS_BESIDE: [&str; 10] = [
    "_masks",
    "_labels",
    "-gt",
    "-label",
    "_seg",
    "-seg",
    "_annotation",
    "-annotation",
    ".mask",
    "mask",
];

/// The name, in lower case, of the photo that a file's stem says it is the mask of.
pub(crate) fn masked_photo(stem: &str) -> Option<String> {
    without_ending(&stem.to_lowercase(), &MASK_ENDINGS)
}

/// The same of a file beside photos of these stems in lower case.
pub(crate) fn masked_photo_beside(stem: &str, stems: &BTreeSet<String>) -> Option<String> {
    let stem = stem.to_lowercase();
    let photo = |endings: &[&str]| without_ending(&stem, endings).filter(|it| stems.contains(it));
    photo(&MASK_ENDINGS).or_else(|| photo(&MASK_ENDINGS_BESIDE))
}

fn without_ending(stem: &str, endings: &[&str]) -> Option<String> {
    let photo = endings.iter().find_map(|ending| stem.strip_suffix(ending));
    photo.map(|photo| photo.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_good_and_bad_parts() {
        for name in [
            "good",
            "OK",
            "Ok_parts",
            "goodParts",
            "normal",
            "train_good",
            "no_defects",
            "defect-free",
            "NonDefective",
            "i.O.",
            "iO",
            "良品",
            "ok2024",
            "Anomaly free",
            "pass",
            "not damaged",
            "isn't scratched",
            "bonnes pièces",
            "Pezzi buoni",
            "goed",
            "sans défaut",
            "양품",
        ] {
            assert_eq!(of(name).label, Some(Label::Good), "{name}");
        }
        for name in [
            "NG",
            "ko",
            "NOK",
            "bad",
            "Defects",
            "abnormal",
            "not_good",
            "n.i.O.",
            "NG_no_3",
            "NotOK",
            "ng-scratch",
            "不良品",
            "good_and_bad",
            "test_bad",
            "nicht gut",
            "rejects",
            "N.OK",
            "N-OK",
            "n ok",
            "good_n_bad",
            "not-so-good",
            "isn't good",
            "OK_but_scratched",
            "OK-Rework",
            "non conforme",
            "pas bon",
            "niet goed",
            "Défauts",
            "pezzi difettosi",
            "DEFECTOS",
            "fout",
            "PAS_NG",
            "ZŁE",
            "불량",
            "異常",
        ] {
            assert_eq!(of(name).label, Some(Label::Bad), "{name}");
        }
        for name in [
            "bottle",
            "books",
            "token",
            "string",
            "line-1",
            "2024-05-01",
            "nokia",
            "ion",
            "badge",
            "okra",
            "bonus",
            "malt",
        ] {
            assert_eq!(of(name), Meaning::default(), "{name}");
        }
    }

    #[test]
    fn some_names_say_only_that_they_are_opposites() {
        for (names, expected) in [
            (&["Positive", "Negative"][..], true),
            (&["1_neg", "2_pos", "3"], true),
            (&["positive", "positives"], false),
            (&["pos1", "pos2"], false),
            (&["posterior", "negligee"], false),
        ] {
            assert_eq!(are_opposites(names.iter().copied()), expected, "{names:?}");
        }
    }

    #[test]
    fn names_that_machines_gave_say_nothing_by_accident() {
        for name in [".tmp4NGx", "aB3NG7x", "aBcNgX", "tmpabNG", "3ok9z", "kO7gt1"] {
            assert_eq!(of_machine_name(name), Meaning::default(), "{name}");
        }
        assert_eq!(of("x3NG7").label, None);
        for name in ["ng_01", "IMG NG12", "7-defect", "NG"] {
            assert_eq!(of_machine_name(name).label, Some(Label::Bad), "{name}");
        }
    }

    #[test]
    fn names_of_parts_and_masks() {
        for (name, part) in [
            ("Train", Part::Train),
            ("test_public", Part::Test),
            ("test_private_mixed", Part::Unlabelled),
            ("VAL", Part::Validation),
        ] {
            assert_eq!(of(name).part, Some(part), "{name}");
        }
        assert_eq!(of("valve-7").part, None);
        for name in ["MASK", "ground_truth", "GroundTruth", "Masks", "gt", "ng_masks"] {
            assert!(of(name).masks, "{name}");
        }
        assert!(!of("unmasked").masks);
    }

    #[test]
    fn masks_name_their_photos() {
        for (stem, photo) in [
            ("Part0_label", Some("part0")),
            ("10000_GT", Some("10000")),
            ("mask", None),
            ("a", None),
        ] {
            assert_eq!(masked_photo(stem).as_deref(), photo, "{stem}");
        }
        let stems = BTreeSet::from(["9000".to_owned()]);
        for stem in ["9000_seg", "9000-annotation", "9000mask", "9000 Mask", "9000.mask", "9000_GT"]
        {
            assert_eq!(masked_photo_beside(stem, &stems).as_deref(), Some("9000"), "{stem}");
        }
        for stem in ["9000", "9001_seg", "gasmask"] {
            assert_eq!(masked_photo_beside(stem, &stems), None, "{stem}");
        }
    }
}
