// A receiver of Jalon's webhooks, as a federation's own system would have one.
//
//     WEBHOOK_SECRET=whsec_… node receiver.mjs --port 8090
//
// Each verified event is one line of JSON on stdout. Signatures are checked by the npm package
// `standardwebhooks`, which knows nothing of Jalon: what passes here follows the standard.

import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

/** An event is small; whoever sends more is not Jalon. Bytes. */
const MAX_BODY = 64 * 1024;
/** Ids remembered against repeats. Retries of one event come within about a day. */
const REMEMBERED = 10_000;

/** The body as it came: a signature is over bytes, so it must not be parsed before it is checked. */
async function read(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * A server that answers 204 to what is signed with one of the `secrets`, 400 to what isn't, and calls
 * `heard({id, received_at, type, data})` once for each event, however often it is delivered.
 *
 * Two secrets at a time let the sender change from one to the other.
 */
export function createReceiver({ secrets, heard }) {
  const webhooks = secrets.map((secret) => new Webhook(secret));
  const seen = new Set();

  function verified(body, headers) {
    for (const webhook of webhooks) {
      try {
        return webhook.verify(body, headers);
      } catch (error) {
        if (!(error instanceof WebhookVerificationError) && !(error instanceof SyntaxError)) throw error;
      }
    }
    return null;
  }

  return createServer(async (request, response) => {
    const answer = (status, text = '') => response.writeHead(status, text ? { 'content-type': 'text/plain; charset=utf-8' } : {}).end(text);
    if (request.method !== 'POST') {
      response.setHeader('allow', 'POST');
      return answer(405, 'Webhooks are posted.\n');
    }
    let body;
    try {
      body = await read(request);
    } catch {
      return response.destroy();
    }
    if (body === null) {
      response.setHeader('connection', 'close');
      return answer(413, 'Too large for an event.\n');
    }
    const event = verified(body, request.headers);
    if (!event) return answer(400, 'The signature is not ours, or too old.\n');

    // At least once means sometimes twice: the id tells.
    const id = request.headers['webhook-id'];
    if (!seen.has(id)) {
      seen.add(id);
      if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
      heard({ id, received_at: new Date().toISOString(), type: event.type, data: event.data });
    }
    return answer(204);
  });
}

function main() {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '8090' }, host: { type: 'string', default: '127.0.0.1' } } });
  const secrets = (process.env.WEBHOOK_SECRET ?? '').split(/\s+/).filter(Boolean);
  if (secrets.length === 0) {
    console.error('WEBHOOK_SECRET is not set: `jalon webhook add` prints it (whsec_…). Two may be given, with a space between.');
    process.exit(2);
  }
  const server = createReceiver({ secrets, heard: (event) => console.log(JSON.stringify(event)) });
  server.on('error', (error) => {
    console.error(`Cannot listen on ${values.host}:${values.port}: ${error.message}`);
    process.exit(1);
  });
  server.listen(Number(values.port), values.host, () => {
    const { address, port } = server.address();
    console.error(`Listening on http://${address}:${port}/`);
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
