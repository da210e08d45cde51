// Random words by counting: Philox4x32-10 (Salmon et al., SC 2011), four counters at a time.

struct Product { low: vec4<u32>, high: vec4<u32> }

// All 64 bits of a * b, from halves: WGSL has no such product.
fn wide_product(a: vec4<u32>, b: u32) -> Product {
    let a0 = a & vec4(0xffffu);
    let a1 = a >> vec4(16u);
    let b0 = vec4(b & 0xffffu);
    let b1 = vec4(b >> 16u);
    let middle = a1 * b0 + ((a0 * b0) >> vec4(16u));
    let upper = a0 * b1 + (middle & vec4(0xffffu));
    return Product(a * vec4(b), a1 * b1 + (middle >> vec4(16u)) + (upper >> vec4(16u)));
}

// Word 0 of the block of counter (index, stream) under the key `seed.xy`; `seed.zw` is the stream, low words first.
fn philox(index: vec4<u32>, seed: vec4<u32>) -> vec4<u32> {
    var a = index;
    var b = vec4(0u);
    var c = vec4(seed.z);
    var d = vec4(seed.w);
    var key = seed.xy;
    for (var round = 0u; round < 10u; round++) {
        let p = wide_product(a, 0xd2511f53u);
        let q = wide_product(c, 0xcd9e8d57u);
        a = q.high ^ b ^ vec4(key.x);
        b = q.low;
        c = p.high ^ d ^ vec4(key.y);
        d = p.low;
        key += vec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return a;
}
