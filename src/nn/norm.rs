//! Normalisations that hold their weights.

use super::{Graph, Layer, Value};
use crate::{
    context::Context,
    error::Error,
    ops::{self, Activation, DescriptorError},
    tensor::{DeviceTensor, HostTensor},
};

/// Weights of a row normalisation on the device.
#[derive(Clone, Debug)]
struct Affine {
    gamma: DeviceTensor,
    beta: Option<DeviceTensor>,
}

impl Affine {
    async fn new(ctx: &Context, gamma: &HostTensor, beta: Option<&HostTensor>) -> Result<Self, Error> {
        let beta = match beta {
            Some(b) => Some(ctx.upload(b).await?),
            None => None,
        };
        Ok(Self { gamma: ctx.upload(gamma).await?, beta })
    }

    /// Its operands.
    fn args(&self, g: &mut Graph) -> Vec<(&'static str, Value)> {
        let mut args = vec![("gamma", g.tensor(&self.gamma))];
        args.extend(self.beta.as_ref().map(|b| ("beta", g.tensor(b))));
        args
    }
}

macro_rules! row_norm {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            affine: Affine,
            epsilon: f32,
        }

        impl $name {
            /// γ and, if there is one, β, \[columns\].
            ///
            /// # Errors
            /// As [`Context::upload`].
            pub async fn new(
                ctx: &Context,
                gamma: &HostTensor,
                beta: Option<&HostTensor>,
                epsilon: f32,
            ) -> Result<Self, Error> {
                Ok(Self { affine: Affine::new(ctx, gamma, beta).await?, epsilon })
            }

            /// [`record`](Layer::record) with a residual of the shape of `x`, added before.
            ///
            /// # Errors
            /// As there.
            pub fn record_with(&self, g: &mut Graph, x: Value, residual: Option<Value>) -> Result<Value, Error> {
                let norm = ops::$name::new(g.layout(x)?.shape()).x(g.layout(x)?.element().plain()).epsilon(self.epsilon);
                let mut norm = norm.gamma(self.affine.gamma.layout().element().dtype());
                if let Some(beta) = &self.affine.beta {
                    norm = norm.beta(beta.layout().element().dtype());
                }
                let mut args = self.affine.args(g);
                args.push(("x", x));
                if let Some(residual) = residual {
                    norm = norm.residual(g.layout(residual)?.element().plain());
                    args.push(("residual", residual));
                }
                g.apply(&norm, &args)
            }
        }

        impl Layer for $name {
            fn record(&self, g: &mut Graph, x: Value) -> Result<Value, Error> {
                self.record_with(g, x, None)
            }
        }
    };
}

row_norm! {
    /// (x − mean) / √(variance + ε) · γ + β over the last axis: [`ops::LayerNorm`].
    LayerNorm
}

row_norm! {
    /// x / √(mean x² + ε) · γ over the last axis: [`ops::RmsNorm`].
    RmsNorm
}

/// What BatchNorm learnt: γ, β, running mean and variance of every channel, and ε.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Factor of every channel.
    pub gamma: Vec<f32>,
    /// Summand of every channel.
    pub beta: Vec<f32>,
    /// Running mean.
    pub mean: Vec<f32>,
    /// Running variance.
    pub variance: Vec<f32>,
    /// What is added to the variance.
    pub epsilon: f32,
}

impl Statistics {
    /// Every vector must be of so many channels, and what is divided by above zero.
    pub(super) fn expect(&self, op: &'static str, channels: usize) -> Result<(), DescriptorError> {
        let fail = |what, expected: &str, got: String| Err(DescriptorError::new(op, what, expected, got));
        if channels == 0 {
            return fail("gamma", "1 channel or more", "0".into());
        }
        let all = [
            ("gamma", &self.gamma),
            ("beta", &self.beta),
            ("mean", &self.mean),
            ("variance", &self.variance),
        ];
        if let Some((what, v)) = all.into_iter().find(|(_, v)| v.len() != channels) {
            return fail(what, &format!("as many numbers as channels, {channels}"), v.len().to_string());
        }
        ops::expect_epsilon(op, self.epsilon)?;
        match self.variance.iter().find(|v| !(**v >= 0.0 && v.is_finite() && **v + self.epsilon > 0.0)) {
            Some(v) => fail("variance", "numbers of 0 or more, above 0 with epsilon added", v.to_string()),
            None => Ok(()),
        }
    }

    /// What it comes to: x · scale + shift, in f64.
    pub fn affine(&self) -> (Vec<f64>, Vec<f64>) {
        let scale = self.gamma.iter().zip(&self.variance);
        let scale: Vec<f64> = scale
            .map(|(gamma, variance)| {
                f64::from(*gamma) / (f64::from(*variance) + f64::from(self.epsilon)).sqrt()
            })
            .collect();
        let shift = self.beta.iter().zip(&self.mean).zip(&scale);
        let shift = shift.map(|((beta, mean), scale)| f64::from(*beta) - f64::from(*mean) * scale).collect();
        (scale, shift)
    }
}

/// act((x − mean) / √(variance + ε) · γ + β) of every channel, the last axis: [`ops::BatchNorm`] as inference has it.
#[derive(Clone, Debug)]
pub struct BatchNorm2d {
    affine: Affine,
    mean: DeviceTensor,
    variance: DeviceTensor,
    epsilon: f32,
    activation: Activation,
}

impl BatchNorm2d {
    /// Copies the statistics to the device.
    ///
    /// # Errors
    /// [`Error::Descriptor`] for vectors of different lengths, or that nothing is divided by; as [`Context::upload`].
    pub async fn new(ctx: &Context, statistics: &Statistics) -> Result<Self, Error> {
        let channels = statistics.gamma.len();
        statistics.expect("batch_norm", channels)?;
        let tensor = |v: &[f32]| HostTensor::from_f32(v, [channels as u32]);
        let (gamma, beta) = (tensor(&statistics.gamma)?, tensor(&statistics.beta)?);
        Ok(Self {
            affine: Affine::new(ctx, &gamma, Some(&beta)).await?,
            mean: ctx.upload(&tensor(&statistics.mean)?).await?,
            variance: ctx.upload(&tensor(&statistics.variance)?).await?,
            epsilon: statistics.epsilon,
            activation: Activation::None,
        })
    }

    /// The function at the end.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }
}

impl Layer for BatchNorm2d {
    fn record(&self, g: &mut Graph, x: Value) -> Result<Value, Error> {
        let dtype = |t: &DeviceTensor| t.layout().element().dtype();
        let norm =
            ops::BatchNorm::new(g.layout(x)?.shape()).x(g.layout(x)?.element().plain()).epsilon(self.epsilon);
        let norm = norm.gamma(dtype(&self.affine.gamma)).activation(self.activation);
        let norm = self.affine.beta.iter().fold(norm, |norm, beta| norm.beta(dtype(beta)));
        let mut args = self.affine.args(g);
        args.extend([
            ("x", x),
            ("running_mean", g.tensor(&self.mean)),
            ("running_var", g.tensor(&self.variance)),
        ]);
        g.apply(&norm, &args)
    }
}
