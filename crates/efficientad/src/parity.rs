//! Combined maps and scores against PyTorch's numbers.

use crate::anomaly_map::PhotoMaps;
use crate::calibration::{MapQuantiles, Quantiles};
use crate::view::Framing;
use efficientad_engine::{InputSize, InspectionEngine, PdnSize, Share};
use efficientad_engine_conformance::{Fixture, TOLERANCE, assert_agrees, number};
use efficientad_engine_cpu::{CpuEngine, InstructionSet};
use std::sync::Arc;

#[test]
fn anomaly_maps_agree_with_pytorch() {
    for size in [PdnSize::Small, PdnSize::Medium] {
        let fixture = Fixture::open(size);
        let expected = &fixture.json["maps"];
        let image = fixture.image("x1", 256, 256);
        let engine = CpuEngine::new(2, InstructionSet::best()).unwrap();
        let networks = engine.prepare(&fixture.networks(InputSize::default())).unwrap();
        let maps = networks.compare(image.view(), Share::Whole).unwrap().remove(0);
        let quantile = |name: &str| number(&expected["quantiles"][name]) as f32;
        let layout = Framing::stretched(InputSize::default()).layout((200, 300)).unwrap();
        let layout = Arc::new(layout);
        let mut of_photo = PhotoMaps::new(Arc::clone(&layout), false);
        of_photo.add(layout.windows()[0], &maps);
        let quantiles = Quantiles {
            student_teacher: MapQuantiles { lower: quantile("qa_st"), upper: quantile("qb_st") },
            student_autoencoder: MapQuantiles {
                lower: quantile("qa_ae"),
                upper: quantile("qb_ae"),
            },
        };
        let combined = of_photo.combine(&quantiles);
        let cells = combined.iter().zip(layout.counted());
        let combined: Vec<f32> = cells.filter(|cell| *cell.1).map(|cell| *cell.0).collect();
        let map = of_photo.anomaly_map(engine.threads(), &quantiles);
        for (name, values) in [
            ("student_teacher", &maps.student_teacher),
            ("student_autoencoder", &maps.student_autoencoder),
            ("combined", &combined),
            ("upsampled", &map.values),
        ] {
            assert_agrees(&format!("{size} {name}"), values, &expected[name], TOLERANCE);
        }
        let score = number(&expected["score"]);
        assert!((f64::from(map.max()) - score).abs() < 1e-4 * score.abs(), "{size} score");
    }
}
