// Tensor to texture: the network's row of a pixel weighs its neighbours; light times surface, through a tone curve, is
// the picture. Beside it the picture as it came.
@group(0) @binding(0) var light: texture_2d<f32>;
@group(0) @binding(1) var albedo: texture_2d<f32>;
@group(0) @binding(2) var<storage, read> rows: array<f32>;
@group(0) @binding(3) var before: texture_storage_2d<rgba8unorm, write>;
@group(0) @binding(4) var after: texture_storage_2d<rgba8unorm, write>;

override PITCH: u32;
const REACH = 3;

fn tone(light: vec3<f32>, surface: vec3<f32>) -> vec4<f32> {
    let c = light * surface;
    return vec4(pow(c / (1.0 + c), vec3(1.0 / 2.2)), 1.0);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let size = vec2<i32>(textureDimensions(light));
    let here = vec2<i32>(id.xy);
    if here.x >= size.x || here.y >= size.y {
        return;
    }
    let first = u32(here.y * size.x + here.x) * PITCH;
    var largest = rows[first];
    for (var i = 1u; i < 49u; i++) {
        largest = max(largest, rows[first + i]);
    }
    var sum = vec4(0.0);
    var i = first;
    for (var y = -REACH; y <= REACH; y++) {
        for (var x = -REACH; x <= REACH; x++) {
            let at = clamp(here + vec2(x, y), vec2(0), size - 1);
            let weight = exp(rows[i] - largest);
            sum += weight * vec4(textureLoad(light, at, 0).rgb, 1.0);
            i += 1u;
        }
    }
    let surface = textureLoad(albedo, here, 0).rgb;
    textureStore(before, here, tone(textureLoad(light, here, 0).rgb, surface));
    textureStore(after, here, tone(sum.rgb / sum.w, surface));
}
