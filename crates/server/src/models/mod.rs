//! The models of a folder: which there are, which are in memory, and how they get there and leave.
//!
//! A model is the file `NAME.model` in the folder. What a client calls a model is compared with the
//! names that are there, and never made into a path.

mod file;
mod loaded;

pub(crate) use loaded::{Loaded, version};

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use efficientad::InspectionEngine;
use efficientad_jobs::Reading;
use file::{find, names};
use tokio::task::spawn_blocking;

use crate::refusal::Refusal;
use crate::stamp::Stamp;

/// How models are prepared.
pub(crate) struct Preparing {
    pub engine: Arc<dyn InspectionEngine>,
    pub reading: Reading,
    /// Largest share of defective parts that is no drift.
    pub defect_rate: f64,
}

/// The models of a folder.
pub(crate) struct Models {
    folder: PathBuf,
    /// Models in memory at most.
    most: usize,
    preparing: Arc<Preparing>,
    table: Mutex<Table>,
    /// One model is read at a time: so reading takes the memory of one.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Table {
    entries: BTreeMap<String, Entry>,
    /// Uses so far, to tell which model was used last.
    uses: u64,
}

#[derive(Default)]
struct Entry {
    loaded: Option<Arc<Loaded>>,
    /// The file that could not be taken, and why.
    failure: Option<(Option<Stamp>, Refusal)>,
    /// Whether somebody asked that it leaves memory, until somebody asks for it again.
    is_unloaded: bool,
    last_use: u64,
}

/// What is to be said of a model, whether it is in memory or not.
#[derive(Clone)]
pub(crate) struct Description {
    pub name: String,
    pub loaded: Option<Arc<Loaded>>,
    /// Why its file, as it is now, could not be taken.
    pub failure: Option<String>,
    /// Whether somebody asked that it leaves memory.
    pub is_unloaded: bool,
}

impl Description {
    /// Whether requests for it are answered: models that are not in memory are read when asked for.
    pub(crate) fn is_ready(&self) -> bool {
        self.loaded.is_some() || (!self.is_unloaded && self.failure.is_none())
    }
}

impl Models {
    pub(crate) fn new(folder: PathBuf, most: usize, preparing: Preparing) -> io::Result<Self> {
        std::fs::read_dir(&folder)?;
        Ok(Self {
            folder,
            most: most.max(1),
            preparing: Arc::new(preparing),
            table: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        })
    }

    /// Models in memory.
    pub(crate) fn loaded(&self) -> Vec<Arc<Loaded>> {
        self.table().entries.values().filter_map(|entry| entry.loaded.clone()).collect()
    }

    /// All models, by name.
    pub(crate) fn list(&self) -> Vec<Description> {
        let mut all: BTreeMap<String, Description> = names(&self.folder)
            .into_iter()
            .map(|name| {
                (
                    name.clone(),
                    Description { name, loaded: None, failure: None, is_unloaded: false },
                )
            })
            .collect();
        for (name, entry) in &self.table().entries {
            if entry.loaded.is_some() || all.contains_key(name) {
                all.insert(name.clone(), entry.describe(name));
            }
        }
        all.into_values().collect()
    }

    /// What is to be said of a model.
    pub(crate) fn describe(&self, name: &str) -> Result<Description, Refusal> {
        let found = self.list().into_iter().find(|model| model.name == name);
        found.ok_or_else(|| self.unknown(name))
    }

    /// A model to inspect with, read from its file if it is not in memory.
    pub(crate) async fn get(&self, name: &str) -> Result<Arc<Loaded>, Refusal> {
        if let Some(loaded) = self.used(name)? {
            return Ok(loaded);
        }
        let _reading = self.reading.lock().await;
        // Another request may have read it meanwhile.
        if let Some(loaded) = self.used(name)? {
            return Ok(loaded);
        }
        self.take(name, Evict::Others).await
    }

    /// Reads a model anew that somebody asks for, and forgets that somebody asked it to leave.
    pub(crate) async fn load(&self, name: &str) -> Result<Arc<Loaded>, Refusal> {
        let _reading = self.reading.lock().await;
        self.take(name, Evict::Others).await
    }

    /// Has a model leave memory until [`load`](Self::load) is called. Inspections in progress end.
    pub(crate) fn unload(&self, name: &str) -> Result<(), Refusal> {
        self.describe(name)?;
        let mut table = self.table();
        let entry = table.entries.entry(name.to_owned()).or_default();
        (entry.loaded, entry.failure, entry.is_unloaded) = (None, None, true);
        Ok(())
    }

    /// Reads the first models by name, as many as may be in memory.
    pub(crate) async fn warm_up(&self) {
        for name in names(&self.folder).into_iter().take(self.most) {
            let _reading = self.reading.lock().await;
            // What fails is in the log and in the model's description.
            let _ = self.take(&name, Evict::Nothing).await;
        }
    }

    /// Takes the files of models in memory that have changed.
    pub(crate) async fn refresh(&self) {
        for loaded in self.loaded() {
            if self.is_known(&loaded.name) {
                continue;
            }
            let _reading = self.reading.lock().await;
            // It may have been read, or have left memory, meanwhile.
            if !self.is_known(&loaded.name) {
                let _ = self.take(&loaded.name, Evict::Nothing).await;
            }
        }
    }

