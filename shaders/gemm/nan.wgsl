// Which rows of A and B hold a NaN: arithmetic need not carry it, so data does. One workgroup per row, the rows of A
// first. An 8-bit operand whose record says that it has none is not read.
#import lib/grid.wgsl
#import lib/operand.wgsl x=a X=A at=1
#import lib/scale.wgsl x=a X=A at=2
#import lib/operand.wgsl x=b X=B at=3
#import lib/scale.wgsl x=b X=B at=4

struct Params { m: u32, n: u32, k_quads: u32, a_quads: u32, b_quads: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(8) var<storage, read_write> nan: array<u32>;

override WORKGROUP: u32;
var<workgroup> found: atomic<u32>;
const HAS_NAN = 1u;

fn may_have_nan(of_a: bool) -> bool {
    var flags = HAS_NAN;
#ifdef A_SCALED
    if of_a {
        flags = a_flags();
    }
#endif
#ifdef B_SCALED
    if !of_a {
        flags = b_flags();
    }
#endif
    return (flags & HAS_NAN) != 0u;
}

fn lost_nan(of_a: bool) -> bool {
    var lost = false;
#ifdef A_SCALED
    if of_a {
        lost = a_lost_nan();
    }
#endif
#ifdef B_SCALED
    if !of_a {
        lost = b_lost_nan();
    }
#endif
    return lost;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = linear_group(group, groups);
    let of_a = row < params.m;
    if row < params.m + params.n && may_have_nan(of_a) {
        for (var quad = lane; quad < params.k_quads; quad += WORKGROUP) {
            var here = lost_nan(of_a);
            if of_a {
                here = here || a_has_nan(row * params.a_quads + quad);
            } else {
                here = here || b_has_nan((row - params.m) * params.b_quads + quad);
            }
            if here {
                atomicStore(&found, 1u);
            }
        }
    }
    workgroupBarrier();
    if lane == 0u && row < params.m + params.n {
        nan[row] = atomicLoad(&found);
    }
}
