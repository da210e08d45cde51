// A scale from amax, as bits, and quotients of scales: integers, because WGSL's own division is only right within 2.5 ulp. Uses
// params.max_bits, the format's largest number, and with POWERS params.up_from, the mantissa from which a power of two rounds up.
#import lib/bits.wgsl

const ONE = 0x3f800000u;
const LARGEST_SCALE = 0x7e800000u;

// a / b of positive normal numbers, nearest even, held to [2^-126, 2^126].
fn divide(a: u32, b: u32) -> u32 {
    let divisor = (b & 0x007fffffu) | 0x00800000u;
    var rest = (a & 0x007fffffu) | 0x00800000u;
    var exponent = i32(a >> 23u) - i32(b >> 23u) + 127;
    if rest < divisor {
        rest <<= 1u;
        exponent -= 1;
    }
    // 24 bits and one to round by; what remains says whether they are all.
    var quotient = 0u;
    for (var i = 0u; i < 25u; i++) {
        quotient <<= 1u;
        if rest >= divisor {
            rest -= divisor;
            quotient |= 1u;
        }
        rest <<= 1u;
    }
    let kept = quotient >> 1u;
    let up = (quotient & 1u) != 0u && (rest != 0u || (kept & 1u) != 0u);
    // A carry out of the mantissa lands in the exponent field, where it belongs.
    let bits = (u32(clamp(exponent, 0, 254)) << 23u) + (kept - 0x00800000u) + u32(up);
    return clamp(select(bits, 0u, exponent < 1), SMALLEST_NORMAL, LARGEST_SCALE);
}

// The scale of a group, as bits: 1 where amax is zero or not finite.
fn scale_of(amax: u32) -> u32 {
    if amax == 0u || amax >= INFINITY {
        return ONE;
    }
#ifdef POWERS
    // Mantissas from up_from on round up.
    let up = i32((amax & 0x007fffffu) >= params.up_from);
    return u32(clamp(i32(amax >> 23u) - i32(params.max_bits >> 23u) + 127 + up, 1, 253)) << 23u;
#else
    return divide(amax, params.max_bits);
#endif
}
