//! WGSL as text: composed from files, with every line traced back to the file it came from.

mod compose;

pub use compose::{ComposeError, Composed, compose};

/// A WGSL file beside its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shader {
    /// Path below `shaders/`, as errors and labels name it.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// `shader!("gemm/tiled.wgsl")`: the file below `shaders/`, by its path.
macro_rules! shader {
    ($path:literal) => {
        $crate::shader::Shader {
            path: $path,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $path)),
        }
    };
}
pub(crate) use shader;

/// The files that any shader may import.
pub static LIBRARY: &[Shader] = &[
    shader!("gemm/epilogue.wgsl"),
    shader!("gemm/params.wgsl"),
    shader!("gemm/side.wgsl"),
    shader!("lib/activation.wgsl"),
    shader!("lib/bits.wgsl"),
    shader!("lib/fp8.wgsl"),
    shader!("lib/grid.wgsl"),
    shader!("lib/minifloat.wgsl"),
    shader!("lib/operand.wgsl"),
    shader!("lib/output.wgsl"),
    shader!("lib/philox.wgsl"),
    shader!("lib/record.wgsl"),
    shader!("lib/scale.wgsl"),
];
