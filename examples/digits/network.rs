//! The network on one context: per layer a [`Quantize`] and a [`Gemm`]; and the check of everything they computed.

use crate::model::Model;
use quarter::{
    Bound, Context, Error,
    dtype::Format,
    ops::{Activation, Arithmetic, Gemm, GemmArgs, Inputs, Operation, Quantize, QuantizeArgs},
    scale::Granularity,
    tensor::{DType, DeviceTensor, Element, Layout},
};
use std::time::Instant;

/// The network for one batch, ready to run.
pub struct Network<'c> {
    ctx: &'c Context,
    /// What a batch takes, in order.
    steps: Vec<Bound>,
    /// Every tensor that was quantised, with the codes made of it.
    coded: Vec<(DeviceTensor, DeviceTensor)>,
    /// Every product, with a, b, bias and out.
    layers: Vec<(Gemm, [DeviceTensor; 4])>,
}

/// What a batch gave.
pub struct Outcome {
    /// One digit per image.
    pub predictions: Vec<usize>,
    /// Codes of weights and activations.
    pub codes: usize,
    /// Those that are not, to the bit, what the host makes of the same numbers; a tensor's wrong scales count as one.
    pub wrong_codes: usize,
    /// The largest |computed − truth| / bound of any element of any layer.
    pub share: f64,
    /// The fastest of a few runs.
    pub ms: f64,
}

impl<'c> Network<'c> {
    /// Weights get one scale per output, activations one per image; without a format they stay f32.
    pub fn new(
        ctx: &'c Context,
        model: &Model,
        activations: Option<Format>,
        weights: Option<Format>,
    ) -> Result<Self, Error> {
        let mut net = Self { ctx, steps: vec![], coded: vec![], layers: vec![] };
        let mut x = ctx.upload_blocking(&model.images)?;
        for (i, (weight, bias)) in model.layers.iter().enumerate() {
            let (w, bias) = (ctx.upload_blocking(weight)?, ctx.upload_blocking(bias)?);
            let (b, once) = net.quantize(w, weights, Granularity::PerChannel { axis: 0 })?;
            ctx.run(&once)?;
            let (a, step) = net.quantize(x, activations, Granularity::PerToken)?;
            net.steps.extend(step);

            let last = i + 1 == model.layers.len();
            let gemm = Gemm::new(a.layout().rows(), b.layout().rows(), a.layout().cols())
                .a(a.layout().element())
                .b(b.layout().element())
                .bias(DType::F32)
                .activation(if last { Activation::None } else { Activation::Relu });
            let out = ctx.empty_blocking(&Layout::new([gemm.m, gemm.n], Element::F32)?)?;
            net.steps.push(ctx.plan_blocking(&gemm)?.bind(&GemmArgs::new(&a, &b, &out).bias(&bias))?);
            x = out.clone();
            net.layers.push((gemm, [a, b, bias, out]));
        }
        Ok(net)
    }

    /// The codes of `x`, by current scaling, and the step that makes them; `x` itself without a format.
    fn quantize(
        &mut self,
        x: DeviceTensor,
        format: Option<Format>,
        granularity: Granularity,
    ) -> Result<(DeviceTensor, Option<Bound>), Error> {
        let Some(format) = format else { return Ok((x, None)) };
        let op = Quantize::new(x.layout().shape(), DType::F32, format, granularity);
        let codes = self.ctx.empty_blocking(&op.out()?)?;
        let step = self.ctx.plan_blocking(&op)?.bind(&QuantizeArgs::new(&x, &codes))?;
        self.coded.push((x, codes.clone()));
        Ok((codes, Some(step)))
    }

    /// Runs the batch and checks it.
    pub fn run(&self) -> Result<Outcome, Error> {
        let mut ms = f64::INFINITY;
        for _ in 0..5 {
            let start = Instant::now();
            self.ctx.run(&self.steps)?; // On a GPU: one submission.
            pollster::block_on(self.ctx.finish()).expect("the device is there");
            ms = ms.min(1e3 * start.elapsed().as_secs_f64());
        }
        let (codes, wrong_codes) = self.codes()?;
        let (mut share, mut logits) = (0.0, vec![]);
        for (gemm, tensors) in &self.layers {
            logits = self.ctx.download_blocking(&tensors[3])?.to_f32();
            share = f64::max(share, self.share(gemm, tensors, &logits)?);
        }
        let per_image = logits.len() / self.layers[0].0.m as usize;
        let predictions = logits.chunks_exact(per_image).map(largest).collect();
        Ok(Outcome { predictions, codes, wrong_codes, share, ms })
    }

    /// How many codes there are, and how many are wrong. Codes and scales are promised to the bit on every backend:
    /// if both agree with the host, they agree with each other.
    fn codes(&self) -> Result<(usize, usize), Error> {
        let (mut all, mut wrong) = (0, 0);
        for (x, codes) in &self.coded {
            let (x, got) = (self.ctx.download_blocking(x)?, self.ctx.download_blocking(codes)?);
            let element = got.layout().element();
            let (format, granularity) = element.format().zip(element.scaling()).expect("an 8-bit tensor");
            let want = x.quantize(format, granularity)?;
            all += want.codes()?.len();
            wrong += got.codes()?.iter().zip(want.codes()?).filter(|(g, w)| **g != *w).count();
            wrong += usize::from(got.scales() != want.scales());
        }
        Ok((all, wrong))
    }

    /// The largest error of a layer as a share of its bound. Truth, in f64, and bound are those of the very numbers
    /// that the layer read: codes and scales as they lie in the memory of the context.
    fn share(&self, gemm: &Gemm, [a, b, bias, _]: &[DeviceTensor; 4], got: &[f32]) -> Result<f64, Error> {
        let mut inputs = Inputs { tensors: vec![], arithmetic: Arithmetic::F32 };
        for (role, t) in [("a", a), ("b", b), ("bias", bias)] {
            inputs.tensors.push((role, self.ctx.download_blocking(t)?));
        }
        let (_, truth) = &gemm.reference(&inputs).0[0];
        assert_eq!(got.len(), truth.len());
        let shares = got.iter().zip(truth).map(|(&got, want)| match (f64::from(got) - want.value).abs() {
            0.0 => 0.0,
            error if error.is_nan() => f64::INFINITY,
            error => error / want.error,
        });
        Ok(shares.fold(0.0, f64::max))
    }
}

/// The place of the largest number.
fn largest(logits: &[f32]) -> usize {
    let best = logits.iter().enumerate().max_by(|x, y| x.1.total_cmp(y.1));
    best.map_or(0, |(i, _)| i)
}
