//! What convolutions of one and of two axes demand of their extents.

use crate::{ops::DescriptorError, scale::Granularity, tensor::Element};

/// Groups, not 0, must divide the channels on both sides.
pub(in crate::ops) fn expect_groups(
    op: &'static str,
    groups: u32,
    [channels, out_channels]: [u32; 2],
) -> Result<(), DescriptorError> {
    for (what, channels) in [("channels", channels), ("out_channels", out_channels)] {
        if !channels.is_multiple_of(groups) {
            let expected = format!("a multiple of {groups} groups");
            return Err(DescriptorError::new(op, what, expected, channels.to_string()));
        }
    }
    Ok(())
}

/// What a kernel, not 0, covers along an axis must lie within the padded extent, one of `whole` ("image").
pub(in crate::ops) fn expect_covered(
    op: &'static str,
    whole: &str,
    (extent, padding): (u32, [u32; 2]),
    (kernel, dilation): (u32, u32),
) -> Result<(), DescriptorError> {
    let padded = u64::from(extent) + u64::from(padding[0]) + u64::from(padding[1]);
    if padded >= 1 << 31 {
        let expected = format!("padded {whole}s below 2^31");
        return Err(DescriptorError::new(op, "padding", expected, padded.to_string()));
    }
    let covered = u64::from(dilation) * u64::from(kernel - 1) + 1;
    if covered > padded {
        let expected = format!("one within the padded {whole}, {padded}");
        let got = format!("{kernel} with dilation {dilation}: {covered}");
        return Err(DescriptorError::new(op, "kernel", expected, got));
    }
    Ok(())
}

/// Weights are scaled per tensor or per output channel, along this axis.
pub(in crate::ops) fn expect_weights(op: &'static str, w: Element, axis: u8) -> Result<(), DescriptorError> {
    match w.scaling() {
        None | Some(Granularity::PerTensor) => Ok(()),
        Some(Granularity::PerChannel { axis: a }) if a == axis => Ok(()),
        Some(g) => {
            let expected = format!("scales per tensor or per output channel, axis {axis}");
            Err(DescriptorError::new(op, "w", expected, g.to_string()))
        }
    }
}
