// Pixels of the input that meet those of the output.
#import gemm/params.wgsl

// No pixel: beyond the edge of the image.
const OUTSIDE = 0xffffffffu;

// Rows of the input, pixel by pixel, that four pixels of the output see at this tap of the kernel.
fn pixel_of(out_pixel: vec4<u32>, tap: u32) -> vec4<u32> {
    let line = out_pixel / vec4(params.out_width);
    let image = line / vec4(params.out_height);
    // Before the first row or column numbers wrap around, and lie beyond the last as well.
    let y = line % vec4(params.out_height) * params.stride_y + tap / params.kernel_width * params.dilation_y - params.pad_top;
    let x = out_pixel % vec4(params.out_width) * params.stride_x + tap % params.kernel_width * params.dilation_x - params.pad_left;
    let inside = (y < vec4(params.height)) & (x < vec4(params.width));
    return select(vec4(OUTSIDE), (image * params.height + y) * params.width + x, inside);
}
