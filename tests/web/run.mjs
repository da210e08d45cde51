// Serves a folder to one headless Chromium and waits for what its page reports.
// Arguments: the folder, the file for the report, seconds to wait, Chromium and its arguments.
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const [folder, report, seconds, chromium, ...flags] = process.argv.slice(2);
const types = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };
let browser;
let told = '';

function end(code, message) {
  if (message) console.error(message);
  if (code !== 0 && told) console.error(told);
  browser?.removeAllListeners();
  try {
    // With all its children: a group of their own.
    process.kill(-browser.pid, 'SIGKILL');
  } catch {
    // It has ended, or never begun.
  }
  process.exit(code);
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => end(1, signal));

async function posted(path, body) {
  if (path !== '/report') return end(1, `the page failed: ${body}`);
  await writeFile(report, body);
  console.log(body);
  const failed = body.split('\n').filter((line) => line.startsWith('FAILED'));
  end(failed.length === 0 && body.includes(',') ? 0 : 1);
}

const server = createServer(async (request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname;
  if (request.method === 'POST') {
    let body = '';
    for await (const part of request) body += part;
    response.end();
    return posted(path, body);
  }
  try {
    const file = join(folder, normalize(path === '/' ? '/index.html' : path));
    const content = await readFile(file);
    response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream');
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
});

server.listen(0, '127.0.0.1', () => {
  browser = spawn(chromium, [...flags, `http://127.0.0.1:${server.address().port}/`], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  // Chromium complains of much that does not matter: shown only if the page does not report.
  for (const stream of [browser.stdout, browser.stderr]) {
    stream.on('data', (text) => (told = (told + text).slice(-4000)));
  }
  browser.on('error', (e) => end(1, String(e)));
  browser.on('exit', (code) => end(1, `Chromium ended with ${code} before the page reported`));
  setTimeout(() => end(1, `the page has not reported after ${seconds} s`), Number(seconds) * 1000);
});