    /// Whether a model's file is the one that it was read from, or one that could not be taken; so is that
    /// of a model that is not in memory.
    fn is_known(&self, name: &str) -> bool {
        let stamp = self.stamp(name);
        match self.table().entries.get(name) {
            Some(Entry { loaded: Some(_), failure: Some((failed, _)), .. }) => *failed == stamp,
            Some(Entry { loaded: Some(loaded), failure: None, .. }) => Some(loaded.stamp) == stamp,
            _ => true,
        }
    }

    /// A model that is in memory; `None` if it is to be read.
    fn used(&self, name: &str) -> Result<Option<Arc<Loaded>>, Refusal> {
        let mut table = self.table();
        table.uses += 1;
        let uses = table.uses;
        let Some(entry) = table.entries.get_mut(name) else { return Ok(None) };
        if let Some(loaded) = &entry.loaded {
            entry.last_use = uses;
            return Ok(Some(Arc::clone(loaded)));
        }
        if entry.is_unloaded {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "model_unloaded",
                format!(
                    "{name}: this model was unloaded; load it by POST /v2/repository/models/NAME/load"
                ),
            ));
        }
        let failure = entry.failure.clone();
        drop(table);
        match failure {
            // The same file would fail in the same way.
            Some((stamp, refusal)) if stamp.is_some() && stamp == self.stamp(name) => Err(refusal),
            _ => Ok(None),
        }
    }

    fn stamp(&self, name: &str) -> Option<Stamp> {
        Stamp::of(&find(&self.folder, name)?).ok()
    }

    /// Reads a model's file, and keeps what was read before if that fails. The caller holds `reading`.
    async fn take(&self, name: &str, evict: Evict) -> Result<Arc<Loaded>, Refusal> {
        let Some(path) = find(&self.folder, name) else {
            return Err(self.lost(name));
        };
        if evict == Evict::Others {
            self.make_room(name);
        }
        let (named, preparing) = (name.to_owned(), Arc::clone(&self.preparing));
        let read = spawn_blocking(move || file::load(&path, named, &preparing)).await;
        let (stamp, read) = read.unwrap_or_else(|panic| {
            (None, Err(Refusal::internal(format!("{name}: reading it failed: {panic}"))))
        });
        let mut table = self.table();
        table.uses += 1;
        let uses = table.uses;
        let entry = table.entries.entry(name.to_owned()).or_default();
        match read {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                tracing::info!(
                    model = name,
                    version = loaded.version(),
                    replaced = entry.loaded.as_ref().map(|old| old.version()),
                    remark = loaded.remark.as_deref(),
                    "model loaded"
                );
                *entry = Entry {
                    loaded: Some(Arc::clone(&loaded)),
                    failure: None,
                    is_unloaded: false,
                    last_use: uses,
                };
                Ok(loaded)
            }
            Err(refusal) => {
                let kept = entry.loaded.as_ref().map(|old| old.version());
                tracing::error!(model = name, kept, reason = refusal.message, "model not loaded");
                entry.failure = Some((stamp, refusal.clone()));
                Err(refusal)
            }
        }
    }

    /// What is said of a model whose file is not there; one that is in memory stays.
    fn lost(&self, name: &str) -> Refusal {
        let mut table = self.table();
        match table.entries.get_mut(name) {
            Some(entry) if entry.loaded.is_some() => {
                let message = format!(
                    "{name}: its file is no longer in the folder of models; what was read before is \
                     kept: put the file back, or unload the model"
                );
                let refusal = Refusal::new(StatusCode::CONFLICT, "model_gone", message);
                tracing::error!(model = name, reason = refusal.message, "model not loaded");
                entry.failure = Some((None, refusal.clone()));
                refusal
            }
            _ => {
                table.entries.remove(name);
                drop(table);
                self.unknown(name)
            }
        }
    }

    /// Has the models leave memory that were not used for longest, to make room for one more.
    fn make_room(&self, name: &str) {
        let mut table = self.table();
        loop {
            let others = table
                .entries
                .iter_mut()
                .filter(|(other, entry)| entry.loaded.is_some() && other.as_str() != name);
            let mut others: Vec<_> = others.collect();
            if others.len() < self.most {
                return;
            }
            others.sort_by_key(|(_, entry)| entry.last_use);
            let (evicted, entry) = others.swap_remove(0);
            entry.loaded = None;
            tracing::info!(model = evicted, "model left memory, as it was not used for longest");
        }
    }

    fn unknown(&self, name: &str) -> Refusal {
        let known = names(&self.folder);
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Refusal::new(
            StatusCode::NOT_FOUND,
            "no_such_model",
            format!(
                "{name:?}: there is no such model; there are: {known} (a model is the file NAME.model in \
                 the folder of models)"
            ),
        )
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether models leave memory for another one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Evict {
    Others,
    Nothing,
}

impl Entry {
    fn describe(&self, name: &str) -> Description {
        Description {
            name: name.to_owned(),
            loaded: self.loaded.clone(),
            failure: self.failure.as_ref().map(|(_, refusal)| refusal.message.clone()),
            is_unloaded: self.is_unloaded,
        }
    }
}
