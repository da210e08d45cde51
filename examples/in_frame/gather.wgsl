// Texture to tensor: one row of f16 per pixel, of each of its 7 x 7 neighbours how bright it is, and how much it looks
// like the same surface.
@group(0) @binding(0) var light: texture_2d<f32>;
@group(0) @binding(1) var guide: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> rows: array<u32>;

// Words from one row to the next, padding included.
override PITCH: u32;
const REACH = 3;

fn brightness(at: vec2<i32>) -> f32 {
    return log2(1.0 + dot(textureLoad(light, at, 0).rgb, vec3(0.2126, 0.7152, 0.0722)));
}

var<private> word: u32;
var<private> held: f32;
var<private> odd: bool;

fn put(v: f32) {
    if odd {
        rows[word] = pack2x16float(vec2(held, v));
        word += 1u;
    }
    held = v;
    odd = !odd;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let size = vec2<i32>(textureDimensions(light));
    let here = vec2<i32>(id.xy);
    if here.x >= size.x || here.y >= size.y {
        return;
    }
    let own = textureLoad(guide, here, 0);
    let center = brightness(here);
    let first = u32(here.y * size.x + here.x) * PITCH;
    word = first;
    put(center);
    for (var y = -REACH; y <= REACH; y++) {
        for (var x = -REACH; x <= REACH; x++) {
            let at = clamp(here + vec2(x, y), vec2(0), size - 1);
            let other = textureLoad(guide, at, 0);
            put(brightness(at) - center);
            put(dot(own.xyz, other.xyz));
            put(clamp(8.0 * (other.w / max(own.w, 1e-3) - 1.0), -4.0, 4.0));
        }
    }
    // What is left of the row is padding, and zero.
    if odd {
        put(0.0);
    }
    while word < first + PITCH {
        rows[word] = 0u;
        word += 1u;
    }
}
