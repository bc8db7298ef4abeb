//! The record of a verdict, and its forms for people and for spreadsheets.

use efficientad::{EngineId, Inspection, Region};
use serde::{Deserialize, Serialize};

/// What an inspection says about a photo, without the anomaly map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The largest value of the anomaly map.
    pub score: f32,
    /// Whether the score reaches the threshold; `None` without threshold.
    pub anomalous: Option<bool>,
    /// How probable such a score is for a good image, from 0 to 1; `None` without calibration scores.
    pub p_value: Option<f64>,
    /// Number of regions where the map reaches the threshold; `None` without threshold, or if
    /// regions are not recorded.
    #[serde(default)]
    pub region_count: Option<usize>,
    /// Those of the highest peaks, [`MAX_REGIONS`](efficientad::MAX_REGIONS) at most; `None` as the
    /// number is.
    #[serde(default)]
    pub regions: Option<Vec<Region>>,
}

/// The verdict on a photo that has a name: a line of `efficientad predict --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// The photo's path, or another name of it.
    pub path: String,
    /// What is said about it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The arithmetic that it was computed with; `None` in records of programs that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineId>,
}

impl From<&Inspection> for Verdict {
    fn from(inspection: &Inspection) -> Self {
        let Inspection { score, anomalous, p_value, ref regions, .. } = *inspection;
        Self {
            score,
            anomalous,
            p_value,
            region_count: regions.as_ref().map(|regions| regions.count),
            regions: regions.as_ref().map(|regions| regions.listed.clone()),
        }
    }
}

impl Verdict {
    /// The names of the fields of [`csv`](Self::csv).
    pub const CSV_HEADER: &str = "path,score,anomalous,p_value,regions,x,y,width,height";

    /// The same without regions.
    #[must_use]
    pub fn without_regions(self) -> Self {
        Self { region_count: None, regions: None, ..self }
    }

    /// A line of a CSV file (RFC 4180) about a photo of this name; `x`, `y`, `width` and `height`
    /// are those of the region with the highest peak.
    pub fn csv(&self, name: &str) -> String {
        let name = csv_field(name);
        let (anomalous, p_value) = (field(self.anomalous), field(self.p_value));
        let bounds = self.worst().map(|region| region.bounds);
        let [x, y, width, height] = [
            bounds.map(|bounds| bounds.x),
            bounds.map(|bounds| bounds.y),
            bounds.map(|bounds| bounds.width),
            bounds.map(|bounds| bounds.height),
        ]
        .map(field);
        let (score, count) = (self.score, field(self.region_count));
        format!("{name},{score},{anomalous},{p_value},{count},{x},{y},{width},{height}")
    }

    /// A line for people about a photo of this name.
    pub fn text(&self, name: &str) -> String {
        let word = match self.anomalous {
            Some(true) => "ANOMALOUS",
            Some(false) => "good",
            None => "-",
        };
        let p_value = self.p_value.map_or_else(|| "-".to_owned(), |p| format!("{p:.4}"));
        let mut line = format!("{word:<9} {:>9.4}  p {p_value:<6}  {name}", self.score);
        if let (Some(count), Some(region)) = (self.region_count, self.worst()) {
            let regions = if count == 1 { "region" } else { "regions" };
            let (peak, bounds) = (region.peak, region.bounds);
            line += &format!(
                "  {count} {regions}, highest at x {} y {} in {}×{} pixels",
                peak.x, peak.y, bounds.width, bounds.height
            );
        }
        line
    }

    /// The region with the highest peak.
    fn worst(&self) -> Option<&Region> {
        self.regions.as_ref()?.first()
    }
}

/// A value, or nothing.
fn field(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A field as RFC 4180 quotes it.
fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad::{Bounds, Centroid, Peak};

    fn region() -> Region {
        Region {
            bounds: Bounds { x: 3, y: 4, width: 5, height: 6 },
            area: 20,
            peak: Peak { value: 0.3, x: 5, y: 7 },
            centroid: Centroid { x: 4.5, y: 6.25 },
        }
    }

    #[test]
    fn verdicts_have_three_forms() {
        let name = "a, b.png";
        let anomalous = Verdict {
            score: 0.3,
            anomalous: Some(true),
            p_value: Some(0.25),
            region_count: Some(1),
            regions: Some(vec![region()]),
        };
        let json = |verdict: &Verdict| {
            let (path, verdict) = (name.to_owned(), verdict.clone());
            let record = VerdictRecord { path, verdict, engine: None };
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<VerdictRecord>(&text).unwrap(), record);
            text
        };
        assert_eq!(
            anomalous.text(name),
            "ANOMALOUS    0.3000  p 0.2500  a, b.png  1 region, highest at x 5 y 7 in 5×6 pixels"
        );
        assert_eq!(anomalous.csv(name), "\"a, b.png\",0.3,true,0.25,1,3,4,5,6");
        assert_eq!(
            json(&anomalous),
            r#"{"path":"a, b.png","score":0.3,"anomalous":true,"p_value":0.25,"region_count":1,"regions":[{"box":{"x":3,"y":4,"width":5,"height":6},"area":20,"peak":{"value":0.3,"x":5,"y":7},"centroid":{"x":4.5,"y":6.25}}]}"#
        );
        let unknown = Verdict { anomalous: None, p_value: None, ..anomalous.without_regions() };
        assert_eq!(unknown.text(name), "-            0.3000  p -       a, b.png");
        assert_eq!(unknown.csv(name), "\"a, b.png\",0.3,,,,,,,");
        assert_eq!(
            json(&unknown),
            r#"{"path":"a, b.png","score":0.3,"anomalous":null,"p_value":null,"region_count":null,"regions":null}"#
        );
        let columns = Verdict::CSV_HEADER.split(',').count();
        assert_eq!(unknown.csv(name).matches(',').count() - 1, columns - 1);
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(csv_field("plain.png"), "plain.png");
        assert_eq!(csv_field("5\" part.png"), "\"5\"\" part.png\"");
    }
}
