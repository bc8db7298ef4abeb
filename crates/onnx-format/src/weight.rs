//! How much a file holds, told without reading it into messages: an empty message takes two bytes in
//! a file, and hundreds in memory.

/// What a file holds besides the numbers of its tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Entries of the graph, its operations, their attributes and tensors, small or large.
    pub entries: u64,
    /// Bytes of the entries that are no tensors' numbers: names, types, graphs in operations.
    pub bytes: u64,
}

/// A message that other messages are counted in.
#[derive(Clone, Copy)]
enum Level {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
}

impl Weight {
    /// Of a [`ModelProto`](crate::ModelProto) as bytes; `None` if they are none.
    pub fn of(file: &[u8]) -> Option<Self> {
        let mut weight = Self::default();
        weight.add(file, Level::Model)?;
        Some(weight)
    }

    fn add(&mut self, mut message: &[u8], level: Level) -> Option<()> {
        while !message.is_empty() {
            let (number, content) = entry(&mut message)?;
            self.entries += 1;
            match (level, number) {
                (Level::Model, 7) => self.add(content, Level::Graph)?,
                (Level::Graph, 1) => self.add(content, Level::Node)?,
                (Level::Node, 5) => self.add(content, Level::Attribute)?,
                (Level::Graph | Level::Attribute, 5) => self.add(content, Level::Tensor)?,
                // Floats, whole numbers of 32 bits, raw bytes, 64-bit floats.
                (Level::Tensor, 4 | 5 | 9 | 10) => {}
                _ => self.bytes += content.len() as u64,
            }
        }
        Some(())
    }
}

/// The number and content of the next field, which is taken off.
fn entry<'a>(bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let tag = varint(bytes)?;
    let length = match tag & 7 {
        0 => {
            varint(bytes)?;
            0
        }
        1 => 8,
        2 => usize::try_from(varint(bytes)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((tag >> 3, content))
}

/// The next whole number, which is taken off.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttributeProto, GraphProto, Message, ModelProto, NodeProto, TensorProto};

    #[test]
    fn numbers_weigh_nothing_and_all_else_does() {
        let tensor = |numbers: usize| TensorProto {
            name: "weight".to_owned(),
            raw_data: vec![7; numbers].into(),
            float_data: vec![0.5; numbers],
            ..Default::default()
        };
        let file = |numbers: usize, nodes: usize| {
            let attribute = AttributeProto { t: Some(tensor(numbers)), ..Default::default() };
            let node = NodeProto { attribute: vec![attribute], ..Default::default() };
            let graph = GraphProto {
                node: vec![node; nodes],
                initializer: vec![tensor(numbers)],
                ..Default::default()
            };
            ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec()
        };
        let weight = Weight::of(&file(10, 1)).unwrap();
        // Two names. The graph, a node, an attribute, two tensors with a shape-less type and three entries.
        assert_eq!(weight, Weight { entries: 11, bytes: 12 });
        assert_eq!(Weight::of(&file(100_000, 1)), Some(weight));
        assert_eq!(Weight::of(&file(10, 3)), Some(Weight { entries: 23, bytes: 24 }));
        let whole = file(10, 3);
        assert!((1..whole.len()).all(|end| Weight::of(&whole[..end]).is_none()));
        assert_eq!(
            Weight::of(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            None
        );
    }
}
