//! Finds the tensors in what a PyTorch file holds: state dicts, whole modules, and dicts around them.

use std::collections::BTreeMap;

use super::pickle::{Id, Node, Objects};
use super::storage::is_tensor;
use crate::Cause;

/// How deep dicts and modules may lie in one another.
const MAX_DEPTH: usize = 32;

/// How many entries of dicts are looked at.
const MAX_VISITS: usize = 1 << 20;

/// How long a tensor's name may be, in bytes.
const MAX_NAME: usize = 256;

/// The wrappers that checkpoints and exports put around the network.
const WRAPPERS: [&str; 2] = ["state_dict", "model"];

/// Name and place of every tensor, named as `state_dict()` would name it.
///
/// # Errors
/// [`Cause::NoTensors`], [`Cause::Limit`].
pub(super) fn tensors(objects: &Objects, root: Id) -> Result<BTreeMap<String, Id>, Cause> {
    let mut walk = Walk { objects, found: BTreeMap::new(), visits_left: MAX_VISITS };
    let network = walk.network(root)?;
    walk.enter(network, "", 0)?;
    if walk.found.is_empty() {
        Err(Cause::NoTensors(describe(objects, root)))
    } else {
        Ok(walk.found)
    }
}

/// Names and places of what an object holds.
type Members<'a> = Vec<(&'a str, Id)>;

struct Walk<'a> {
    objects: &'a Objects,
    found: BTreeMap<String, Id>,
    visits_left: usize,
}

impl<'a> Walk<'a> {
    /// The network's dict or module inside a checkpoint, or `root` itself.
    fn network(&mut self, root: Id) -> Result<Id, Cause> {
        let members = self.members(root)?;
        for wrapper in WRAPPERS {
            if let Some(&(_, id)) = members.iter().find(|(name, _)| *name == wrapper)
                && !self.members(id)?.is_empty()
            {
                return Ok(id);
            }
        }
        Ok(root)
    }

    fn enter(&mut self, id: Id, prefix: &str, depth: usize) -> Result<(), Cause> {
        if depth > MAX_DEPTH {
            return Err(Cause::Limit { what: "levels of dicts and modules", limit: MAX_DEPTH });
        }
        for (name, member) in self.members(id)? {
            if prefix.len() + name.len() > MAX_NAME {
                return Err(Cause::Limit { what: "bytes in a tensor's name", limit: MAX_NAME });
            }
            let name = format!("{prefix}{name}");
            if is_tensor(self.objects, member) {
                self.found.insert(name, member);
            } else {
                self.enter(member, &format!("{name}."), depth + 1)?;
            }
        }
        Ok(())
    }

    /// What a dict, an ordered dict or a module holds; nothing for other objects.
    fn members(&mut self, id: Id) -> Result<Members<'a>, Cause> {
        if let Node::Call { state: Some(state), .. } = self.objects.node(id) {
            let state = self.named(*state)?;
            if state.iter().any(|(name, _)| *name == "_modules") {
                return self.module_members(state);
            }
        }
        self.named(id)
    }

    /// The parameters, buffers and modules that a `torch.nn.Module` keeps in its state.
    fn module_members(&mut self, state: Members<'a>) -> Result<Members<'a>, Cause> {
        let mut members = Vec::new();
        for (name, part) in state {
            if matches!(name, "_parameters" | "_buffers" | "_modules") {
                members.extend(self.named(part)?);
            }
        }
        Ok(members)
    }

    /// The entries of a dict that have a text as key.
    fn named(&mut self, id: Id) -> Result<Members<'a>, Cause> {
        let (Node::Dict(items) | Node::Call { items, .. }) = self.objects.node(id) else {
            return Ok(Vec::new());
        };
        let too_many = Cause::Limit { what: "entries of dicts and modules", limit: MAX_VISITS };
        self.visits_left = self.visits_left.checked_sub(items.len() + 1).ok_or(too_many)?;
        Ok(items
            .iter()
            .filter_map(|&(key, value)| Some((self.objects.text(key)?, value)))
            .collect())
    }
}

/// What the file holds instead of tensors.
fn describe(objects: &Objects, root: Id) -> String {
    match objects.node(root) {
        Node::Call { function, .. } => {
            format!(
                "it is a call of `{}`, which was not run",
                objects.global(*function).unwrap_or("an unnamed function")
            )
        }
        Node::Dict(_) => "it is a dict without tensors".to_owned(),
        Node::List(_) | Node::Tuple(_) => "it is a list".to_owned(),
        _ => "it is a single value".to_owned(),
    }
}
