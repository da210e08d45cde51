// Every shader as browsers get it, through Dawn and Tint: modules and pipelines, on a device that computes nothing.
// Arguments: the folder of the package `webgpu`, the folder that the test `web_form` wrote.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [packages, shaders] = process.argv.slice(2).map((p) => resolve(p));
const { create, globals } = await import(pathToFileURL(join(packages, 'index.js')));
Object.assign(globalThis, globals);

let gpu = create(['backend=null']);
const adapter = await gpu.requestAdapter();
// WebGPU's default limits and no feature.
const device = await adapter.requestDevice();

// The module and the errors in it.
async function compile(code) {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const errors = messages.filter((m) => m.type === 'error').map((m) => `${m.lineNum}:${m.linePos}: ${m.message}`);
  const error = await device.popErrorScope();
  if (error && errors.length === 0) errors.push(error.message);
  return [module, errors];
}

// The errors of a pipeline.
async function build({ label, constants, bindings }, module) {
  device.pushErrorScope('validation');
  const entries = Object.entries(bindings).map(([binding, type]) => {
    return { binding: Number(binding), visibility: GPUShaderStage.COMPUTE, buffer: { type } };
  });
  const layout = device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries })] });
  const errors = [];
  try {
    await device.createComputePipelineAsync({ label, layout, compute: { module, entryPoint: 'main', constants } });
  } catch (e) {
    errors.push(e.message);
  }
  const error = await device.popErrorScope();
  if (error) errors.push(error.message);
  return errors;
}

// What must be refused, or nothing below proves anything: a barrier that some may not reach, a NaN made of a constant,
// a constant that does not exist, a workgroup beyond the limits once its constant is in place.
const whole = '@compute @workgroup_size(1) fn main(@builtin(local_invocation_index) i: u32)';
const bad = [
  [`${whole} { if i == 0u { workgroupBarrier(); } }`, {}],
  [`${whole} { let x = bitcast<f32>(0x7fc00000u); }`, {}],
  ['@compute @workgroup_size(1) fn main() {}', { absent: 1 }],
  ['override N: u32; @compute @workgroup_size(N) fn main() {}', { N: 257 }],
];
const failures = [];
for (const [code, constants] of bad) {
  const [module, errors] = await compile(code);
  if (errors.length === 0) errors.push(...(await build({ constants, bindings: {} }, module)));
  if (errors.length === 0) failures.push(`accepted, and should not be: ${code}`);
}

const modules = new Map();
const stages = JSON.parse(readFileSync(join(shaders, 'stages.json'), 'utf8'));
for (const stage of stages) {
  if (!modules.has(stage.file)) {
    const [module, errors] = await compile(readFileSync(join(shaders, stage.file), 'utf8'));
    modules.set(stage.file, errors.length === 0 ? module : null);
    failures.push(...errors.map((e) => `${stage.label}: ${join(shaders, stage.file)}:${e}`));
  }
  const module = modules.get(stage.file);
  if (module) failures.push(...(await build(stage, module)).map((e) => `${stage.label}: ${e}`));
}
device.destroy();
gpu = null;

for (const f of failures.slice(0, 20)) console.error(`FAILED ${f}\n`);
console.log(`${modules.size} texts, ${stages.length} pipelines, ${bad.length} that must be refused: ${failures.length} failed`);
process.exit(failures.length === 0 && stages.length > 0 ? 0 : 1);
