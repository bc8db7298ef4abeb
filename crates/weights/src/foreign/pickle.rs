//! Reads a pickle without running it.
//!
//! A pickle is a program for a small stack machine that builds Python objects, and may call any function it names.
//! Here the same instructions only write down what they were told: a named function stays a name
//! ([`Node::Global`]), a call stays a note of what was to be called with what ([`Node::Call`]). Nothing is looked up.
//! The instructions are those that `torch.save` writes (pickle protocol 2; Python's `pickletools` documents them).

use std::collections::HashMap;

use super::bytes::Bytes;
use crate::Cause;

/// The most objects a pickle may build; the largest known files of these networks have a few thousand.
pub(super) const MAX_OBJECTS: usize = 1 << 20;

/// The most bytes of a pickle: that of a checkpoint has some ten thousand, without the tensors' numbers.
const MAX_PICKLE_SIZE: usize = 16 << 20;

/// Modules and functions that start programs or run code. Nothing is ever run here, but whoever meets them in a file
/// of weights should hear of it.
const DANGEROUS_MODULES: [&str; 9] =
    ["os", "posix", "nt", "subprocess", "runpy", "importlib", "shutil", "socket", "pty"];
const DANGEROUS_BUILTINS: [&str; 6] = ["eval", "exec", "execfile", "compile", "open", "__import__"];

/// A place in [`Objects`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id(usize);

/// Pairs of key and value.
pub(super) type Pairs = Vec<(Id, Id)>;

/// What was written down for one Python object.
#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Pairs),
    /// `module.name` of a class or function.
    Global(String),
    /// The object that `function` would have made of `arguments`; its items and its state as set afterwards.
    Call {
        function: Id,
        arguments: Id,
        items: Pairs,
        state: Option<Id>,
    },
    /// An object kept outside the pickle, such as a storage, by its description.
    Persistent(Id),
    /// A value that weights have no use for.
    Other,
}

/// All objects of a pickle; they refer to one another by [`Id`], so shared and cyclic ones cost nothing extra.
#[derive(Debug, Default)]
pub(super) struct Objects(Vec<Node>);

impl Objects {
    /// The object at this place.
    pub(super) fn node(&self, id: Id) -> &Node {
        &self.0[id.0]
    }

    /// Every object, in the order of making.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.0.iter()
    }

    /// The text at this place.
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        if let Node::Text(text) = self.node(id) { Some(text) } else { None }
    }

    /// The elements of the tuple at this place.
    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        if let Node::Tuple(elements) = self.node(id) { Some(elements) } else { None }
    }

    /// The number at this place, if it can be a size or position.
    pub(super) fn size(&self, id: Id) -> Option<usize> {
        if let Node::Int(number) = self.node(id) { usize::try_from(*number).ok() } else { None }
    }

    /// The name of the class or function at this place.
    pub(super) fn global(&self, id: Id) -> Option<&str> {
        if let Node::Global(name) = self.node(id) { Some(name) } else { None }
    }

    fn add(&mut self, node: Node) -> Result<Id, Cause> {
        if self.0.len() == MAX_OBJECTS {
            return Err(Cause::Limit { what: "pickled objects", limit: MAX_OBJECTS });
        }
        self.0.push(node);
        Ok(Id(self.0.len() - 1))
    }
}

