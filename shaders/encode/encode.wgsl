// Codes of a codebook, one quad per invocation: how many thresholds a number has passed, in eight steps; amax and flags go into the
// record.
#import lib/bits.wgsl
#import lib/grid.wgsl
#import lib/operand.wgsl x=x X=X at=1
#import lib/record.wgsl x=out X=OUT at=3

@group(0) @binding(2) var<storage, read_write> out_values: array<u32>;

struct Params {
    first: u32,
    end: u32,
    out_origin: u32,
    x_origin: u32,
    x_quads: u32,
    out_quads: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

// Words of the codebook.
const THRESHOLDS = 260u;
const ORDER = 516u;

override WORKGROUP: u32;
var<workgroup> thresholds: array<u32, 256>;
var<workgroup> order: array<u32, 64>;
var<workgroup> group_amax: atomic<u32>;

// Bits as integers in the order of the numbers; subnormals as zeros of their sign.
fn key(bits: u32) -> u32 {
    let flushed = select(bits, bits & SIGN, (bits & MAGNITUDE) < SMALLEST_NORMAL);
    return select(flushed | SIGN, ~flushed, (bits & SIGN) != 0u);
}

fn code_of(bits: u32) -> u32 {
    if (bits & MAGNITUDE) > INFINITY {
        return thresholds[0] & 0xffu;
    }
    let k = key(bits);
    var i = 0u;
    for (var step = 128u; step > 0u; step >>= 1u) {
        i += select(0u, step, k >= thresholds[i + step]);
    }
    return extractBits(order[i / 4u], 8u * (i % 4u), 8u);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var j = lane; j < 256u; j += WORKGROUP) {
        thresholds[j] = atomicLoad(&out_record[THRESHOLDS + j]);
    }
    for (var j = lane; j < 64u; j += WORKGROUP) {
        order[j] = atomicLoad(&out_record[ORDER + j]);
    }
    workgroupBarrier();
    let i = params.first + linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        let row = i / params.out_quads;
        let quad = i % params.out_quads;
        var codes = vec4(0u);
        if quad < params.x_quads {
            let bits = x_bits(row * params.x_quads + quad - params.x_origin);
            // Padding is 0, which is code 0.
            codes = vec4(code_of(bits.x), code_of(bits.y), code_of(bits.z), code_of(bits.w));
            atomicMax(&group_amax, max_of(magnitude(bits)));
        }
        out_values[i - params.out_origin] = fp8_pack(codes);
    }
    workgroupBarrier();
    if lane == 0u {
        let amax = atomicLoad(&group_amax);
        atomicMax(&out_record[2], amax);
        // NaN wins the maximum.
        if amax > INFINITY {
            out_raise(select(HAS_NAN | LOST_NAN, HAS_NAN, thresholds[0] < 256u));
        }
    }
}
