//! A folder of pictures that a file manager shows by falling score.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use efficientad_files::lock_alone;
use efficientad_images::PictureError;

use crate::heat::{make_folder, write_error};
use crate::{JudgedImage, OutputError};

/// Digits after the point of a score in a file name.
const DECIMALS: usize = 4;
/// Bytes of the longest name of a file.
const MAX_NAME: usize = 255;

/// Pictures that get their names once all scores are known: `<rank>_<score>_<kind>_<stem>.png`,
/// rank 1 for the highest score. Those without a name are removed when it is dropped.
#[derive(Debug)]
pub(crate) struct RankedFolder {
    folder: PathBuf,
    pending: Vec<PathBuf>,
    /// Keeps other evaluations out, if folders can be locked here.
    _lock: Option<File>,
}

impl RankedFolder {
    /// Makes the folder; pictures of an earlier ranking, and no other files, are removed from it, and
    /// those that an evaluation left that was killed before it could name them.
    pub(crate) fn create(folder: PathBuf) -> Result<Self, OutputError> {
        make_folder(&folder)?;
        let lock = lock(&folder)?;
        let is_old = |path: &Path| is_ranked(path) || lock.is_some() && is_pending(path);
        let earlier = fs::read_dir(&folder).map_err(|source| write_error(&folder, source))?;
        for path in earlier.flatten().map(|entry| entry.path()).filter(|path| is_old(path)) {
            fs::remove_file(&path).map_err(|source| write_error(&path, source))?;
        }
        Ok(Self { folder, pending: Vec::new(), _lock: lock })
    }

    /// Where to write the next picture.
    pub(crate) fn next(&mut self) -> &Path {
        let path = self.folder.join(format!("{PENDING}{}.png", self.pending.len()));
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

impl Drop for RankedFolder {
    fn drop(&mut self) {
        for path in &self.pending {
            // It has its name by now, or the evaluation failed, and that error matters more.
            let _ = fs::remove_file(path);
        }
    }
}

/// Locks a folder; none where folders can't be opened as files or not be locked.
fn lock(folder: &Path) -> Result<Option<File>, OutputError> {
    let Ok(file) = File::open(folder) else { return Ok(None) };
    match lock_alone(&file) {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(OutputError::InUse(folder.to_owned())),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// How the names of pictures begin that have none yet.
const PENDING: &str = ".pending-";

/// Whether a file is such a picture, or was to become one.
fn is_pending(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let written = name.strip_prefix(PENDING).is_some_and(|rest| rest.ends_with(".png"));
    let half = name.strip_prefix('.').and_then(|name| name.strip_prefix(PENDING));
    written || half.is_some_and(|rest| rest.ends_with(".tmp"))
}

fn ranked_name(rank: usize, digits: usize, image: &JudgedImage) -> String {
    let stem = image.path.file_stem().unwrap_or_default().to_string_lossy();
    // Kinds are paths of folders, or whatever a table says: none may lead to another folder.
    let kind = image.kind.replace(['/', '\\', '\0'], "-");
    let mut name = format!("{rank:0digits$}_{:.DECIMALS$}_{kind}_{stem}", image.score);
    name.truncate(name.floor_char_boundary(MAX_NAME - ".png".len()));
    name + ".png"
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
    fn no_kind_leads_out_of_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("overlays");
        let images = [image("a.png", "Bad/scratch", 2.0), image("b.png", "x/../../..\\y\0", 1.0)];
        rank(&folder, &images);
        let expected = ["1_2.0000_Bad-scratch_a.png", "2_1.0000_x-..-..-..-y-_b.png"];
        assert_eq!(names(&folder), expected);
        assert_eq!(names(root.path()), ["overlays"]);
    }

    #[test]
    fn what_a_killed_evaluation_left_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let left = [".pending-0.png", ".pending-71.png", "..pending-5.png.1-7.tmp"];
        let keep = [".pending", "pending-0.png"];
        for name in left.iter().chain(&keep) {
            fs::write(root.path().join(name), b"").unwrap();
        }
        rank(root.path(), &[image("a.png", "good", 1.0)]);
        assert_eq!(names(root.path()), [".pending", "1_1.0000_good_a.png", "pending-0.png"]);
    }

    #[test]
    fn a_failed_evaluation_leaves_no_picture_without_a_name() {
        let root = tempfile::tempdir().unwrap();
        let mut ranked = RankedFolder::create(root.path().to_owned()).unwrap();
        fs::write(ranked.next(), b"").unwrap();
        drop(ranked);
        assert!(names(root.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn one_evaluation_has_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let mut first = RankedFolder::create(root.path().to_owned()).unwrap();
        fs::write(first.next(), b"").unwrap();
        let second = RankedFolder::create(root.path().to_owned());
        assert!(matches!(second, Err(OutputError::InUse(folder)) if folder == root.path()));
        first.finish(&[image("a.png", "good", 1.0)]).unwrap();
        assert_eq!(names(root.path()), ["1_1.0000_good_a.png"]);
    }

    #[test]
    fn long_names_are_cut() {
        let root = tempfile::tempdir().unwrap();
        let stem = "ü".repeat(125);
        rank(root.path(), &[image(&format!("{stem}.png"), "good", 1.0)]);
        let [name] = &names(root.path())[..] else { panic!("one picture") };
        assert!(name.starts_with("1_1.0000_good_üü") && name.ends_with("ü.png"), "{name}");
        assert!(name.len() > 250, "{name}");
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