/// Reads one pickle; `bytes` stand behind it afterwards. Returns its objects and the place of the outermost.
///
/// # Errors
/// [`Cause::PickleTruncated`], [`Cause::PickleOpcode`], [`Cause::PickleOperand`], [`Cause::RunsCode`], [`Cause::Limit`].
pub(super) fn unpickle(bytes: &mut Bytes) -> Result<(Objects, Id), Cause> {
    let start = bytes.position();
    let mut machine = Machine {
        bytes,
        objects: Objects::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    while machine.step()? == Next::Continue {
        if machine.bytes.position() - start > MAX_PICKLE_SIZE {
            return Err(Cause::Limit { what: "bytes of pickle", limit: MAX_PICKLE_SIZE });
        }
    }
    let root = machine.pop()?;
    Ok((machine.objects, root))
}

#[derive(PartialEq)]
enum Next {
    Continue,
    Stop,
}

struct Machine<'a, 'b> {
    bytes: &'a mut Bytes<'b>,
    objects: Objects,
    stack: Vec<Id>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_, '_> {
    fn step(&mut self) -> Result<Next, Cause> {
        let at = self.bytes.position();
        match self.bytes.byte()? {
            b'.' => return Ok(Next::Stop),
            0x80 => drop(self.bytes.byte()?),
            opcode => {
                let known = self.constant(opcode)?
                    || self.container(opcode)?
                    || self.object(opcode)?
                    || self.bookkeeping(opcode)?;
                if !known {
                    return Err(Cause::PickleOpcode { at, opcode });
                }
            }
        }
        Ok(Next::Continue)
    }

    /// Instructions that push a number or text; false if this is none of them.
    fn constant(&mut self, opcode: u8) -> Result<bool, Cause> {
        let node = match opcode {
            b'N' => Node::None,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'J' => Node::Int(i64::from(i32::from_le_bytes(self.bytes.array()?))),
            b'K' => Node::Int(i64::from(self.bytes.byte()?)),
            b'M' => Node::Int(i64::from(u16::from_le_bytes(self.bytes.array()?))),
            0x8a => self.long()?,
            b'G' => {
                self.bytes.array::<8>()?;
                Node::Other
            }
            b'X' => {
                let length = self.bytes.length()?;
                self.string(length)?
            }
            b'U' => {
                let length = usize::from(self.bytes.byte()?);
                self.string(length)?
            }
            _ => return Ok(false),
        };
        self.push(node)?;
        Ok(true)
    }

    /// A whole number of any length, little-endian two's complement.
    fn long(&mut self) -> Result<Node, Cause> {
        let length = usize::from(self.bytes.byte()?);
        let digits = self.bytes.take(length)?;
        if length > 8 {
            return Ok(Node::Other);
        }
        let negative = digits.last().is_some_and(|&digit| digit >= 0x80);
        let mut number = [if negative { 0xff } else { 0 }; 8];
        number[..length].copy_from_slice(digits);
        Ok(Node::Int(i64::from_le_bytes(number)))
    }

    fn string(&mut self, length: usize) -> Result<Node, Cause> {
        let text =
            str::from_utf8(self.bytes.take(length)?).map_err(|_| self.lacking("UTF-8 text"))?;
        Ok(Node::Text(text.to_owned()))
    }

    /// Instructions that make or fill tuples, lists and dicts; false if this is none of them.
    fn container(&mut self, opcode: u8) -> Result<bool, Cause> {
        match opcode {
            b')' => self.push(Node::Tuple(Vec::new()))?,
            b']' => self.push(Node::List(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            b't' => {
                let elements = self.pop_to_mark()?;
                self.push(Node::Tuple(elements))?;
            }
            0x85..=0x87 => {
                let elements = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Node::Tuple(elements))?;
            }
            b'a' => {
                let value = self.pop()?;
                self.append(vec![value])?;
            }
            b'e' => {
                let values = self.pop_to_mark()?;
                self.append(values)?;
            }
            b's' => {
                let pair = self.pop_many(2)?;
                self.set_items(&pair)?;
            }
            b'u' => {
                let pairs = self.pop_to_mark()?;
                self.set_items(&pairs)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn append(&mut self, values: Vec<Id>) -> Result<(), Cause> {
        let top = self.top()?;
        match &mut self.objects.0[top.0] {
            Node::List(list) => list.extend(values),
            // A class of its own that behaves like a list: weights are never kept in one.
            Node::Call { .. } => {}
            _ => return Err(self.lacking("a list")),
        }
        Ok(())
    }

    fn set_items(&mut self, flat: &[Id]) -> Result<(), Cause> {
        let top = self.top()?;
        let (pairs, rest) = flat.as_chunks::<2>();
        match &mut self.objects.0[top.0] {
            Node::Dict(items) | Node::Call { items, .. } if rest.is_empty() => {
                items.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => Err(self.lacking("a dict with keys and values")),
        }
    }

    /// Instructions that name, call or complete; false if this is none of them.
    fn object(&mut self, opcode: u8) -> Result<bool, Cause> {
        match opcode {
            b'c' => self.global()?,
            b'R' | 0x81 => {
                let [function, arguments] = self.pop_two()?;
                self.push(Node::Call { function, arguments, items: Vec::new(), state: None })?;
            }
            b'b' => self.build()?,
            b'Q' => {
                let description = self.pop()?;
                self.push(Node::Persistent(description))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn global(&mut self) -> Result<(), Cause> {
        let (module, name) = (self.line()?, self.line()?);
        let full = format!("{module}.{name}");
        if runs_code(&module, &name) {
            return Err(Cause::RunsCode(full));
        }
        self.push(Node::Global(full))
    }

    fn line(&mut self) -> Result<String, Cause> {
        let line = self.bytes.line()?;
        String::from_utf8(line.to_vec()).map_err(|_| self.lacking("UTF-8 text"))
    }

    fn build(&mut self) -> Result<(), Cause> {
        let new = self.pop()?;
        let top = self.top()?;
        match &mut self.objects.0[top.0] {
            Node::Call { state, .. } => *state = Some(new),
            _ => return Err(self.lacking("an object to complete")),
        }
        Ok(())
    }

    /// Instructions on the stack, its marks and the memo; false if this is none of them.
    fn bookkeeping(&mut self, opcode: u8) -> Result<bool, Cause> {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'q' => {
                let key = self.bytes.byte()?;
                self.remember(u32::from(key))?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.bytes.array()?);
                self.remember(key)?;
            }
            b'h' => {
                let key = self.bytes.byte()?;
                self.recall(u32::from(key))?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.bytes.array()?);
                self.recall(key)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn remember(&mut self, key: u32) -> Result<(), Cause> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), Cause> {
        let id = *self.memo.get(&key).ok_or_else(|| self.lacking("a remembered object"))?;
        self.stack.push(id);
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<(), Cause> {
        let id = self.objects.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    /// The lowest height to which the stack may be taken down: objects below an open mark are out of reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, Cause> {
        self.stack[self.floor()..]
            .last()
            .copied()
            .ok_or_else(|| self.lacking("an object on the stack"))
    }

    fn pop(&mut self) -> Result<Id, Cause> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_two(&mut self) -> Result<[Id; 2], Cause> {
        let second = self.pop()?;
        Ok([self.pop()?, second])
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, Cause> {
        let available = self.stack.len() - self.floor();
        if available < count {
            return Err(self.lacking("an object on the stack"));
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, Cause> {
        let height = self.marks.pop().ok_or_else(|| self.lacking("a mark"))?;
        Ok(self.stack.split_off(height))
    }

    fn lacking(&self, needs: &'static str) -> Cause {
        Cause::PickleOperand { at: self.bytes.position(), needs }
    }
}

fn runs_code(module: &str, name: &str) -> bool {
    let package = module.split('.').next().unwrap_or(module);
    match package {
        "builtins" | "__builtin__" => DANGEROUS_BUILTINS.contains(&name),
        _ => DANGEROUS_MODULES.contains(&package),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pickle: &[u8]) -> Result<(Objects, Id), Cause> {
        unpickle(&mut Bytes::new(pickle))
    }

    #[test]
    fn constants_are_noted() {
        let (objects, root) = read(
            b"\x80\x02(K\x07M\x01\x02J\xff\xff\xff\xff\x8a\x01\x80\x8a\x00NG\0\0\0\0\0\0\0\0t.",
        )
        .unwrap();
        let elements = objects.tuple(root).unwrap();
        let numbers: Vec<_> = elements
            .iter()
            .map(|&id| if let Node::Int(n) = objects.node(id) { Some(*n) } else { None })
            .collect();
        assert_eq!(numbers, [Some(7), Some(513), Some(-1), Some(-128), Some(0), None, None]);
    }

    #[test]
    fn a_dict_filled_after_it_was_remembered_is_one_dict() {
        let (objects, root) = read(b"\x80\x02}q\x00X\x01\0\0\0ah\x00s.").unwrap();
        let Node::Dict(items) = objects.node(root) else { panic!("no dict") };
        assert_eq!(objects.text(items[0].0), Some("a"));
        assert_eq!(items[0].1, root);
    }

    #[test]
    fn a_call_is_only_noted() {
        let (objects, root) = read(b"\x80\x02cmy.module\nfunction\nK\x01\x85R}b.").unwrap();
        let Node::Call { function, arguments, state: Some(_), .. } = objects.node(root) else {
            panic!("no call")
        };
        assert_eq!(objects.global(*function), Some("my.module.function"));
        assert_eq!(objects.size(objects.tuple(*arguments).unwrap()[0]), Some(1));
    }

    #[test]
    fn functions_that_run_code_are_refused_by_name() {
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("__builtin__", "open"),
            ("os.path", "join"),
        ] {
            let pickle = format!("c{module}\n{name}\n.");
            let full = format!("{module}.{name}");
            assert!(
                matches!(read(pickle.as_bytes()), Err(Cause::RunsCode(found)) if found == full),
                "{full}"
            );
        }
        for harmless in
            [&b"c__builtin__\nset\n."[..], b"cpathlib\nPosixPath\n.", b"cosmetics\nopen\n."]
        {
            assert!(read(harmless).is_ok());
        }
    }

    #[test]
    fn unknown_instructions_are_refused() {
        for opcode in [0x93, 0x95, b'i', b'o', 0x82, 0xff] {
            let found = read(&[0x80, 2, opcode]).unwrap_err();
            assert!(
                matches!(found, Cause::PickleOpcode { at: 2, opcode: o } if o == opcode),
                "{found}"
            );
        }
    }

    #[test]
    fn missing_operands_are_refused() {
        let cases: [&[u8]; 14] = [
            b".",
            b"0",
            b"1",
            b"t",
            b"\x85",
            b"N\x86",
            b"h\x00",
            b"q\x00",
            b"N(\x85",
            b"NNa",
            b"NNs",
            b"}(Nu",
            b"NNb",
            b"X\x01\0\0\0\xff",
        ];
        for pickle in cases {
            assert!(matches!(read(pickle), Err(Cause::PickleOperand { .. })), "{pickle:?}");
        }
    }

    #[test]
    fn an_unfinished_pickle_is_refused() {
        let cases: [&[u8]; 6] = [b"", b"N", b"X\xff\xff\xff\xff", b"cos", b"\x8a\x05\0", b"J\0"];
        for pickle in cases {
            assert!(
                matches!(read(pickle), Err(Cause::PickleTruncated(at)) if at <= pickle.len()),
                "{pickle:?}"
            );
        }
    }

    #[test]
    fn too_many_objects_are_refused() {
        let pickle = vec![b'N'; MAX_OBJECTS + 1];
        assert!(matches!(read(&pickle), Err(Cause::Limit { what: "pickled objects", .. })));
        let pickle = [b"N", &b"q\0"[..], &b"h\0".repeat(MAX_PICKLE_SIZE / 2)].concat();
        assert!(matches!(read(&pickle), Err(Cause::Limit { what: "bytes of pickle", .. })));
    }
}
