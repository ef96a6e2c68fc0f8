// W3, W4 from the receiver's side: signed is taken once, everything else is refused.

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { after, before, beforeEach, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { createReceiver } from './receiver.mjs';

const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`;
const [current, former] = [newSecret(), newSecret()];
const payload = JSON.stringify({
  type: 'coaching.learning_track.completed',
  timestamp: '2026-11-20T12:00:00Z',
  data: { event_id: 'e-1', site: 'fpsf', user_id: 'u-42', guest_id: null, score: 87.5 },
});

let heard = [];
const server = createReceiver({ secrets: [current, former], heard: (event) => heard.push(event) });
let address;

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  address = `http://127.0.0.1:${server.address().port}/`;
});
after(() => server.close());
beforeEach(() => { heard = []; });

function signed(secret, { id = `msg_${randomUUID()}`, at = new Date(), body = payload } = {}) {
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  };
}
const post = async (headers, body = payload) => (await fetch(address, { method: 'POST', headers, body })).status;

test('w3_signed_is_taken', async () => {
  const headers = signed(current);
  assert.equal(await post(headers), 204);
  assert.equal(heard.length, 1);
  assert.equal(heard[0].id, headers['webhook-id']);
  assert.equal(heard[0].type, 'coaching.learning_track.completed');
  assert.equal(heard[0].data.score, 87.5);
});

test('w3_while_keys_rotate_either_secret_will_do', async () => {
  assert.equal(await post(signed(former)), 204);
  const [one, two] = [signed(newSecret(), { id: 'msg_both' }), signed(current, { id: 'msg_both' })];
  const both = { ...two, 'webhook-signature': `${one['webhook-signature']} ${two['webhook-signature']}` };
  assert.equal(await post(both), 204);
  assert.equal(heard.length, 2);
});

test('w3_a_foreign_key_is_refused', async () => {
  assert.equal(await post(signed(newSecret())), 400);
  assert.deepEqual(heard, []);
});

test('w3_a_changed_body_is_refused', async () => {
  assert.equal(await post(signed(current), payload.replace('87.5', '99.5')), 400);
  assert.deepEqual(heard, []);
});

test('w3_another_id_is_refused', async () => {
  assert.equal(await post({ ...signed(current), 'webhook-id': 'msg_other' }), 400);
  assert.deepEqual(heard, []);
});

test('w3_a_replay_that_is_too_old_is_refused', async () => {
  assert.equal(await post(signed(current, { at: new Date(Date.now() - 6 * 60_000) })), 400);
  assert.equal(await post(signed(current, { at: new Date(Date.now() + 6 * 60_000) })), 400);
  assert.deepEqual(heard, []);
});

test('w3_unsigned_is_refused', async () => {
  assert.equal(await post({ 'content-type': 'application/json' }), 400);
  assert.deepEqual(heard, []);
});

test('w4_an_event_delivered_twice_is_heard_once', async () => {
  const headers = signed(current);
  assert.equal(await post(headers), 204);
  assert.equal(await post(headers), 204);
  assert.equal(await post(signed(current, { id: headers['webhook-id'] })), 204);
  assert.equal(heard.length, 1);
});

test('signed_but_not_json_is_refused', async () => {
  const body = 'not json';
  assert.equal(await post(signed(current, { body }), body), 400);
  assert.deepEqual(heard, []);
});

test('only_posts_of_a_sane_size_are_read', async () => {
  assert.equal((await fetch(address)).status, 405);
  const body = JSON.stringify({ type: 'x', data: 'x'.repeat(70_000) });
  assert.equal(await post(signed(current, { body }), body), 413);
  assert.deepEqual(heard, []);
});
