// The scales of a tensor that is being written, as words: scale, inv_scale, amax bits and flags of the whole tensor;
// where scales are finer, then scale[groups], inv_scale[groups], amax bits[groups], each padded to four.
#import lib/flags.wgsl
@group(0) @binding($at) var<storage, read_write> $x_record: array<atomic<u32>>;

fn $x_at(part: u32, group: u32) -> u32 {
#ifdef $X_PER_TENSOR
    return part;
#else
    return 4u + part * ((params.$x_groups + 3u) & ~3u) + group;
#endif
}

fn $x_inv_scale(group: u32) -> f32 {
    return bitcast<f32>(atomicLoad(&$x_record[$x_at(1u, group)]));
}

// Running integer maximum of magnitudes, of the group and of the tensor: Inf and NaN win.
fn $x_see(group: u32, magnitude: u32) {
#ifndef $X_PER_TENSOR
    atomicMax(&$x_record[$x_at(2u, group)], magnitude);
#endif
    atomicMax(&$x_record[2], magnitude);
}

fn $x_raise(flags: u32) {
    atomicOr(&$x_record[3], flags);
}
