// SPDX-License-Identifier: Apache-2.0
// What an ordinary Node program does with the network; prints nothing that differs between two runs.
// The CA comes by NODE_EXTRA_CA_CERTS.
'use strict';
const crypto = require('crypto');
const http2 = require('http2');
const https = require('https');

const sha = (data) => crypto.createHash('sha256').update(data).digest('hex');

function get(options) {
	return new Promise((resolve, reject) => {
		https.get(options, (answer) => {
			const parts = [];
			answer.on('data', (part) => parts.push(part));
			answer.on('end', () => resolve(Buffer.concat(parts)));
		}).on('error', reject);
	});
}

function get2() {
	return new Promise((resolve, reject) => {
		const session = http2.connect('https://www.example').on('error', reject);
		const stream = session.request({ ':path': '/large' });
		const parts = [];
		stream.on('data', (part) => parts.push(part));
		stream.on('end', () => session.close(() => resolve(Buffer.concat(parts))));
		stream.end();
	});
}

(async () => {
	const body = async (url, how) => Buffer.from(await (await fetch(url, how)).arrayBuffer());
	console.log('fetch', sha(await body('http://www.example/large')));
	console.log('fetch', sha(await body('https://www.example/large')));
	const put = { method: 'PUT', body: Buffer.alloc(700000, 'x') };
	console.log('fetch', String(await body('https://www.example/upload', put)).trim());
	const agent = new https.Agent({ keepAlive: true });
	for (const path of ['/large', '/who']) {
		console.log('https', sha(await get({ host: 'www.example', path, agent })));
	}
	agent.destroy();
	console.log('http2', sha(await get2()));
})().catch((error) => {
	console.error(error);
	process.exit(1);
});
