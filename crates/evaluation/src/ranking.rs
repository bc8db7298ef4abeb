//! A folder of pictures that a file manager shows by falling score.

use std::fs;
use std::path::{Path, PathBuf};

use efficientad_images::PictureError;

use crate::JudgedImage;
use crate::heat::{make_folder, write_error};

/// Digits after the point of a score in a file name.
const DECIMALS: usize = 4;

/// Pictures that get their names once all scores are known: `<rank>_<score>_<kind>_<stem>.png`,
/// rank 1 for the highest score.
#[derive(Debug)]
pub(crate) struct RankedFolder {
    folder: PathBuf,
    pending: Vec<PathBuf>,
}

impl RankedFolder {
    /// Makes the folder; pictures of an earlier ranking, and no other files, are removed from it.
    pub(crate) fn create(folder: PathBuf) -> Result<Self, PictureError> {
        make_folder(&folder)?;
        let earlier = fs::read_dir(&folder).map_err(|source| write_error(&folder, source))?;
        for entry in earlier.flatten().filter(|entry| is_ranked(&entry.path())) {
            let path = entry.path();
            fs::remove_file(&path).map_err(|source| write_error(&path, source))?;
        }
        Ok(Self { folder, pending: Vec::new() })
    }

    /// Where to write the next picture.
    pub(crate) fn next(&mut self) -> &Path {
        let path = self.folder.join(format!(".pending-{}.png", self.pending.len()));
        self.pending.push(path);
        &self.pending[self.pending.len() - 1]
    }

    /// Names the pictures, one for each of `images`, in the order in which they were written.
    pub(crate) fn finish(self, images: &[JudgedImage]) -> Result<(), PictureError> {
        let digits = images.len().to_string().len();
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.sort_by(|&a, &b| images[b].score.total_cmp(&images[a].score));
        for (rank, index) in order.into_iter().enumerate() {
            let path = self.folder.join(ranked_name(rank + 1, digits, &images[index]));
            fs::rename(&self.pending[index], &path).map_err(|source| write_error(&path, source))?;
        }
        Ok(())
    }
}

fn ranked_name(rank: usize, digits: usize, image: &JudgedImage) -> String {
    let stem = image.path.file_stem().unwrap_or_default().to_string_lossy();
    format!("{rank:0digits$}_{:.DECIMALS$}_{}_{stem}.png", image.score, image.kind)
}

/// Whether a file is named as [`ranked_name`] does.
fn is_ranked(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut parts = name.splitn(3, '_');
    let rank = parts.next().is_some_and(|rank| rank.bytes().all(|byte| byte.is_ascii_digit()));
    let score = parts.next().and_then(|score| score.rsplit_once('.'));
    let score = score.is_some_and(|(whole, decimals)| {
        whole.parse::<f32>().is_ok()
            && decimals.len() == DECIMALS
            && decimals.bytes().all(|byte| byte.is_ascii_digit())
    });
    rank && score && parts.next().is_some_and(|rest| rest.ends_with(".png"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(path: &str, kind: &str, score: f32) -> JudgedImage {
        let defective = kind != "good";
        JudgedImage {
            path: path.into(),
            kind: kind.into(),
            defective,
            score,
            anomalous: None,
            p_value: None,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn rank(folder: &Path, images: &[JudgedImage]) {
        let mut ranked = RankedFolder::create(folder.to_owned()).unwrap();
        for image in images {
            fs::write(ranked.next(), image.kind.as_bytes()).unwrap();
        }
        ranked.finish(images).unwrap();
    }

    #[test]
    fn pictures_are_named_by_falling_score() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("deep/overlays");
        let images = [
            image("test/good/0.png", "good", -0.02),
            image("test/crack/1.png", "crack", 12.5),
            image("test/big_dent/2.jpg", "big_dent", 0.25),
        ];
        rank(&folder, &images);
        let expected = ["1_12.5000_crack_1.png", "2_0.2500_big_dent_2.png", "3_-0.0200_good_0.png"];
        assert_eq!(names(&folder), expected);
        assert_eq!(fs::read(folder.join(expected[0])).unwrap(), b"crack");
    }

    #[test]
    fn an_earlier_ranking_makes_way_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let keep = ["1_photo_of_me.png", "notes.txt", "2_0.5_x.png", "a_0.5000_x.png"];
        for name in keep {
            fs::write(root.path().join(name), b"mine").unwrap();
        }
        rank(root.path(), &[image("a.png", "good", 1.0), image("b.png", "good", 2.0)]);
        rank(root.path(), &[image("c.png", "good", 3.0)]);
        let mut expected = keep.map(str::to_owned).to_vec();
        expected.push("1_3.0000_good_c.png".to_owned());
        expected.sort();
        assert_eq!(names(root.path()), expected);
    }
}
