//! Requests about photos: which there are, new ones, and how they look.

use std::path::Path;

use axum::http::StatusCode;
use efficientad_datasets::{Dataset, DatasetSource, LeftOut, Purpose, Stated};
use efficientad_images::{is_image_extension, load};
use serde_json::{Value, json};

use super::picture::{shrunk, side};
use super::{Part, Parts, Shelf};
use crate::answer::{self, Answer, file};
use crate::call::Call;
use crate::desk::{blocking, refused_job};
use crate::refusal::Refusal;

/// Sides of a picture, in pixels, if none are asked for.
const SIDE: u32 = 320;
/// Folders that one answer lists.
const MOST_FOLDERS: usize = 1000;

/// All parts.
pub(crate) async fn list(call: Call) -> Answer {
    let shop = call.desk()?.shop();
    let parts: Vec<Value> =
        blocking(move || Ok(shop.parts.names().iter().map(|name| shop.summary(name)).collect()))
            .await?;
    answer::json(&json!({ "parts": parts }))
}

/// One part, with all its photos.
pub(crate) async fn show(call: Call) -> Answer {
    let shop = call.desk()?.shop();
    let part = shop.parts.part(call.parameter("part"))?;
    let document = blocking(move || {
        let mut document = shop.summary(&part.name);
        for shelf in [Shelf::Train, Shelf::Good, Shelf::Defect] {
            let photos: Vec<Value> =
                part.photos(shelf).iter().map(|it| photo(&shop.parts, it)).collect();
            document["photos"][json!(shelf).as_str().unwrap_or_default()] = photos.into();
        }
        Ok(document)
    })
    .await?;
    answer::json(&document)
}

fn photo(parts: &Parts, path: &Path) -> Value {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    json!({ "name": name, "path": parts.relative(path) })
}

/// Takes a photo to train on.
pub(crate) async fn add(call: Call) -> Answer {
    keep(call, Shelf::Train).await
}

/// Takes a photo that somebody marked.
pub(crate) async fn mark(call: Call) -> Answer {
    let shelf = match call.parameter("mark") {
        "good" => Shelf::Good,
        "defect" => Shelf::Defect,
        other => {
            let message = format!("{other:?}: a photo is marked as good or as defect");
            return Err(Refusal::bad_request(message));
        }
    };
    keep(call, shelf).await
}

async fn keep(mut call: Call, shelf: Shelf) -> Answer {
    let shop = call.desk()?.shop();
    let (part, options) = (shop.parts.part(call.parameter("part"))?, shop.decode());
    let name = call.field("name").ok_or_else(|| {
        Refusal::bad_request("the query lacks ?name=, the name of the photo's file")
    })?;
    let bytes = call.read_body().await?;
    let _decoding = call.desk()?.decoding().await;
    let (client, kept) = (call.caller.name.clone(), {
        let part = part.clone();
        blocking(move || part.keep(shelf, &name, &bytes, &options)).await?
    });
    tracing::info!(
        part = part.name,
        client,
        photo = kept.name,
        shelf = shelf.folder(),
        "photo taken"
    );
    answer::json(&kept)
}

/// Removes a photo that was to be trained on.
pub(crate) async fn remove(call: Call) -> Answer {
    let part = call.desk()?.shop().parts.part(call.parameter("part"))?;
    let photo = call.parameter("photo").to_owned();
    blocking(move || part.remove(Shelf::Train, &photo)).await?;
    answer::json(&json!({}))
}

/// A photo below the folder of data, as a small JPEG.
pub(crate) async fn picture(call: Call) -> Answer {
    let desk = call.desk()?;
    let shop = desk.shop();
    let path = shop.parts.below(&call.field("path").unwrap_or_default())?;
    if !is_image_extension(&path) || !path.is_file() {
        return Err(Refusal::bad_request("this is no photo: name one in ?path="));
    }
    let side = side(&call)?.unwrap_or(SIDE);
    let _decoding = desk.decoding().await;
    let picture = blocking(move || shrunk(load(&path, &shop.decode()), side)).await?;
    Ok(file(StatusCode::OK, "image/jpeg", picture.into()))
}

/// The folders in a folder of data.
pub(crate) async fn folders(call: Call) -> Answer {
    let shop = call.desk()?.shop();
    let folder = shop.parts.below(&call.field("path").unwrap_or_default())?;
    let folders: Vec<String> = blocking(move || {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
        let visible = |path: &std::path::PathBuf| {
            path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'))
        };
        let mut folders: Vec<String> = paths
            .filter(visible)
            .take(MOST_FOLDERS)
            .map(|path| shop.parts.relative(&path))
            .collect();
        folders.sort_unstable();
        Ok(folders)
    })
    .await?;
    answer::json(&json!({ "folders": folders }))
}

/// What a training or an evaluation would take of a folder; nothing is decoded.
pub(crate) async fn taking(call: Call) -> Answer {
    let shop = call.desk()?.shop();
    let (part, folder) = (call.field("part"), call.field("folder"));
    let is_surely_good = call.field("surely_good").is_some_and(|it| it == "true");
    let purpose = match call.field("purpose").as_deref() {
        Some("evaluation") => Purpose::Evaluation,
        _ => Purpose::Training,
    };
    let folder = match (folder, part) {
        (Some(folder), _) => shop.parts.below(&folder)?,
        (None, Some(part)) => shop.parts.part(&part)?.train(),
        (None, None) => return Err(Refusal::bad_request("name a ?folder= or a ?part=")),
    };
    let document = blocking(move || {
        let dataset = source(&folder, is_surely_good).open(purpose);
        let dataset = dataset.map_err(|error| refused_job(&error.into()))?;
        let train: Vec<Value> = dataset.train.iter().map(|it| photo(&shop.parts, it)).collect();
        Ok(json!({
            "layout": dataset.layout,
            "taken": dataset.taken(),
            "left_out": left_out(&dataset),
            "photos": train,
        }))
    })
    .await?;
    answer::json(&document)
}

/// Where photos lie, by their folder's names or by the word of the user.
pub(crate) fn source(folder: &Path, is_surely_good: bool) -> DatasetSource {
    match is_surely_good {
        true => {
            DatasetSource::Stated(Stated { good: vec![folder.to_owned()], ..Stated::default() })
        }
        false => DatasetSource::Recognised(folder.to_owned()),
    }
}

/// What was marked, as a data set to evaluate on.
pub(crate) fn marked(part: &Part) -> DatasetSource {
    let folders = |shelf: Shelf| {
        let folder = part.file(shelf.folder());
        if part.photos(shelf).is_empty() { Vec::new() } else { vec![folder] }
    };
    let (good, defects) = (folders(Shelf::Good), folders(Shelf::Defect));
    DatasetSource::Stated(Stated { good, defects, masks: Vec::new() })
}

fn left_out(dataset: &Dataset) -> Option<String> {
    let left_out: &LeftOut = &dataset.left_out;
    (!left_out.is_empty()).then(|| left_out.below(&dataset.root).to_string())
}
