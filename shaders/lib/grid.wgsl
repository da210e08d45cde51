// A row of workgroups, folded where one dimension of the grid is not enough.
fn linear_group(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
