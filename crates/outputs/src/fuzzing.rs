//! What changed input is tried on (`crates/fuzzing`); no part of the interface.

use std::collections::VecDeque;
use std::path::Path;

use crate::record::Events;
use crate::state::LineLog;
use crate::tail::Tail;

/// Goes on with a log where a file says that an output was, to its end; whether it is of that log.
pub fn follow(position: &Path, log: LineLog) -> bool {
    let Ok((mut tail, is_another)) = Tail::open(position.to_owned(), log) else { return false };
    let mut queue = VecDeque::new();
    while tail.fill(0, 4, Events::All, &mut queue).0 {}
    for item in queue {
        tail.deliver(item.behind, Some(item.record));
    }
    !is_another
}
