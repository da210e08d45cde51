// Elements of SIZE bytes from x to out. Counted in elements: where rows begin, and the steps of their axes.
#import lib/grid.wgsl
#import lib/walk.wgsl x=x
#import lib/walk.wgsl x=out

struct Params {
    end: u32,
    units: u32,
    cols: u32,
    width: u32,
    lines: u32,
    out_line: u32,
    x_step: u32,
    x_last: u32,
    x_first: u32,
    out_first: u32,
    extent_0: u32,
    extent_1: u32,
    extent_2: u32,
    extent_3: u32,
    x_0: u32,
    x_1: u32,
    x_2: u32,
    x_3: u32,
    x_4: u32,
    out_0: u32,
    out_1: u32,
    out_2: u32,
    out_3: u32,
    out_4: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override SIZE: u32;
