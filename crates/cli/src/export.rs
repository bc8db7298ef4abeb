//! `efficientad export`.

use anyhow::{Result, bail};
use efficientad::{Model, ModelInfo, View};
use efficientad_onnx::{InputKind, OPSET};

use crate::args::{ExportArgs, ExportInput};
use crate::output::{self, Status};

/// Writes a model as an ONNX graph.
pub fn run(args: &ExportArgs) -> Result<Status> {
    let model = Model::open(&args.model)?;
    if args.onnx.exists() && args.onnx.canonicalize()? == args.model.canonicalize()? {
        bail!("{}: this is the model itself; give another name for --onnx", args.onnx.display());
    }
    let input = match args.input {
        ExportInput::Normalized => InputKind::Normalized,
        ExportInput::U8 => InputKind::U8,
    };
    efficientad_onnx::save(&model, input, &args.onnx)?;
    let (out, info) = (args.onnx.display(), model.info());
    output::print(format_args!("{out}: {} model, ONNX operators {OPSET}", info.size))?;
    lines(info, input).into_iter().try_for_each(output::print)?;
    if info.view() != View::Stretch {
        output::note(format_args!("the model sees {}; the graph sees one input", info.view()));
    }
    if info.region().is_some() {
        output::note("the graph knows nothing of the model's region");
    }
    if info.threshold.is_none() {
        output::note("the model has no threshold, nor has the ONNX file");
    }
    Ok(Status::Done)
}

fn lines(info: &ModelInfo, input: InputKind) -> Vec<String> {
    let (height, width) = (info.input.height(), info.input.width());
    let elements = match input {
        InputKind::Normalized => "float32",
        InputKind::U8 => "uint8",
    };
    let mut lines = vec![
        format!("input   image  {elements:<7}  N×3×{height}×{width}"),
        format!("output  map    float32  N×1×{}×{}", height / 4, width / 4),
        "output  score  float32  N".to_owned(),
    ];
    lines.extend(info.threshold.as_ref().map(|threshold| format!("threshold {threshold}")));
    lines
}
