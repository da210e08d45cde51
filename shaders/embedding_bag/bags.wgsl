// What every bag holds: its first place, the place after its last, and how many of them count. Eight lanes to a bag. Bad
// indices and bad offsets are told of here, where there is a place for it.
#import lib/grid.wgsl
#ifdef OUT_RECORD
#import lib/record.wgsl x=out X=OUT at=3
#endif
#ifdef STATUS
@group(0) @binding(4) var<storage, read_write> status: array<atomic<u32>>;
#endif
@group(0) @binding(1) var<storage, read> indices: array<u32>;
#ifdef OFFSETS
@group(0) @binding(2) var<storage, read> offsets: array<u32>;
#endif
@group(0) @binding(5) var<storage, read_write> bags: array<vec4<u32>>;

struct Params {
    first: u32,
    end: u32,
    index_origin: u32,
    index_quads: u32,
    places: u32,
    vocabulary: u32,
    padding_index: u32,
    out_groups: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

const BAGS: u32 = 8u;
const LANES: u32 = 8u;
var<workgroup> counted: array<atomic<u32>, BAGS>;
var<workgroup> unknown: array<atomic<u32>, BAGS>;

struct Span { first: u32, end: u32, bad: bool }

// Places of a bag: what offsets that fall, or lie beyond the indices, leave of it.
fn span(bag: u32) -> Span {
#ifdef OFFSETS
    let begin = offsets[bag];
    let until = offsets[bag + 1u];
    let first = min(begin, params.places);
    return Span(first, max(first, min(until, params.places)), begin > until || until > params.places);
#else
    return Span(0u, params.places, false);
#endif
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let mine = lane / LANES;
    let bag = params.first + linear_group(group, groups) * BAGS + mine;
    var at = Span(0u, 0u, false);
    if bag < params.end {
        at = span(bag);
        let row = 4u * (bag * params.index_quads - params.index_origin);
        for (var i = at.first + lane % LANES; i < at.end; i += LANES) {
            let index = indices[row + i];
#ifdef PADDING
            if index == params.padding_index {
                continue;
            }
#endif
            atomicAdd(&counted[mine], 1u);
            if index >= params.vocabulary {
                atomicAdd(&unknown[mine], 1u);
            }
        }
    }
    workgroupBarrier();
    if bag < params.end && lane % LANES == 0u {
        bags[bag] = vec4(at.first, at.end, atomicLoad(&counted[mine]), 0u);
        tell(atomicLoad(&unknown[mine]), at.bad);
    }
}

fn tell(unknown: u32, bad: bool) {
#ifdef OUT_RECORD
    if unknown != 0u || bad {
        out_raise(INDEX);
    }
#endif
#ifdef STATUS
    if unknown != 0u {
        atomicAdd(&status[0], unknown);
    }
    if bad {
        atomicAdd(&status[1], 1u);
    }
#endif
}
