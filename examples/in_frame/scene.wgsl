// The renderer: spheres on a plane under a spherical light and a sky, a few random samples per pixel. Light and surface
// are kept apart, as denoisers like it: irradiance here, albedo there.
struct Frame {
    size: vec2<u32>,
    samples: u32,
    seed: u32,
    camera: vec4<f32>,
}
@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var light: texture_storage_2d<rgba16float, write>;
@group(0) @binding(2) var guide: texture_storage_2d<rgba16float, write>;
@group(0) @binding(3) var albedo: texture_storage_2d<rgba16float, write>;

const SPHERES = array(
    vec4(-1.6, 0.8, 0.3, 0.8),
    vec4(0.2, 1.1, -0.6, 1.1),
    vec4(1.9, 0.6, 0.5, 0.6),
    vec4(0.7, 0.35, 1.5, 0.35),
    vec4(-0.5, 0.3, 1.7, 0.3),
    vec4(-2.6, 0.45, 1.4, 0.45),
);
const COLORS = array(
    vec3(0.85, 0.3, 0.22),
    vec3(0.9, 0.88, 0.82),
    vec3(0.2, 0.45, 0.8),
    vec3(0.95, 0.7, 0.2),
    vec3(0.3, 0.7, 0.4),
    vec3(0.6, 0.4, 0.75),
);
const LAMP = vec4(2.6, 4.6, 2.2, 0.9);
const LAMP_POWER = vec3(26.0, 23.0, 19.0);
const SKY = vec3(0.42, 0.55, 0.75);

var<private> state: u32;

// PCG (M. O'Neill), one word of state.
fn random() -> f32 {
    state = state * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return f32(((word >> 22u) ^ word) >> 8u) / 16777216.0;
}

struct Hit {
    t: f32,
    normal: vec3<f32>,
    albedo: vec3<f32>,
}

fn trace(origin: vec3<f32>, ray: vec3<f32>) -> Hit {
    var hit = Hit(1e9, vec3(0.0), vec3(0.0));
    if ray.y < 0.0 {
        hit.t = -origin.y / ray.y;
        let p = origin + hit.t * ray;
        let tile = (i32(floor(p.x)) + i32(floor(p.z))) & 1;
        hit.normal = vec3(0.0, 1.0, 0.0);
        // Far tiles are smaller than pixels.
        let near = 1.0 - smoothstep(6.0, 18.0, hit.t);
        hit.albedo = mix(vec3(0.55, 0.53, 0.51), select(vec3(0.72, 0.7, 0.66), vec3(0.38, 0.37, 0.36), tile == 1), near);
    }
    for (var i = 0; i < 6; i++) {
        let sphere = SPHERES[i];
        let to = origin - sphere.xyz;
        let b = dot(to, ray);
        let d = b * b - dot(to, to) + sphere.w * sphere.w;
        if d > 0.0 {
            let t = -b - sqrt(d);
            if t > 1e-3 && t < hit.t {
                hit.t = t;
                hit.normal = (to + t * ray) / sphere.w;
                hit.albedo = COLORS[i];
            }
        }
    }
    return hit;
}

// Around `n`, by the cosine.
fn hemisphere(n: vec3<f32>) -> vec3<f32> {
    let z = 2.0 * random() - 1.0;
    let phi = 6.2831853 * random();
    let r = sqrt(max(0.0, 1.0 - z * z));
    return normalize(n + 0.999 * vec3(r * cos(phi), r * sin(phi), z));
}

// What one random path brings to a point: the lamp if it sees it, the sky or the color of what stands in its way.
fn irradiance(p: vec3<f32>, n: vec3<f32>) -> vec3<f32> {
    var sum = vec3(0.0);
    let target_point = LAMP.xyz + LAMP.w * hemisphere(normalize(p - LAMP.xyz));
    let to = target_point - p;
    let distance = length(to);
    let facing = dot(n, to) / distance;
    if facing > 0.0 && trace(p, to / distance).t > distance - 1e-2 {
        sum += LAMP_POWER * facing / (distance * distance);
    }
    let around = hemisphere(n);
    let blocker = trace(p, around);
    if blocker.t > 1e8 {
        sum += SKY * (0.4 + 0.6 * around.y);
    } else {
        sum += 0.35 * blocker.albedo * SKY;
    }
    return sum;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= frame.size.x || id.y >= frame.size.y {
        return;
    }
    state = (id.y * frame.size.x + id.x) * 9781u + frame.seed * 6271u + 1u;
    _ = random();
    let eye = vec3(5.6 * sin(frame.camera.x), frame.camera.y, 5.6 * cos(frame.camera.x));
    let forward = normalize(vec3(0.0, 0.6, 0.3) - eye);
    let right = normalize(cross(forward, vec3(0.0, 1.0, 0.0)));
    let up = cross(right, forward);
    let at = (vec2<f32>(id.xy) + 0.5 - 0.5 * vec2<f32>(frame.size)) / f32(frame.size.y);
    let ray = normalize(forward + 1.05 * (at.x * right - at.y * up));
    let hit = trace(eye, ray);
    let at_pixel = vec2<i32>(id.xy);
    if hit.t > 80.0 {
        // Nothing random about the sky.
        textureStore(light, at_pixel, vec4(SKY * (1.1 - 0.6 * ray.y), 1.0));
        textureStore(guide, at_pixel, vec4(0.0));
        textureStore(albedo, at_pixel, vec4(1.0));
        return;
    }
    let p = eye + hit.t * ray + 1e-3 * hit.normal;
    var sum = vec3(0.0);
    for (var i = 0u; i < frame.samples; i++) {
        sum += irradiance(p, hit.normal);
    }
    textureStore(light, at_pixel, vec4(sum / f32(frame.samples), 1.0));
    textureStore(guide, at_pixel, vec4(hit.normal, 1.0 / hit.t));
    textureStore(albedo, at_pixel, vec4(hit.albedo, 1.0));
}
