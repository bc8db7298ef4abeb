//! What can be wrong with a file of weights: one variant per cause, each message with its remedy.

use std::io;
use std::path::PathBuf;

use crate::FORMAT_VERSION;

/// A file that could not be read or written: which one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", file.display())]
pub struct WeightsError {
    /// The file, as the caller named it.
    pub file: PathBuf,
    /// What is wrong with it.
    #[source]
    pub cause: Cause,
}

/// Why weights could not be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    // The file system.
    /// Nothing has this name.
    #[error("there is no such file; check the path")]
    Missing,
    /// The path names a folder or a device.
    #[error("this is not a file; give the path of the file itself")]
    NotAFile,
    /// Reading failed.
    #[error("the file could not be read ({0}); check the disk and the permissions")]
    Read(#[source] io::Error),
    /// The file, or the content to be written, has more than [`MAX_FILE_SIZE`](crate::MAX_FILE_SIZE) bytes.
    #[error(
        "{size} bytes are more than the limit of {limit}; this is not a file of EfficientAD weights"
    )]
    FileTooLarge {
        /// Size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The folder to write into does not exist, or is not a folder.
    #[error("its folder does not exist ({0}); create it, or choose another path")]
    FolderMissing(#[source] io::Error),
    /// The folder may not be written to.
    #[error(
        "its folder cannot be written to ({0}); choose another folder, or change the permissions"
    )]
    NotWritable(#[source] io::Error),
    /// The disk or the quota is full. An earlier file of this name is untouched.
    #[error(
        "the disk is full ({0}); make room and save again (an earlier file of this name is untouched)"
    )]
    DiskFull(#[source] io::Error),
    /// Writing failed otherwise. An earlier file of this name is untouched.
    #[error("the file could not be written ({0}); an earlier file of this name is untouched")]
    Write(#[source] io::Error),
    /// What was written cannot be read back as it was meant. An earlier file of this name is untouched.
    #[error(
        "what was written cannot be read back ({0}); an earlier file of this name is untouched, report this with the command"
    )]
    NotReadBack(String),

    // Safetensors.
    /// The file ends before what its header announces.
    #[error("the file is cut short: {found} bytes of {expected}; copy or download it again")]
    Truncated {
        /// Bytes that the file should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The file goes on after what its header announces.
    #[error(
        "the file has {found} bytes where its header announces {expected}; copy or download it again"
    )]
    TrailingBytes {
        /// Bytes that the file should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The header has more than [`MAX_HEADER_SIZE`](crate::MAX_HEADER_SIZE) bytes.
    #[error(
        "its header has {size} bytes, more than the limit of {limit}; the file is damaged, or holds far more than weights"
    )]
    HeaderTooLarge {
        /// Size of the header in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The bytes do not begin as a safetensors file does.
    #[error(
        "this is not a safetensors file; check that the path is right and the download complete"
    )]
    NotSafetensors,
    /// A PyTorch file (zip or pickle) where a safetensors file is needed.
    #[error("this is a PyTorch file, not a safetensors file; import it as foreign weights first")]
    PyTorchFile,
    /// The header is no valid JSON, or its types, shapes and offsets contradict one another.
    #[error("its header is invalid ({0}); the file is damaged, copy or write it again")]
    Header(String),
    /// Two tensors have one name.
    #[error(
        "the name `{0}` occurs twice, so it is unclear which one is meant; write the file again"
    )]
    DuplicateName(String),
    /// A tensor's numbers are of a type that is not read.
    #[error(
        "tensor `{tensor}` holds {found}; only F16, BF16, F32, F64 and I64 are read: convert it"
    )]
    ElementType {
        /// The tensor's name.
        tensor: String,
        /// The type, as the file names it.
        found: String,
    },
    /// A tensor holds NaN or an infinity (also: a number beyond the range of `f32`).
    #[error(
        "tensor `{tensor}` holds {value} at position {index}; the training that wrote it went wrong, use an earlier file"
    )]
    NotFinite {
        /// The tensor's name.
        tensor: String,
        /// Position in row-major order.
        index: usize,
        /// The value found.
        value: f32,
    },

    // The container.
    /// A safetensors file without this container's mark.
    #[error(
        "this safetensors file was not written by this program; import it as foreign weights first"
    )]
    NotAContainer,
    /// The container's mark is there, the checksum is not where it belongs.
    #[error(
        "its header was rewritten by another program, which removed the checksum; use the original file"
    )]
    ChecksumMissing,
    /// The bytes do not match the checksum.
    #[error(
        "the file is damaged: its SHA-256 is {computed} where {stated} was written; copy or download it again"
    )]
    Checksum {
        /// The checksum in the file, as it stands there.
        stated: String,
        /// The checksum of the bytes.
        computed: String,
    },
    /// A container of another version.
    #[error(
        "its format has version {found}, this program reads version {FORMAT_VERSION}; use the program that wrote it, or train again"
    )]
    OtherVersion {
        /// The version in the file.
        found: String,
    },
    /// A container of another kind.
    #[error("this is an `{found}` file where an `{expected}` file is needed; give the other file")]
    OtherKind {
        /// The kind in the file.
        found: String,
        /// The kind asked for.
        expected: String,
    },
    /// The JSON document does not say what the caller needs.
    #[error("its document cannot be used ({0}); write the file again with this program's version")]
    Document(#[source] serde_json::Error),

    // Tensors.
    /// Shape and number of values contradict each other.
    #[error(
        "a tensor of shape {shape:?} cannot hold {found} values; give as many values as the shape's product"
    )]
    ValueCount {
        /// The shape.
        shape: Vec<usize>,
        /// The number of values.
        found: usize,
    },
    /// The name is one that safetensors keeps for itself.
    #[error("no tensor can be named `{0}`, safetensors keeps that name for itself; rename it")]
    ReservedName(String),
    /// A tensor that is needed is not there.
    #[error("tensor `{0}` is missing; the file belongs to another network, or is incomplete")]
    MissingTensor(String),
    /// A tensor has another shape than needed.
    #[error(
        "tensor `{name}` has shape {found:?} where {expected:?} is needed; the file belongs to another network or size"
    )]
    Shape {
        /// The tensor's name.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape needed.
        expected: Vec<usize>,
    },

    // Foreign files.
    /// The zip archive is damaged.
    #[error("its zip archive cannot be read ({0}); copy or download it again")]
    Archive(String),
    /// The zip archive lacks an entry.
    #[error("its zip archive has no entry `{0}`; this is not what torch.save writes")]
    EntryMissing(String),
    /// An entry of the zip archive is compressed or encrypted, which torch.save never does.
    #[error(
        "entry `{0}` of its zip archive is compressed or encrypted, which torch.save never does; save it again with PyTorch"
    )]
    EntryPacked(String),
    /// A TorchScript archive, which holds a program.
    #[error(
        "this is a TorchScript archive; load it with torch.jit.load and save its state_dict() with torch.save"
    )]
    TorchScript,
    /// A pickle that torch.save did not write.
    #[error(
        "this is a pickle, but not one that torch.save wrote; load it with Python and save the state_dict() with torch.save"
    )]
    PlainPickle,
    /// The numbers are stored in big-endian order.
    #[error(
        "it was saved on a big-endian machine; load and save it again with PyTorch on a little-endian one"
    )]
    BigEndian,
    /// The file names a function that starts programs. Nothing was run.
    #[error(
        "it asks to call `{0}`, which weights never need; nothing was run. Do not open this file with PyTorch, delete it"
    )]
    RunsCode(String),
    /// The pickle ends too early.
    #[error(
        "its pickle ends at byte {0} in the middle of an instruction; copy or download it again"
    )]
    PickleTruncated(usize),
    /// The pickle holds an instruction that torch.save never writes.
    #[error(
        "its pickle has instruction 0x{opcode:02x} at byte {at}, which torch.save does not write by default; save the state_dict() again with torch.save"
    )]
    PickleOpcode {
        /// Position of the instruction in the pickle.
        at: usize,
        /// The instruction.
        opcode: u8,
    },
    /// An instruction of the pickle does not find what it works on.
    #[error("its pickle is invalid at byte {at}: {needs} is missing; copy or download it again")]
    PickleOperand {
        /// Position after the instruction in the pickle.
        at: usize,
        /// What is not there.
        needs: &'static str,
    },
    /// More than is ever needed for a file of weights.
    #[error(
        "it has more than {limit} {what}, far more than EfficientAD's weights need; save only the state_dict()"
    )]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A tensor is recorded in a way that is not understood.
    #[error(
        "tensor `{tensor}` is recorded with {problem}; save it again with `.detach().contiguous().clone()`"
    )]
    TensorRecord {
        /// The tensor's name in the file.
        tensor: String,
        /// What is not understood.
        problem: String,
    },
    /// A tensor reaches beyond its stored numbers.
    #[error(
        "tensor `{0}` reaches beyond the numbers stored for it; copy or download the file again"
    )]
    TensorBeyondStorage(String),
    /// There are no tensors where a state dict or module keeps them.
    #[error(
        "it holds no state dict and no module ({0}); save the network's state_dict() with torch.save"
    )]
    NoTensors(String),
    /// The tensors' names belong to no known network.
    #[error(
        "its tensors ({0}) are named like no EfficientAD network; known are nelson1425's and anomalib's names"
    )]
    UnknownLayout(String),
    /// The network is known, but some of its tensors are missing.
    #[error("it looks like {layout}, but lacks {missing}; save the whole state_dict()")]
    MissingLayers {
        /// The network that the other names belong to.
        layout: &'static str,
        /// The names in the file's own style, separated by commas.
        missing: String,
    },
}

impl Cause {
    /// This cause, with the name of the file it was found in.
    pub fn in_file(self, file: impl Into<PathBuf>) -> WeightsError {
        WeightsError { file: file.into(), cause: self }
    }
}
