// The ceiling of memory traffic: every word is read once and written once, neighbours by neighbours.

const THREADS = 256u;

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;

@compute @workgroup_size(THREADS)
fn copy(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < arrayLength(&output); i += groups.x * THREADS) {
        output[i] = input[i];
    }
}

// Numbers that no driver compresses, in memory that is really there.
@compute @workgroup_size(THREADS)
fn fill(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < arrayLength(&output); i += groups.x * THREADS) {
        let v = (vec4(i) + vec4(0u, 1u << 30u, 2u << 30u, 3u << 30u)) * 0x9e3779b9u;
        output[i] = v ^ (v >> vec4(15u));
    }
}
