//! Random descriptors, and what another library calls their attributes.

use quarter::{
    dtype::Format,
    ops::{
        BagMode, Bags, BatchNorm, Causal, Conv1d, Conv2d, ConvTranspose2d, Embedding, EmbeddingBag,
        GroupNorm, Images, InstanceNorm, LayerNorm, Pool2d, Positions, RmsNorm, Rope, Sequences, Softmax,
        Upsample2d,
    },
    scale::Granularity,
    tensor::{DType, Element},
};

/// Random numbers, the same every time (SplitMix64, G. Steele et al., 2014).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn of(&mut self, low: u32, high: u32) -> u32 {
        low + (self.next() % u64::from(high - low + 1)) as u32
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.of(0, of.len() as u32 - 1) as usize]
    }

    /// Any kind of number, 8-bit ones with one scale.
    fn element(&mut self) -> Element {
        let f8 = |f| Element::f8(f, Granularity::PerTensor);
        let coded = [Format::E4M3FN, Format::E5M2, Format::E3M4FN].map(f8);
        self.one(&[Element::F32, Element::F16, Element::BF16, coded[0], coded[1], coded[2]])
    }
}

/// One problem.
pub struct Problem<O> {
    pub op: O,
    /// Fields of a JSON object.
    pub attributes: String,
    /// Of its operands.
    pub seed: u64,
}

fn problem<O>(dice: &mut Dice, op: O, attributes: String) -> Problem<O> {
    Problem { op, attributes, seed: dice.next() >> 32 }
}

pub fn conv2d(dice: &mut Dice) -> Problem<Conv2d> {
    let (groups, kind) = (dice.one(&[1, 1, 1, 2, 3, 4]), dice.of(0, 3));
    let (channels, out) = match kind {
        // Depthwise, one or two kernels each.
        0 => {
            let channels = dice.of(2, 20);
            (channels, channels * dice.of(1, 2))
        }
        _ => (groups * dice.of(1, 12), groups * dice.of(1, 12)),
    };
    let groups = if kind == 0 { channels } else { groups };
    let (kernel, dilation) = ([dice.of(1, 5), dice.of(1, 5)], [dice.of(1, 3), dice.of(1, 3)]);
    let padding = [(); 4].map(|()| dice.of(0, 3));
    let covered = |i: usize| dilation[i] * (kernel[i] - 1) + 1;
    let size = [0, 1].map(|i| covered(i) + dice.of(0, 9));
    let stride = [dice.of(1, 3), dice.of(1, 3)];
    let images = dice.one(&[Images::Nhwc, Images::Nchw]);
    let mut op = Conv2d::new([dice.of(1, 3), size[0], size[1], channels], out, kernel);
    op = op.stride(stride).padding(padding).dilation(dilation).groups(groups).x_images(images);
    let w = match dice.element() {
        e if e.format().is_some() && dice.coin() => {
            let axis = if op.sees_one_channel() { 2 } else { 0 };
            Element::f8(e.format().unwrap_or(Format::E5M2), Granularity::PerChannel { axis })
        }
        e => e,
    };
    op = op.x(dice.element()).w(w);
    if dice.coin() {
        op = op.bias(dice.one(&[DType::F32, DType::F16, DType::Bf16]));
    }
    let nchw = images == Images::Nchw;
    let attributes = format!(
        "\"stride\": {stride:?}, \"padding\": {padding:?}, \"dilation\": {dilation:?}, \"groups\": {groups}, \"nchw\": {nchw}"
    );
    problem(dice, op, attributes)
}

