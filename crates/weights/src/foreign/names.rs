//! Which network a set of tensor names belongs to, and what each tensor is called in a model file.

use std::collections::BTreeSet;

use super::Part;
use crate::Cause;

/// Convolutions of a patch description network as a plain `nn.Sequential`: their layer indices.
const PDN_SMALL_LAYERS: [usize; 4] = [0, 3, 6, 8];
const PDN_MEDIUM_LAYERS: [usize; 6] = [0, 3, 6, 8, 10, 12];

/// The same for the autoencoder.
const ENCODER_LAYERS: [usize; 6] = [0, 2, 4, 6, 8, 10];
const DECODER_LAYERS: [usize; 8] = [12, 16, 20, 24, 28, 32, 36, 38];

/// anomalib's names of the statistics, and ours.
const STATISTICS: [(&str, &str); 6] = [
    ("mean_std.mean", "teacher.mean"),
    ("mean_std.std", "teacher.std"),
    ("quantiles.qa_st", "quantiles.st_a"),
    ("quantiles.qb_st", "quantiles.st_b"),
    ("quantiles.qa_ae", "quantiles.ae_a"),
    ("quantiles.qb_ae", "quantiles.ae_b"),
];

/// How many names an error lists.
const LISTED: usize = 6;

/// The network that names were recognised as.
pub(super) struct Layout {
    /// Which part of the method it is.
    pub(super) part: Part,
    /// Each tensor's name in the file, and its canonical name.
    pub(super) names: Vec<(String, String)>,
}

/// A layout before it is compared with the names that are there.
struct Candidate {
    title: &'static str,
    part: Part,
    /// Names without the file's prefix, and canonical names.
    names: Vec<(String, String)>,
    /// Under these prefixes there may be no other names.
    closed: &'static [&'static str],
}

/// Recognises the layout of the given names.
///
/// # Errors
/// [`Cause::UnknownLayout`], [`Cause::MissingLayers`], [`Cause::DuplicateName`].
pub(super) fn recognise<'a>(names: impl Iterator<Item = &'a str>) -> Result<Layout, Cause> {
    let names: Vec<&str> = names.collect();
    let mut bare = BTreeSet::new();
    for name in &names {
        if !bare.insert(without_prefix(name)) {
            return Err(Cause::DuplicateName(without_prefix(name).to_owned()));
        }
    }
    let candidate =
        candidate(&bare).ok_or_else(|| Cause::UnknownLayout(list(names.iter().copied())))?;
    check(&candidate, &bare)?;
    let full = |bare: &str| {
        names.iter().find(|name| without_prefix(name) == bare).map(|name| (*name).to_owned())
    };
    let pairs =
        candidate.names.into_iter().filter_map(|(name, canonical)| Some((full(&name)?, canonical)));
    Ok(Layout { part: candidate.part, names: pairs.collect() })
}

/// Lightning puts `model.` before a network's names, and anomalib's exports once more.
fn without_prefix(name: &str) -> &str {
    name.trim_start_matches("model.")
}

/// The layout that a telling name points to.
fn candidate(names: &BTreeSet<&str>) -> Option<Candidate> {
    if names.contains("teacher.conv1.weight") {
        let depth = if names.contains("teacher.conv5.weight") { 6 } else { 4 };
        Some(whole_model(depth))
    } else if names.contains("conv1.weight") {
        let depth = if names.contains("conv5.weight") { 6 } else { 4 };
        Some(named_pdn(depth))
    } else if names.contains("16.weight") {
        Some(sequential_autoencoder())
    } else if names.contains("10.weight") {
        Some(sequential_pdn("nelson1425's PDN-M", &PDN_MEDIUM_LAYERS))
    } else if names.contains("0.weight") {
        Some(sequential_pdn("nelson1425's PDN-S", &PDN_SMALL_LAYERS))
    } else {
        None
    }
}

fn sequential_pdn(title: &'static str, layers: &[usize]) -> Candidate {
    Candidate { title, part: Part::Pdn, names: sequential(layers, ""), closed: &[""] }
}

fn named_pdn(depth: usize) -> Candidate {
    let names = numbered("", "conv", "", depth);
    Candidate { title: "anomalib's teacher", part: Part::Pdn, names, closed: &[""] }
}

fn sequential_autoencoder() -> Candidate {
    let mut names = sequential(&ENCODER_LAYERS, "autoencoder.encoder.");
    names.extend(sequential(&DECODER_LAYERS, "autoencoder.decoder."));
    Candidate { title: "nelson1425's autoencoder", part: Part::Autoencoder, names, closed: &[""] }
}

fn whole_model(depth: usize) -> Candidate {
    let mut names = numbered("teacher.", "conv", "teacher.", depth);
    names.extend(numbered("student.", "conv", "student.", depth));
    names.extend(numbered("ae.encoder.", "enconv", "autoencoder.encoder.", ENCODER_LAYERS.len()));
    names.extend(numbered("ae.decoder.", "deconv", "autoencoder.decoder.", DECODER_LAYERS.len()));
    names.extend(STATISTICS.map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned())));
    let closed = &["teacher.", "student.", "ae."];
    Candidate { title: "anomalib's EfficientAD", part: Part::WholeModel, names, closed }
}

