// log2 and 2^x in integers, as src/dtype/log2.rs has them: 32 bits behind the point, logarithms biased by 127, 64-bit numbers as
// their lower and their upper half.
const RECIPROCAL = array<u32, 32>(
    0x80000000u, 0x7c1f07c2u, 0x78787879u, 0x75075076u, 0x71c71c72u, 0x6eb3e454u, 0x6bca1af3u, 0x6906906au,
    0x66666667u, 0x63e7063fu, 0x61861862u, 0x5f417d06u, 0x5d1745d2u, 0x5b05b05cu, 0x590b2165u, 0x572620afu,
    0x55555556u, 0x5397829du, 0x51eb851fu, 0x50505051u, 0x4ec4ec4fu, 0x4d4873edu, 0x4bda12f7u, 0x4a7904a8u,
    0x4924924au, 0x47dc11f8u, 0x469ee585u, 0x456c797eu, 0x44444445u, 0x4325c53fu, 0x42108422u, 0x41041042u,
);
const LOG = array<u32, 32>(
    0x00000000u, 0x0b5d69bbu, 0x1663f6f9u, 0x2118b117u, 0x2b803473u, 0x359ebc58u, 0x3f782d70u, 0x49101ea9u,
    0x5269e12du, 0x5b888734u, 0x646eea23u, 0x6d1fafddu, 0x759d4f7fu, 0x7dea159fu, 0x86082803u, 0x8df988f2u,
    0x95c01a37u, 0x9d5d9fd4u, 0xa4d3c25du, 0xac241132u, 0xb3500471u, 0xba58feb1u, 0xc1404eacu, 0xc80730aeu,
    0xceaecfe6u, 0xd53847a7u, 0xdba4a478u, 0xe1f4e516u, 0xe829fb65u, 0xee44cd5au, 0xf4463596u, 0xfa2f0459u,
);
const POWER = array<u32, 32>(
    0x80000000u, 0x82cd8699u, 0x85aac368u, 0x88980e81u, 0x8b95c1e4u, 0x8ea4398bu, 0x91c3d374u, 0x94f4efa9u,
    0x9837f052u, 0x9b8d39bau, 0x9ef53261u, 0xa2704303u, 0xa5fed6aau, 0xa9a15ab5u, 0xad583eeau, 0xb123f582u,
    0xb504f334u, 0xb8fbaf47u, 0xbd08a39fu, 0xc12c4ccau, 0xc5672a11u, 0xc9b9bd86u, 0xce248c15u, 0xd2a81d92u,
    0xd744fccbu, 0xdbfbb798u, 0xe0ccdeecu, 0xe5b906e7u, 0xeac0c6e8u, 0xefe4b99cu, 0xf5257d15u, 0xfa83b2dbu,
);
const HALF = 0x80000000u;
const THIRD = 0x55555555u;
const QUARTER = 0x40000000u;
const FIFTH = 0x33333333u;
const SIXTH = 0x2aaaaaabu;
const LOG2_E_LESS_1 = 0x71547653u;
const LN_2 = 0xb17217f8u;
const LARGEST = 0x7f7fffffu;

fn wide(a: u32, b: u32) -> vec2<u32> {
    let first = (a & 0xffffu) * (b & 0xffffu);
    let second = (a >> 16u) * (b & 0xffffu) + (first >> 16u);
    let third = (a & 0xffffu) * (b >> 16u) + (second & 0xffffu);
    return vec2(a * b, (a >> 16u) * (b >> 16u) + (second >> 16u) + (third >> 16u));
}

fn times(a: u32, b: u32) -> u32 {
    return wide(a, b).y;
}

fn plus(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let lower = a.x + b.x;
    return vec2(lower, a.y + b.y + u32(lower < a.x));
}

fn minus(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2(a.x - b.x, a.y - b.y - u32(a.x < b.x));
}

// Entries of RECIPROCAL and LOG that a mantissa asks for.
fn log2_entry(bits: u32) -> u32 {
    return extractBits(bits, 18u, 5u);
}

// log2 |x| + 127 of a normal number, given its bits and its entries.
fn log2_by(bits: u32, reciprocal: u32, log: u32) -> vec2<u32> {
    let product = wide(((bits & 0x007fffffu) | 0x00800000u) << 8u, reciprocal);
    let r = ((product.y - 0x40000000u) << 2u) | (product.x >> 30u);
    var s = FIFTH - times(r, SIXTH);
    s = QUARTER - times(r, s);
    s = THIRD - times(r, s);
    s = HALF - times(r, s);
    let ln = r - times(r, times(r, s));
    return vec2(log + ln + times(ln, LOG2_E_LESS_1), extractBits(bits, 23u, 8u));
}

// Bits of 2^(x - 127): nearest f32; 0 below the normal numbers, the largest number beyond it.
fn exp2_bits(x: vec2<u32>) -> u32 {
    var powers = POWER;
    let power = powers[x.x >> 27u];
    let t = times(x.x & 0x07ffffffu, LN_2);
    var s = times(t, FIFTH);
    var q = times(t, QUARTER);
    s = q + times(q, s);
    q = times(t, THIRD);
    s = q + times(q, s);
    q = t >> 1u;
    s = q + times(q, s);
    s = t + times(t, s);
    let significand = power + times(power, s);
    let rounded = (significand >> 8u) + extractBits(significand, 7u, 1u);
    let bits = min((min(x.y, 254u) << 23u) + (rounded - 0x00800000u), LARGEST);
    return select(select(bits, LARGEST, x.y > 254u), 0u, x.y == 0u);
}
