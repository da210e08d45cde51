// The codebook of S2FP8 from statistics, as src/dtype/s2fp8.rs has it: one workgroup, an invocation per magnitude.
#import lib/bits.wgsl
#import lib/flags.wgsl
#import lib/log2.wgsl
#import encode/sums.wgsl

@group(0) @binding(1) var<storage, read_write> record: array<u32>;
@group(0) @binding(2) var<storage, read> sums: array<u32>;

// 15 / alpha is this or more, 32 bits behind the point.
struct Params { least_range: u32 }
@group(0) @binding(0) var<uniform> params: Params;

const ONE = 0x3f800000u;
// Words of the codebook.
const TABLE = 4u;
const THRESHOLDS = 260u;
const ORDER = 516u;
// Codes below zero, the largest finite code and the first NaN of E5M2.
const BELOW = 124u;
const LAST = 0x7bu;
const FIRST_NAN = 0x7du;
const TOP = 15u;
const EIGHTHS = array<u32, 8>(
    0x00000000u, 0x2b803474u, 0x5269e12fu, 0x759d4f81u, 0x95c01a3au, 0xb3500472u, 0xceaecfebu, 0xe829fb69u,
);

var<workgroup> mean: vec2<u32>;
var<workgroup> range: vec2<u32>;

// (exponents + fractions) / count, its integer part below 2^32.
fn mean_of(fractions: vec2<u32>, exponents: vec2<u32>, count: u32) -> vec2<u32> {
    let middle = fractions.y + exponents.x;
    let dividend = vec3(fractions.x, middle, exponents.y + u32(middle < fractions.y));
    var rest = 0u;
    var quotient = vec2(0u);
    for (var i = 96u; i > 0u; i--) {
        let bit = extractBits(dividend[(i - 1u) / 32u], (i - 1u) % 32u, 1u);
        let carried = rest >> 31u;
        rest = (rest << 1u) | bit;
        let fits = carried != 0u || rest >= count;
        rest = select(rest, rest - count, fits);
        quotient = vec2((quotient.x << 1u) | u32(fits), (quotient.y << 1u) | (quotient.x >> 31u));
    }
    return quotient;
}

fn log2_of(bits: u32) -> vec2<u32> {
    var reciprocals = RECIPROCAL;
    var logs = LOG;
    let entry = log2_entry(bits);
    return log2_by(bits, reciprocals[entry], logs[entry]);
}

fn fifteenth(v: vec2<u32>) -> vec2<u32> {
    let upper = v.y / TOP;
    let middle = ((v.y % TOP) << 16u) | (v.x >> 16u);
    let lower = ((middle % TOP) << 16u) | (v.x & 0xffffu);
    return vec2(((middle / TOP) << 16u) | (lower / TOP), upper);
}

// Bits of |x| of what becomes an E5M2 magnitude; `twice` its code, odd for what lies half-way to the next.
fn restored(twice: u32) -> u32 {
    var exponent = i32(twice >> 3u) - 15;
    var mantissa = twice & 7u;
    if twice < 8u {
        // Subnormal: a multiple of 2^-17.
        let top = firstLeadingBit(twice);
        exponent = i32(top) - 17;
        mantissa = (twice << (3u - top)) & 7u;
    }
    var eighths = EIGHTHS;
    let fraction = eighths[mantissa];
    let negative = exponent < 0;
    // |exponent + fraction|.
    let whole = select(u32(exponent), u32(-exponent) - u32(fraction != 0u), negative);
    let part = select(fraction, 0u - fraction, negative);
    var product = wide(range.x, whole) + vec2(0u, range.y * whole);
    product = plus(plus(product, wide(part, range.y)), vec2(times(part, range.x), 0u));
    let distance = fifteenth(product);
    if !negative {
        return exp2_bits(plus(mean, distance));
    }
    let below = distance.y > mean.y || (distance.y == mean.y && distance.x > mean.x);
    return exp2_bits(select(minus(mean, distance), vec2(0u), below));
}

// The code at a place in the order of numbers.
fn code_at(i: u32) -> u32 {
    return select(select(i - BELOW, 0u, i > BELOW + LAST), 0x80u | (BELOW - 1u - i), i < BELOW);
}

@compute @workgroup_size(128)
fn main(@builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        mean = vec2(0u, 127u);
        range = vec2(0u, TOP);
        if sums[COUNT] != 0u {
            mean = mean_of(vec2(sums[FRACTIONS], sums[FRACTIONS + 1u]), vec2(sums[EXPONENTS], sums[EXPONENTS + 1u]), sums[COUNT]);
            range = minus(log2_of(sums[LARGEST_NUMBER]), mean);
            if range.y == 0u && range.x < params.least_range {
                range.x = params.least_range;
            }
        }
        record[0] = ONE;
        record[1] = ONE;
        if sums[AMAX] >= INFINITY {
            record[3] |= NON_FINITE_AMAX;
        }
    }
    workgroupBarrier();
    var number = select(INFINITY, QUIET_NAN, lane >= FIRST_NAN);
    if lane <= LAST {
        number = select(restored(2u * lane), 0u, lane == 0u);
    }
    record[TABLE + lane] = number;
    record[TABLE + 128u + lane] = number | SIGN;
    if lane < LAST {
        // The least magnitude that is a later code: a tie, where there is one, goes to the even code.
        let bits = restored(2u * lane + 1u);
        let even = u32(lane % 2u == 0u);
        // Beyond the largest number there is but Inf.
        let first = select(max(bits + even, SMALLEST_NORMAL), INFINITY, bits == LARGEST);
        record[THRESHOLDS + BELOW + 1u + lane] = first | SIGN;
        record[THRESHOLDS + BELOW - 1u - lane] = MAGNITUDE - (first - 1u);
    }
    if lane == 0u {
        record[THRESHOLDS] = FIRST_NAN;
        record[THRESHOLDS + BELOW] = SIGN;
    }
    if lane < 8u {
        record[THRESHOLDS + 248u + lane] = 0xffffffffu;
    }
    if lane < 64u {
        let i = 4u * lane;
        record[ORDER + lane] = code_at(i) | (code_at(i + 1u) << 8u) | (code_at(i + 2u) << 16u) | (code_at(i + 3u) << 24u);
    }
}
