// SPDX-License-Identifier: Apache-2.0
//
// mcp-client - `oc-sandbox mcp` as the official client of the Model Context Protocol sees it.
//
//   node mcp-client.mjs OC-SANDBOX WORKSPACE [OPTION...]
//
// Prints one line for each thing that holds, and exits with 1 at the first that does not.
import { readFileSync, writeFileSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

const [program, workspace, ...options] = process.argv.slice(2);
const transport = new StdioClientTransport({
	command: program,
	args: ['mcp', '--workspace', workspace, '--access', 'rw', ...options],
	env: process.env,
	stderr: 'inherit',
});
const client = new Client({ name: 'oc-test', version: '1' }, { capabilities: {} });
const strays = [];
client.onerror = (e) => strays.push(String(e));

function holds(what, yes, seen) {
	if (!yes) {
		console.error(`does not hold: ${what}`, seen === undefined ? '' : JSON.stringify(seen).slice(0, 2000), strays);
		process.exit(1);
	}
	console.log(what);
}
const call = (name, args, opt) => client.callTool({ name, arguments: args }, undefined, opt);
const text = (r) => r.content.map((c) => c.text ?? '').join('');

await client.connect(transport);
holds('it says who it is', client.getServerVersion().name === 'oc-sandbox', client.getServerVersion());
holds('it has tools and nothing else', JSON.stringify(client.getServerCapabilities()) === '{"tools":{}}');
holds('its instructions name the workspace and the network',
	client.getInstructions().includes(`/workspace is ${workspace}`) && client.getInstructions().includes('no network'),
	client.getInstructions());
await client.ping();

const { tools } = await client.listTools();
holds('exec, read, write, edit', tools.map((t) => t.name).join() === 'exec,read,write,edit', tools);
holds('annotations', tools[1].annotations.readOnlyHint === true && tools[2].annotations.destructiveHint === true, tools);

let r = await call('exec', { command: 'echo out; echo err >&2; echo done' });
holds('output and errors in their order', !r.isError && r.content[0].text === 'out\nerr\ndone\n', r);
holds('an exit code for people', /^Exit code 0 after/.test(r.content[1].text), r);
r = await call('exec', { command: 'echo before; exit 7' });
holds('an exit code is an error with the output', r.isError && text(r).startsWith('before\nExit code 7 after'), r);
holds('and for programs', r._meta['oc-sandbox/result'].exitCode === 7 && r._meta['oc-sandbox/result'].cause === 'exit', r);
r = await call('exec', { argv: ['printf', '%s|', 'a b', '$HOME', ';ls'] });
holds('argv is not for a shell', r.content[0].text === 'a b|$HOME|;ls|', r);
r = await call('exec', { command: 'pwd; echo "$X"', env: { X: 'ü"\n' }, workdir: 'sub' });
holds('a directory that is not there', r.isError && /sub/.test(text(r)), r);
r = await call('exec', { command: 'mkdir -p sub; cat; pwd' });
holds('no input', r.content[0].text === '/workspace\n', r);
r = await call('exec', { command: 'pwd; echo "$X"', env: { X: 'ü"\n' }, workdir: 'sub' });
holds('workdir and env', r.content[0].text === '/workspace/sub\nü"\n\n', r);
r = await call('exec', { command: 'kill -9 $$' });
holds('a signal', r.isError && r._meta['oc-sandbox/result'].signal === 9, r);
r = await call('exec', { argv: ['no-such-program'] });
holds('a program that is not there', r.isError && /cannot execute no-such-program/.test(text(r)), r);
let began = Date.now();
r = await call('exec', { command: 'echo begun; sleep 60', timeoutSeconds: 0.5 });
holds('a time limit', r.isError && /^begun\nEnded after .*time limit of 0.5/.test(text(r)) && Date.now() - began < 10000, r);
r = await call('exec', { command: "printf 'a\\377b\\000c\\033[31m'" });
holds('bytes that are no text', r.content[0].text === 'a\ufffdb\0c\u001b[31m', r);
r = await call('exec', { command: 'seq 1 200000; echo é; echo end' });
holds('the end of much output', r.content[0].text.endsWith('200000\né\nend\n') &&
	/^\[\d+ bytes of earlier output were dropped\]\n/.test(r.content[0].text) &&
	[...r.content[0].text.replace(/^.*\n/, '')].length === 200000, r.content[0].text.length);
r = await call('exec', { command: 'sleep 1000 & echo $!; (setsid sleep 1000 &) ; exit 0' });
holds('what it leaves behind does not hold it', !r.isError, r);
r = await call('exec', { command: 'for p in /proc/[0-9]*/cmdline; do tr "\\0" " " < $p; echo; done' });
holds('and is dead', !text(r).includes('sleep 1000'), r);

r = await call('write', { path: 'deep/er/file.txt', content: 'one\ntwo ü\0\nthree\n' });
holds('write', !r.isError && text(r) === 'Created deep/er/file.txt: 18 bytes, 3 lines', r);
holds('which the host sees', readFileSync(`${workspace}/deep/er/file.txt`, 'utf8') === 'one\ntwo ü\0\nthree\n');
r = await call('edit', { path: '/workspace/deep/er/file.txt', oldText: 'two ü\0\n', newText: '2\n' });
holds('edit', !r.isError && text(r).includes('+2\n'), r);
r = await call('read', { path: 'deep/er/file.txt' });
holds('read', text(r) === 'one\n2\nthree\n', r);
r = await call('read', { path: 'deep/er/file.txt', offset: 2, limit: 1 });
holds('a window', r.content[0].text === '2\n' && r.content[1].text === 'Lines 2-2 of 3. Go on with offset 3.', r);
r = await call('edit', { path: 'deep/er/file.txt', oldText: 'e', newText: 'E' });
holds('an edit in several places is refused', r.isError && /oldText is 3 times/.test(text(r)), r);
r = await call('edit', { path: 'deep/er/file.txt', oldText: 'e', newText: 'E', replaceAll: true });
holds('unless all are meant', !r.isError && readFileSync(`${workspace}/deep/er/file.txt`, 'utf8') === 'onE\n2\nthrEE\n', r);
const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
writeFileSync(`${workspace}/dot.png`, png);
r = await call('read', { path: 'dot.png' });
holds('an image', r.content[0].type === 'image' && r.content[0].mimeType === 'image/png' &&
	Buffer.from(r.content[0].data, 'base64').equals(png), r);
r = await call('read', { path: '/usr/bin/env' });
holds('no binary file', r.isError && /is no text/.test(text(r)), r);
const large = 'x'.repeat(99) + '\n';
r = await call('write', { path: 'large', content: large.repeat(30000) });
holds('3 MB in one request', !r.isError && readFileSync(`${workspace}/large`, 'utf8') === large.repeat(30000), r);
r = await call('write', { path: '/usr/x', content: '' });
holds('what is read-only', r.isError && /Read-only file system/.test(text(r)), r);

// Each waits for the other.
const [a, b] = await Promise.all([
	call('exec', { command: 'touch a-is-there; until [ -e b-is-there ]; do sleep 0.02; done; echo A', timeoutSeconds: 20 }),
	call('exec', { command: 'touch b-is-there; until [ -e a-is-there ]; do sleep 0.02; done; echo B', timeoutSeconds: 20 }),
]);
holds('two calls at once', a.content[0].text === 'A\n' && b.content[0].text === 'B\n', [a, b]);
const many = await Promise.all(Array.from({ length: 20 }, (_, i) => call(i % 2 ? 'exec' : 'write',
	i % 2 ? { command: `echo ${i}` } : { path: `many/${i}`, content: `${i}` })));
holds('twenty calls at once', many.every((m, i) => !m.isError && (i % 2 === 0 || m.content[0].text === `${i}\n`)), many);

const abort = new AbortController();
began = Date.now();
const long = call('exec', { command: 'exec sleep 1234' }, { signal: abort.signal });
for (;;) {
	r = await call('exec', { command: 'grep -lzx "123[4]" /proc/[0-9]*/cmdline' });
	if (r._meta['oc-sandbox/result'].exitCode === 0) break;
	if (Date.now() - began > 20000) holds('the long one begins', false, r);
}
abort.abort('enough');
const refused = await long.then(() => 'answered', () => 'cancelled');
holds('a call is cancelled', refused === 'cancelled' && Date.now() - began < 30000, refused);
for (;;) {
	r = await call('exec', { command: 'grep -lzx "123[4]" /proc/[0-9]*/cmdline; [ $? -ne 0 ]' });
	if (!r.isError) break;
	if (Date.now() - began > 30000) holds('it ends', false, r);
}
holds('and its processes are gone', true);

// Of its own accord the client checks arguments; here it does not know the tool.
let code = 0;
await client.request({ method: 'tools/call', params: { name: 'none', arguments: {} } }, (await import('@modelcontextprotocol/sdk/types.js')).CallToolResultSchema)
	.catch((e) => { code = e.code; });
holds('an unknown tool is an error of the protocol', code === -32602, code);
r = await call('exec', { command: 'a', argv: ['b'] });
holds('bad arguments are a result', r.isError && /command or argv/.test(text(r)), r);

const pid = transport.pid;
began = Date.now();
await client.close();
let alive = true;
for (let i = 0; i < 100 && alive; i++) {
	try { process.kill(pid, 0); await new Promise((f) => setTimeout(f, 10)); } catch { alive = false; }
}
holds('it ends with its client', !alive && Date.now() - began < 1900, Date.now() - began);
holds('and has never said anything but the protocol', strays.length === 0, strays);