pub fn conv1d(dice: &mut Dice) -> Problem<Conv1d> {
    let depthwise = dice.of(0, 3) == 0;
    let groups = if depthwise { dice.of(2, 40) } else { dice.one(&[1, 1, 1, 2, 3, 4]) };
    let channels = if depthwise { groups } else { groups * dice.of(1, 12) };
    let out = groups * if depthwise { dice.of(1, 2) } else { dice.of(1, 12) };
    let (kernel, dilation, stride) = (dice.of(1, 9), dice.of(1, 4), dice.of(1, 3));
    let padding = [dice.of(0, 9), dice.of(0, 5)];
    let length = dilation * (kernel - 1) + 1 + dice.of(0, 60);
    let orders = [Sequences::Nlc, Sequences::Ncl];
    let (from, to) = (dice.one(&orders), dice.one(&orders));
    let op = Conv1d::new([dice.of(1, 3), length, channels], out, kernel).stride(stride).padding(padding);
    let op = op.dilation(dilation).groups(groups).x_sequences(from).out_sequences(to);
    let w = match dice.element() {
        e if e.format().is_some() && dice.coin() => {
            let axis = if op.sees_one_channel() { 1 } else { 0 };
            Element::f8(e.format().unwrap_or(Format::E5M2), Granularity::PerChannel { axis })
        }
        e => e,
    };
    let mut op = op.x(dice.element()).w(w);
    if dice.coin() {
        op = op.bias(dice.one(&[DType::F32, DType::F16, DType::Bf16]));
    }
    if dice.coin() {
        op = op.residual(dice.element());
    }
    let [from, to] = [from, to].map(|order| order == Sequences::Ncl);
    let attributes = format!(
        "\"stride\": {stride}, \"padding\": {padding:?}, \"dilation\": {dilation}, \"groups\": {groups}, \
         \"from_ncl\": {from}, \"to_ncl\": {to}"
    );
    problem(dice, op, attributes)
}