/// Weight and bias of the layers with these indices, called `conv1`, `conv2` … behind `ours`.
fn sequential(layers: &[usize], ours: &str) -> Vec<(String, String)> {
    let layers = layers.iter().enumerate();
    layers
        .flat_map(|(k, layer)| weight_and_bias(&layer.to_string(), &format!("{ours}conv{}", k + 1)))
        .collect()
}

/// Weight and bias of the layers `word1`, `word2` … behind `theirs`, called `conv1`, `conv2` … behind `ours`.
fn numbered(theirs: &str, word: &str, ours: &str, depth: usize) -> Vec<(String, String)> {
    (1..=depth)
        .flat_map(|k| weight_and_bias(&format!("{theirs}{word}{k}"), &format!("{ours}conv{k}")))
        .collect()
}

fn weight_and_bias(theirs: &str, ours: &str) -> [(String, String); 2] {
    ["weight", "bias"].map(|kind| (format!("{theirs}.{kind}"), format!("{ours}.{kind}")))
}

fn check(candidate: &Candidate, names: &BTreeSet<&str>) -> Result<(), Cause> {
    let known: BTreeSet<&str> = candidate.names.iter().map(|(name, _)| name.as_str()).collect();
    let missing: Vec<&str> = known.difference(names).copied().collect();
    if !missing.is_empty() {
        return Err(Cause::MissingLayers {
            layout: candidate.title,
            missing: list(missing.into_iter()),
        });
    }
    let closed = |name: &&&str| candidate.closed.iter().any(|prefix| name.starts_with(prefix));
    let extra: Vec<&str> = names.difference(&known).filter(closed).copied().collect();
    if extra.is_empty() { Ok(()) } else { Err(Cause::UnknownLayout(list(extra.into_iter()))) }
}

/// The first few names, and whether there are more.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = if names.len() > LISTED { ", …" } else { "" };
    let names: Vec<&str> = names.take(LISTED).collect();
    format!("{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pdn_names(layers: &[usize]) -> Vec<String> {
        layers
            .iter()
            .flat_map(|layer| ["weight", "bias"].map(|kind| format!("{layer}.{kind}")))
            .collect()
    }

    fn recognised(names: &[String]) -> Result<Layout, Cause> {
        recognise(names.iter().map(String::as_str))
    }

    #[test]
    fn layer_indices_tell_the_network() {
        assert_eq!(recognised(&pdn_names(&PDN_SMALL_LAYERS)).unwrap().names.len(), 8);
        let medium = recognised(&pdn_names(&PDN_MEDIUM_LAYERS)).unwrap();
        assert_eq!(medium.part, Part::Pdn);
        assert_eq!(medium.names[10], ("12.weight".to_owned(), "conv6.weight".to_owned()));
        let layers = [&ENCODER_LAYERS[..], &DECODER_LAYERS[..]].concat();
        assert_eq!(recognised(&pdn_names(&layers)).unwrap().part, Part::Autoencoder);
    }

    #[test]
    fn a_medium_whole_model_is_recognised_under_prefixes() {
        let names: Vec<String> = whole_model(6)
            .names
            .into_iter()
            .map(|(name, _)| format!("model.model.{name}"))
            .collect();
        let layout = recognised(&names).unwrap();
        assert_eq!(layout.part, Part::WholeModel);
        assert_eq!(layout.names.len(), 2 * 12 + 28 + 6);
        assert_eq!(
            layout.names[11],
            ("model.model.teacher.conv6.bias".to_owned(), "teacher.conv6.bias".to_owned())
        );
    }

    #[test]
    fn other_names_are_refused_with_their_beginning() {
        let names: Vec<String> = (1..9).map(|k| format!("layer{k}")).collect();
        let Err(Cause::UnknownLayout(list)) = recognised(&names) else { panic!("accepted") };
        assert_eq!(list, "layer1, layer2, layer3, layer4, layer5, layer6, …");
    }

    #[test]
    fn missing_and_extra_layers_are_refused() {
        let Err(Cause::MissingLayers { missing, .. }) = recognised(&pdn_names(&[0, 3, 6])) else {
            panic!("accepted")
        };
        assert_eq!(missing, "8.bias, 8.weight");
        let Err(Cause::UnknownLayout(list)) = recognised(&pdn_names(&[0, 1, 3, 6, 8])) else {
            panic!("accepted")
        };
        assert_eq!(list, "1.bias, 1.weight");
        let mut names: Vec<String> =
            whole_model(4).names.into_iter().map(|(name, _)| name).collect();
        names.push("image_threshold.value".to_owned());
        assert!(recognised(&names).is_ok());
        names.push("ae.norm.weight".to_owned());
        assert!(
            matches!(recognised(&names), Err(Cause::UnknownLayout(list)) if list == "ae.norm.weight")
        );
    }

    #[test]
    fn one_name_under_two_prefixes_is_refused() {
        let mut names = pdn_names(&PDN_SMALL_LAYERS);
        names.push("model.0.bias".to_owned());
        assert!(matches!(recognised(&names), Err(Cause::DuplicateName(name)) if name == "0.bias"));
    }
}
