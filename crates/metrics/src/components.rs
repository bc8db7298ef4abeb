//! Connected components of a mask.

use crate::MetricError;
use crate::error::same_length;

/// The connected regions of a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// For each pixel, row by row: 0 outside regions, else the region's number from 1, in reading order of the
    /// regions' first pixels.
    pub labels: Vec<u32>,
    /// Pixels in each region; region `n` is at index `n - 1`.
    pub areas: Vec<u64>,
}

/// Labels the 8-connected regions of a mask of `width × height` pixels, row by row: pixels that touch by side or corner
/// belong together.
///
/// Two passes with union-find; needs little memory besides the result.
///
/// # Errors
/// The mask does not have `width × height` pixels.
pub fn connected_components(
    mask: &[bool],
    width: usize,
    height: usize,
) -> Result<Components, MetricError> {
    same_length(width.saturating_mul(height), mask.len())?;
    let mut parents = vec![0_u32];
    let mut labels = provisional_labels(mask, width, &mut parents);
    let areas = final_labels(&mut labels, &mut parents);
    Ok(Components { labels, areas })
}

/// First pass: each pixel takes the label of a neighbour already seen, and neighbours' labels are joined.
fn provisional_labels(mask: &[bool], width: usize, parents: &mut Vec<u32>) -> Vec<u32> {
    let mut labels = vec![0_u32; mask.len()];
    for index in (0..mask.len()).filter(|&index| mask[index]) {
        let (x, y) = (index % width, index / width);
        let mut label = 0;
        let neighbours = [
            (x > 0).then(|| index - 1),
            (x > 0 && y > 0).then(|| index - width - 1),
            (y > 0).then(|| index - width),
            (y > 0 && x + 1 < width).then(|| index - width + 1),
        ];
        for neighbour in neighbours.into_iter().flatten().map(|at| labels[at]).filter(|&at| at > 0)
        {
            label = if label == 0 { neighbour } else { join(parents, label, neighbour) };
        }
        if label == 0 {
            label = parents.len() as u32;
            parents.push(label);
        }
        labels[index] = label;
    }
    labels
}

/// Second pass: replaces each label by its root's final number and counts areas.
fn final_labels(labels: &mut [u32], parents: &mut [u32]) -> Vec<u64> {
    let mut numbers = vec![0_u32; parents.len()];
    let mut areas = Vec::new();
    for label in labels.iter_mut().filter(|label| **label > 0) {
        let number = &mut numbers[root(parents, *label) as usize];
        if *number == 0 {
            areas.push(0);
            *number = areas.len() as u32;
        }
        *label = *number;
        areas[*number as usize - 1] += 1;
    }
    areas
}

fn join(parents: &mut [u32], a: u32, b: u32) -> u32 {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b) as usize] = a.min(b);
    a.min(b)
}

fn root(parents: &mut [u32], mut label: u32) -> u32 {
    while parents[label as usize] != label {
        let grandparent = parents[parents[label as usize] as usize];
        parents[label as usize] = grandparent;
        label = grandparent;
    }
    label
}