pub fn conv_transpose2d(dice: &mut Dice) -> Problem<ConvTranspose2d> {
    let depthwise = dice.of(0, 3) == 0;
    let groups = if depthwise { dice.of(2, 20) } else { dice.one(&[1, 1, 1, 2, 3, 4]) };
    let channels = groups * if depthwise { 1 } else { dice.of(1, 12) };
    let out = groups * if depthwise { dice.of(1, 2) } else { dice.of(1, 12) };
    let mut pair = |low, high| [dice.of(low, high), dice.of(low, high)];
    let (size, kernel, stride, dilation) = (pair(1, 8), pair(1, 5), pair(1, 4), pair(1, 3));
    let added = [0, 1].map(|i| dice.of(0, stride[i].max(dilation[i]) - 1));
    // As much as leaves a line.
    let lines = [0, 1].map(|i| (size[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + added[i]);
    let mut padding = [0; 4];
    for (i, side) in padding.iter_mut().enumerate() {
        *side = dice.of(0, (lines[i % 2] / 2).min(4));
    }
    let orders = [Images::Nhwc, Images::Nchw];
    let (from, to) = (dice.one(&orders), dice.one(&orders));
    let op = ConvTranspose2d::new([dice.of(1, 3), size[0], size[1], channels], out, kernel);
    let op = op.stride(stride).dilation(dilation).padding(padding).output_padding(added).groups(groups);
    let op = op.x_images(from).out_images(to);
    let w = match dice.element() {
        e if e.format().is_some() && dice.coin() => {
            let axis = if op.sees_one_channel() { 2 } else { 0 };
            Element::f8(e.format().unwrap_or(Format::E5M2), Granularity::PerChannel { axis })
        }
        e => e,
    };
    let mut op = op.x(dice.element()).w(w);
    if dice.coin() {
        op = op.bias(dice.one(&[DType::F32, DType::F16, DType::Bf16]));
    }
    if dice.coin() {
        op = op.residual(dice.element());
    }
    let [from, to] = [from, to].map(|order| order == Images::Nchw);
    let attributes = format!(
        "\"stride\": {stride:?}, \"padding\": {padding:?}, \"output_padding\": {added:?}, \"dilation\": {dilation:?}, \
         \"groups\": {groups}, \"from_nchw\": {from}, \"to_nchw\": {to}"
    );
    problem(dice, op, attributes)
}

fn shape(dice: &mut Dice) -> Vec<u32> {
    let cols = dice.one(&[1, 3, 17, 64, 127, 384, 1000]).max(dice.of(1, 30));
    let mut shape: Vec<u32> = (0..dice.of(0, 2)).map(|_| dice.of(1, 6)).collect();
    shape.push(cols);
    shape
}

fn epsilon(dice: &mut Dice) -> f32 {
    dice.one(&[1e-5, 1e-3, 1e-6])
}

/// γ, β and the rest that all norms have.
macro_rules! dressed {
    ($dice:ident, $op:expr) => {{
        let mut op = $op.x($dice.element());
        if $dice.coin() {
            op = op.gamma($dice.one(&[DType::F32, DType::F16, DType::Bf16]));
        }
        if $dice.coin() {
            op = op.beta($dice.one(&[DType::F32, DType::F16, DType::Bf16]));
        }
        if $dice.coin() {
            op = op.residual($dice.element());
        }
        let epsilon = epsilon($dice);
        (op.epsilon(epsilon), epsilon)
    }};
}

pub fn layer_norm(dice: &mut Dice) -> Problem<LayerNorm> {
    let shape = shape(dice);
    let (op, epsilon) = dressed!(dice, LayerNorm::new(shape));
    let zero_centred = op.gamma.is_some() && dice.coin();
    let op = if zero_centred { op.zero_centred() } else { op };
    problem(dice, op, format!("\"epsilon\": {}, \"zero_centred\": {zero_centred}", f64::from(epsilon)))
}

pub fn rms_norm(dice: &mut Dice) -> Problem<RmsNorm> {
    let shape = shape(dice);
    let (op, epsilon) = dressed!(dice, RmsNorm::new(shape));
    problem(dice, op, format!("\"epsilon\": {}", f64::from(epsilon)))
}

fn images(dice: &mut Dice, channels: u32) -> [u32; 4] {
    [dice.of(1, 3), dice.of(2, 9), dice.of(2, 9), channels]
}

pub fn batch_norm(dice: &mut Dice) -> Problem<BatchNorm> {
    let channels = dice.of(1, 40);
    let (op, epsilon) = dressed!(dice, BatchNorm::new(images(dice, channels)));
    let training = dice.coin();
    let op = if training { op.training(0.25) } else { op };
    problem(dice, op, format!("\"epsilon\": {}, \"training\": {training}", f64::from(epsilon)))
}

pub fn group_norm(dice: &mut Dice) -> Problem<GroupNorm> {
    let groups = dice.of(1, 6);
    let channels = groups * dice.of(1, 7);
    let (op, epsilon) = dressed!(dice, GroupNorm::new(images(dice, channels), groups));
    problem(dice, op, format!("\"epsilon\": {}, \"groups\": {groups}", f64::from(epsilon)))
}

pub fn instance_norm(dice: &mut Dice) -> Problem<InstanceNorm> {
    let channels = dice.of(1, 40);
    let (op, epsilon) = dressed!(dice, InstanceNorm::new(images(dice, channels)));
    problem(dice, op, format!("\"epsilon\": {}, \"groups\": {channels}", f64::from(epsilon)))
}

pub fn softmax(dice: &mut Dice) -> Problem<Softmax> {
    let (batch, heads, rows, cols) = (dice.of(1, 3), dice.of(1, 4), dice.of(1, 9), dice.of(1, 200));
    let scale = dice.one(&[1.0, 0.125, 2.5]);
    let mut op = Softmax::new([batch, heads, rows, cols]).x(dice.element()).scale(scale);
    if dice.coin() {
        let mask = dice.one(&[
            [batch, 1, 1, cols],
            [1, heads, rows, cols],
            [batch, heads, rows, 1],
            [1, 1, rows, cols],
        ]);
        op = op.mask(dice.one(&[DType::F32, DType::F16, DType::Bf16]), mask);
    }
    let causal = rows > 1 && cols >= rows && dice.coin();
    let op = if causal { op.causal(Causal::Aligned) } else { op };
    problem(dice, op, format!("\"scale\": {scale}, \"causal\": {causal}"))
}

pub fn rope(dice: &mut Dice) -> Problem<Rope> {
    let (batch, tokens, heads, pairs) = (dice.of(1, 3), dice.of(1, 9), dice.of(1, 4), dice.of(1, 40));
    let cols = 2 * pairs + dice.of(0, 1) * dice.of(0, 30);
    let (shape, axis) = dice.one(&[([batch, tokens, heads, cols], 1), ([batch, heads, tokens, cols], 2)]);
    let kinds = [Positions::FromZero, Positions::Offset, Positions::Shared, Positions::PerSequence];
    let (interleaved, scale) = (dice.coin(), dice.one(&[1.0, 1.0, 0.75]));
    let op = Rope::new(shape, axis).rotary(2 * pairs).positions(dice.one(&kinds)).scale(scale);
    let op = Rope { interleaved, ..op }.x(dice.element());
    // Tables have rows enough for tokens that are counted.
    let kind = dice.one(&[DType::F32, DType::F16, DType::Bf16]);
    let op = if dice.coin() { op.tables(tokens + dice.of(0, 20), kind) } else { op };
    let attributes = format!(
        "\"axis\": {axis}, \"rotary\": {}, \"interleaved\": {interleaved}, \"scale\": {scale}",
        2 * pairs
    );
    problem(dice, op, attributes)
}

pub fn embedding(dice: &mut Dice) -> Problem<Embedding> {
    let (rows, dim) = (dice.of(1, 300), dice.of(1, 90));
    let indices: Vec<u32> = (0..dice.of(1, 3)).map(|_| dice.of(1, 7)).collect();
    let mut op = Embedding::new(indices, rows, dim).table(dice.element());
    if dice.coin() {
        op = op.residual(dice.element());
    }
    problem(dice, op, String::new())
}

pub fn pool2d(dice: &mut Dice) -> Problem<Pool2d> {
    let max = dice.coin();
    // PyTorch takes symmetric padding, at most half of the kernel, and averages without dilation.
    let kernel = [dice.of(1, 4), dice.of(1, 4)];
    let pad = kernel.map(|k| dice.of(0, k / 2));
    let dilation = if max { [dice.of(1, 2), dice.of(1, 2)] } else { [1, 1] };
    let size = [0, 1].map(|i| dilation[i] * (kernel[i] - 1) + 1 + dice.of(0, 8));
    let (stride, ceil, counted) = ([dice.of(1, 3), dice.of(1, 3)], dice.coin(), dice.coin());
    let (images, from) = ([dice.of(1, 3), size[0], size[1], dice.of(1, 20)], dice.element());
    let op = if max { Pool2d::max(images, from, kernel) } else { Pool2d::average(images, from, kernel) };
    let op = if counted && !max { op.count_padding() } else { op };
    let op = op.stride(stride).padding([pad[0], pad[1], pad[0], pad[1]]).dilation(dilation);
    let op = if ceil { op.ceil() } else { op };
    let attributes = format!(
        "\"max\": {max}, \"kernel\": {kernel:?}, \"stride\": {stride:?}, \"padding\": {pad:?}, \"dilation\": {dilation:?}, \
         \"ceil\": {ceil}, \"counted\": {counted}"
    );
    problem(dice, op, attributes)
}

pub fn upsample2d(dice: &mut Dice) -> Problem<Upsample2d> {
    let images = [dice.of(1, 3), dice.of(1, 12), dice.of(1, 12), dice.of(1, 20)];
    // By whole factors as well.
    let mut size = [dice.of(1, 30), dice.of(1, 30)];
    for (size, extent) in size.iter_mut().zip([images[1], images[2]]) {
        *size = if dice.coin() { *size } else { extent * dice.of(1, 4) };
    }
    let (bilinear, aligned, from) = (dice.coin(), dice.coin(), dice.element());
    let op = if bilinear { Upsample2d::bilinear } else { Upsample2d::nearest }(images, from, size);
    let op = if aligned { op.align_corners() } else { op };
    problem(dice, op, format!("\"size\": {size:?}, \"bilinear\": {bilinear}, \"aligned\": {aligned}"))
}

pub fn embedding_bag(dice: &mut Dice) -> Problem<EmbeddingBag> {
    let (rows, dim, bags) = (dice.of(1, 300), dice.of(1, 90), dice.of(1, 30));
    let even = dice.coin();
    let bags = if even {
        Bags::Even { bags, size: dice.of(1, 100) }
    } else {
        Bags::Ragged { bags, indices: dice.of(1, 600) }
    };
    let mode = dice.one(&[BagMode::Sum, BagMode::Mean, BagMode::Max]);
    let mut op = EmbeddingBag::new(bags, rows, dim).mode(mode).table(dice.element());
    if mode == BagMode::Sum && dice.coin() {
        op = op.weights(dice.one(&[DType::F32, DType::F16, DType::Bf16]));
    }
    let mut padding = "null".to_owned();
    if dice.coin() {
        let index = dice.of(0, rows - 1);
        op = op.padding_index(index);
        padding = index.to_string();
    }
    let name = format!("{mode:?}").to_lowercase();
    problem(dice, op, format!("\"mode\": \"{name}\", \"padding\": {padding}"))
}
