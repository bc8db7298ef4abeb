//! What a folder holds besides images.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use efficientad_images::is_unread_image_extension;

/// Visible files that are not taken for images, counted by their extensions; pipes, sockets and devices, too, whatever
/// they are called.
///
/// It reads as `2 .gif, 1 .txt, 1 without extension`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// By extension in lower case; empty for none.
    counts: BTreeMap<String, usize>,
}

impl LeftOut {
    /// Counts a file.
    pub fn add(&mut self, path: &Path) {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        *self.counts.entry(extension).or_default() += 1;
    }

    /// Counts what another has counted.
    pub fn extend(&mut self, other: &Self) {
        for (extension, count) in &other.counts {
            *self.counts.entry(extension.clone()).or_default() += count;
        }
    }

    /// How many files there are.
    pub fn count(&self) -> usize {
        self.counts.values().sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Extensions in lower case without the dot, sorted, and their numbers of files.
    pub fn by_extension(&self) -> impl Iterator<Item = (&str, usize)> {
        self.counts.iter().map(|(extension, &count)| (extension.as_str(), count))
    }

    /// Those of them that are pictures by their names, of formats that are not read: a user may take
    /// them for judged.
    pub fn pictures(&self) -> Self {
        let is_picture =
            |extension: &str| is_unread_image_extension(Path::new(&format!("x.{extension}")));
        let counts = self.by_extension().filter(|(extension, _)| is_picture(extension));
        Self { counts: counts.map(|(extension, count)| (extension.to_owned(), count)).collect() }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (extension, count)) in self.by_extension().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            match extension {
                "" => write!(f, "{comma}{count} without extension")?,
                _ => write!(f, "{comma}{count} .{extension}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_kind() {
        let mut left_out = LeftOut::default();
        assert!(left_out.is_empty() && left_out.to_string().is_empty());
        for name in ["a/1.gif", "2.GIF", "notes.txt", "Makefile", "3.heic"] {
            left_out.add(Path::new(name));
        }
        assert_eq!(left_out.to_string(), "1 without extension, 2 .gif, 1 .heic, 1 .txt");
        assert_eq!(
            (left_out.count(), left_out.pictures().to_string()),
            (5, "2 .gif, 1 .heic".into())
        );
        let more = left_out.clone();
        left_out.extend(&more);
        assert_eq!(left_out.by_extension().collect::<Vec<_>>()[1], ("gif", 4));
    }
}
