// The scales of a tensor that is being written, as words: scale, inv_scale, amax bits and flags of the whole tensor;
// where scales are finer ($X_GROUPS), then scale[groups], inv_scale[groups], amax bits[groups], each padded to four; of
// MX blocks ($X_MX) only the exponents of the scales, four to a word.
#import lib/flags.wgsl
@group(0) @binding($at) var<storage, read_write> $x_record: array<atomic<u32>>;

fn $x_at(part: u32, group: u32) -> u32 {
#ifdef $X_PER_TENSOR
    return part;
#else
    return 4u + part * ((params.$x_groups + 3u) & ~3u) + group;
#endif
}

#ifdef $X_MX
// 2^-e of 2^e, whose biased exponent is from 1 to 253.
fn $x_inv_scale(group: u32) -> f32 {
    let word = atomicLoad(&$x_record[4u + group / 4u]);
    return bitcast<f32>((254u - extractBits(word, 8u * (group % 4u), 8u)) << 23u);
}
#else
fn $x_inv_scale(group: u32) -> f32 {
    return bitcast<f32>(atomicLoad(&$x_record[$x_at(1u, group)]));
}
#endif

// Running integer maximum of magnitudes, of the group and of the tensor: Inf and NaN win.
fn $x_see(group: u32, magnitude: u32) {
#ifdef $X_GROUPS
    atomicMax(&$x_record[$x_at(2u, group)], magnitude);
#endif
    atomicMax(&$x_record[2], magnitude);
}

fn $x_raise(flags: u32) {
    atomicOr(&$x_record[3], flags);
}
