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

/// Decoding and encoding of every format of up to 8 bits, in WGSL, for shaders of your own: put it before their text.
///
/// | function | what it does |
/// |---|---|
/// | `fp8_unpack(word: u32) -> vec4<u32>` | four codes of a word, lane 0 lowest |
/// | `fp8_decode(codes, sign_bit, man_bits, bias, step) -> vec4<f32>` | finite codes to f32; step = 2^(1 − bias) |
/// | `fp8_encode(bits, sign_bit, man_bits, bias, max_code, over_code, nan_code, fnuz) -> vec4<u32>` | bits of f32 to codes, to nearest even |
/// | `fp8_encode_unsigned(bits, man_bits, bias, max_code, over_code, under_code, nan_code) -> vec4<u32>` | the same without a sign; what is negative becomes `under_code` |
/// | `fp8_pack(codes) -> u32` | four codes to a word |
///
/// A [`Format`](crate::dtype::Format) knows the numbers: `sign_bit` is `magnitude_bits()`, `over_code` is
/// `max_code()` to saturate. It is one text with the library of the crate's own kernels, and has no bindings. It takes
/// the names that begin with `fp8_`, `minifloat_`, `f16_` and `bf16_`, and `Truncated`.
///
/// ```
/// use quarter::{dtype::Format, shader::FP8};
/// let f = Format::E4M3FN;
/// let (bits, man, bias) = (f.magnitude_bits(), f.man_bits(), f.bias());
/// let mine = format!(
///     "@group(0) @binding(0) var<storage, read> codes: array<u32>;
///      @group(0) @binding(1) var<storage, read_write> numbers: array<vec4<f32>>;
///      @compute @workgroup_size(64)
///      fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
///          let quad = fp8_unpack(codes[id.x]);
///          numbers[id.x] = fp8_decode(quad, {bits}u, {man}u, {bias}, exp2(f32(1 - {bias})));
///      }}"
/// );
/// let module = naga::front::wgsl::parse_str(&format!("{FP8}\n{mine}"))?;
/// assert_eq!(module.entry_points[0].name, "main");
/// # Ok::<(), naga::front::wgsl::ParseError>(())
/// ```
pub const FP8: &str = concat!(
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/lib/minifloat.wgsl")),
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/lib/fp8.wgsl")),
);

/// The files that any shader may import.
pub static LIBRARY: &[Shader] = &[
    shader!("conv2d/direct.wgsl"),
    shader!("conv2d/patch.wgsl"),
    shader!("conv2d/pixel.wgsl"),
    shader!("embedding_bag/look_up.wgsl"),
    shader!("encode/sums.wgsl"),
    shader!("gemm/epilogue.wgsl"),
    shader!("gemm/params.wgsl"),
    shader!("gemm/side.wgsl"),
    shader!("gemm/sides.wgsl"),
    shader!("lib/activation.wgsl"),
    shader!("lib/bits.wgsl"),
    shader!("lib/derive.wgsl"),
    shader!("lib/flags.wgsl"),
    shader!("lib/fp8.wgsl"),
    shader!("lib/grid.wgsl"),
    shader!("lib/ieee.wgsl"),
    shader!("lib/log2.wgsl"),
    shader!("lib/minifloat.wgsl"),
    shader!("lib/operand.wgsl"),
    shader!("lib/output.wgsl"),
    shader!("lib/philox.wgsl"),
    shader!("lib/real.wgsl"),
    shader!("lib/record.wgsl"),
    shader!("lib/rows.wgsl"),
    shader!("lib/scale.wgsl"),
    shader!("lib/walk.wgsl"),
    shader!("move/params.wgsl"),
    shader!("norm/affine.wgsl"),
    shader!("norm/load.wgsl"),
    shader!("norm/moments.wgsl"),
    shader!("norm/root.wgsl"),
    shader!("pool2d/window.wgsl"),
];
