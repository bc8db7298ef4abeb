//! How the threshold came about and what it promises, in words.

use efficientad::{Basis, ModelInfo, Threshold};

use crate::text::{self, Share};

/// The page's section on the threshold.
#[derive(Debug)]
pub(crate) struct Promise {
    /// How it was chosen, sentence by sentence.
    pub origin: Vec<String>,
    /// What follows from that for further good images.
    pub promises: Vec<String>,
    /// What the good images of this evaluation say to that.
    pub check: Option<Check>,
}

/// The promise against the good images of an evaluation.
#[derive(Debug, PartialEq)]
pub(crate) struct Check {
    pub text: String,
    /// Whether more good images were rejected than the promise can explain.
    pub broken: bool,
}

impl Promise {
    /// `rejected` counts the good images of the evaluation that were called anomalous.
    pub fn of(threshold: &Threshold, model: &ModelInfo, rejected: &Share) -> Self {
        Self {
            origin: origin(threshold, model),
            promises: promises(threshold),
            check: (threshold.images > 0 && rejected.total > 0).then(|| check(threshold, rejected)),
        }
    }
}

fn origin(threshold: &Threshold, model: &ModelInfo) -> Vec<String> {
    let value = text::score(threshold.value);
    let images = text::counted(threshold.images, "good image", "good images");
    let rate = threshold.false_reject.map(|rate| text::percent(rate.get())).unwrap_or_default();
    let needed = threshold.images_needed.unwrap_or_default();
    let source = match &model.calibration {
        Some(_) => format!("{images} that the model was calibrated on after its training"),
        None => format!("{images} that were held back from training"),
    };
    match threshold.basis {
        Basis::DistributionFree => vec![
            format!("The threshold {value} comes from the scores of {source}."),
            format!(
                "It is the lowest one for which these images show that at most {rate} of good \
                 images are rejected; {needed} images are the fewest that can show this."
            ),
        ],
        Basis::OnAverage => {
            let reaching = threshold.above;
            vec![
                format!("The threshold {value} comes from the scores of {source}."),
                format!(
                    "It is the lowest one that {reaching} of these images reach, so that a further good image \
                     is rejected with a probability of at most {rate}, on average over all such choices. \
                     With 95 % confidence that can be shown from {needed} images on, of a higher threshold."
                ),
            ]
        }
        Basis::Tail => vec![
            format!("The threshold {value} comes from the scores of {source}."),
            format!(
                "The wish was that at most {rate} of good images are rejected. These images are too \
                 few to show that; {needed} would do."
            ),
            format!(
                "The threshold is therefore where a further good image would be rejected with a probability of \
                 {rate} if scores fell off beyond the highest of these as they do below. Whether they do is \
                 not known."
            ),
        ],
        Basis::Normal => vec![
            format!("The threshold {value} comes from the scores of {source}."),
            format!(
                "The wish was that at most {rate} of good images are rejected. {images} are too \
                 few to show that; {needed} would do."
            ),
            format!(
                "The threshold is therefore where a further good image would be rejected with a \
                 probability of {rate} if scores of good images were normally distributed, and \
                 above the highest of these scores. Whether they are normally distributed is not \
                 known."
            ),
        ],
        Basis::SingleImage => vec![
            format!(
                "The threshold {value} is twice the score of the only good image that there was \
                 to choose it by: an arbitrary value."
            ),
            format!("To show that at most {rate} of good images are rejected takes {needed}."),
        ],
        Basis::Given => vec![format!("The threshold {value} was given by the user.")],
    }
}

fn promises(threshold: &Threshold) -> Vec<String> {
    if threshold.images == 0 {
        return vec![
            "Nothing is promised: the model keeps no scores of good images to hold it against."
                .to_owned(),
        ];
    }
    let Threshold { images, above, bound, confidence, expected, .. } = threshold;
    let confidence = format!("{:.0}\u{a0}%", 100.0 * confidence);
    let reach = match above {
        0 => format!("None of these {images} images reaches it"),
        above => format!("At most {above} of these {images} images reach it"),
    };
    let mut promises = vec![format!(
        "{reach}. So at most {} of all good images do, with {confidence} confidence, however their \
         scores are distributed.",
        text::percent_at_most(*bound)
    )];
    if let Some(expected) = expected {
        promises.push(format!(
            "Averaged over all sets of images that could have been chosen, a further good image is \
             rejected with a probability of {} at most.",
            text::percent_at_most(*expected)
        ));
    }
    if threshold.basis == Basis::Given {
        promises.push(
            "This holds if the threshold was not chosen by looking at these images.".to_owned(),
        );
    }
    promises.push(
        "This speaks of good images like those the threshold comes from: same parts, camera, lens \
         and light. It says nothing of how many defects are found."
            .to_owned(),
    );
    promises
}

fn check(threshold: &Threshold, rejected: &Share) -> Check {
    let (lowest, _) = rejected.bounds();
    let broken = lowest > threshold.bound;
    let counts = format!(
        "{} of the {} good images of this evaluation were rejected ({})",
        rejected.hits,
        rejected.total,
        rejected.percent()
    );
    let text = if broken {
        format!(
            "{counts}, more than the promise can explain: it holds for a rate of at most {}, and \
             these images speak for {} at least. Parts, camera or light have changed, or the \
             images that the threshold comes from were not typical. Calibrate anew before the \
             model decides anything.",
            text::percent_at_most(threshold.bound),
            text::percent(lowest)
        )
    } else {
        format!("{counts}, which does not contradict the promise.")
    };
    Check { text, broken }
}
