//! The denoiser: three products of 8-bit codes, in tensors that the renderer's own shaders fill and read.

use quarter::{
    Bound, Context,
    dtype::Format,
    ops::{Activation, Gemm, GemmArgs},
    scale::{Granularity, Scale, Scales},
    tensor::{DType, DeviceTensor, Element, HostTensor, Layout},
};
use safetensors::SafeTensors;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Numbers per pixel that go in.
pub const INPUTS: u32 = 148;

/// The network for one number of pixels.
pub struct Network {
    /// \[pixels, INPUTS\], f16: the renderer writes it.
    pub input: DeviceTensor,
    /// \[pixels, 49\], f32: the renderer reads it.
    pub output: DeviceTensor,
    /// What a frame records, in order.
    pub layers: Vec<Bound>,
}

impl Network {
    pub fn new(ctx: &Context, pixels: u32) -> Result<Self> {
        let file = SafeTensors::deserialize(include_bytes!("denoiser.safetensors"))?;
        let real = |name: &str| {
            let t = file.tensor(name)?;
            let shape: Vec<u32> = t.shape().iter().map(|&d| d as u32).collect();
            let numbers: Vec<f32> = t.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            Result::Ok(HostTensor::from_f32(&numbers, shape)?)
        };
        let amax = real("amax")?.to_f32();
        let input = ctx.empty_blocking(&Layout::new([pixels, INPUTS], Element::F16)?)?;
        let mut x = input.clone();
        let mut layers = vec![];
        for i in 0..3 {
            // One byte per weight, one scale per output.
            let weight =
                real(&format!("weight{i}"))?.quantize(Format::E4M3FN, Granularity::PerChannel { axis: 0 })?;
            let (weight, bias) =
                (ctx.upload_blocking(&weight)?, ctx.upload_blocking(&real(&format!("bias{i}"))?)?);
            let outputs = weight.layout().shape()[0];
            let gemm = Gemm::new(pixels, outputs, x.layout().cols())
                .a(x.layout().element())
                .b(weight.layout().element())
                .bias(DType::F32);
            let (gemm, out) = match amax.get(i) {
                // Hidden layers are 8-bit too: static scales, found in training.
                Some(&amax) => {
                    let e = Element::f8(Format::E4M3FN, Granularity::PerTensor);
                    let scales = Scales::per_tensor(Scale::from_amax(amax, Format::E4M3FN));
                    let out = ctx.empty_scaled_blocking(&Layout::new([pixels, outputs], e)?, &scales)?;
                    (gemm.activation(Activation::Relu).out(e), out)
                }
                None => (gemm, ctx.empty_blocking(&Layout::new([pixels, outputs], Element::F32)?)?),
            };
            layers.push(ctx.plan_blocking(&gemm)?.bind(&GemmArgs::new(&x, &weight, &out).bias(&bias))?);
            x = out;
        }
        Ok(Self { input, output: x, layers })
    }
}
