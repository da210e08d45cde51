// Current scaling: the scale of every group from its amax, and its inverse. One invocation per group; per four of MX
// blocks, whose maxima lie in a workspace.
#import lib/bits.wgsl
#import lib/derive.wgsl
#import lib/grid.wgsl
#import lib/record.wgsl x=out X=OUT at=1
#import lib/minifloat.wgsl
#import lib/scale.wgsl x=x X=X at=2

struct Params { out_groups: u32, max_bits: u32, up_from: u32 }
@group(0) @binding(0) var<uniform> params: Params;
#ifdef OUT_MX
@group(0) @binding(2) var<storage, read> maxima: array<u32>;
#endif

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
#ifdef OUT_MX
    if 4u * i < params.out_groups {
        var word = 0u;
        for (var j = 0u; j < min(4u, params.out_groups - 4u * i); j++) {
            let amax = maxima[4u * i + j];
            if amax >= INFINITY {
                out_raise(NON_FINITE_AMAX);
            }
            word = insertBits(word, scale_of(amax) >> 23u, 8u * j, 8u);
        }
        atomicStore(&out_record[4u + i], word);
    }
#else
    if i < params.out_groups {
#ifdef X_SCALED
        // Of numbers before they were rounded to what x holds; rounding keeps their order.
        let seen = vec4(x_record.z);
#ifdef X_F16
        let amax = max_of(magnitude(f16_decode(f16_encode(seen))));
#else
#ifdef X_BF16
        let amax = max_of(magnitude(bf16_encode(seen) << vec4(16u)));
#else
        let amax = seen.x;
#endif
#endif
#else
        let amax = atomicLoad(&out_record[out_at(2u, i)]);
#endif
        if amax >= INFINITY {
            out_raise(NON_FINITE_AMAX);
        }
        let scale = scale_of(amax);
        atomicStore(&out_record[out_at(0u, i)], scale);
        atomicStore(&out_record[out_at(1u, i)], divide(ONE, scale));
    }
#endif
#ifndef OUT_PER_TENSOR
    if i == 0u {
        atomicStore(&out_record[0], ONE);
        atomicStore(&out_record[1], ONE);
    }
#endif
}
