// Side A of the product where it is patches of images: line i is what output pixel i sees, tap by tap, and a batch is a
// group of channels. Beyond the edge there are zeros. Addresses are worked out once per tap, never per element.
#import lib/operand.wgsl x=a X=A at=1
#import lib/scale.wgsl x=a X=A at=2
#import conv2d/pixel.wgsl

// A quad of a pixel's channels; zeros where there is no pixel.
fn a_numbers(pixel: u32, quad: u32) -> vec4<f32> {
    let inside = pixel != OUTSIDE;
    let v = a_load(select(0u, pixel * params.a_quads + quad - params.a_origin, inside));
    return select(vec4<f32>(), v, inside);
}

fn a_lines(batch: u32, line: u32, tap: u32) -> vec4<u32> {
    return pixel_of(min(vec4(line) + vec4(0u, 1u, 2u, 3u), vec4(params.m - 1u)), tap);
}

fn a_block(batch: u32, lines: vec4<u32>, k_quad: u32) -> mat4x4<f32> {
    let quad = batch * (params.group_in / 4u) + k_quad;
    return transpose(mat4x4(
        a_numbers(lines.x, quad),
        a_numbers(lines.y, quad),
        a_numbers(lines.z, quad),
        a_numbers(lines.w, quad),
    ));
}

#ifdef A_SCALES_LINES
// One for the tensor.
fn a_line_scale(batch: u32, line: u32) -> f32 {
    return a_scale_at(0u, 0u);
}
#endif
