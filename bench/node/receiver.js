// What the shim is compared to: a receiver of Stripe's webhooks for Node, with the official
// `stripe` package and `pg`. It does what the shim does before it answers, and only that: the
// signature over the raw body, one row, 200 after the row is committed.
//
// Chosen in its favour: `node:http` and not Express, a prepared statement, no count of receipts, and
// nothing to do after the answer. One process without `cluster`, like the shim.
'use strict';

const http = require('node:http');
const { Pool } = require('pg');
const Stripe = require('stripe');

const MASTER = process.env.MASTER_BILLING_TENANT_ID;
const SECRET = process.env.STRIPE_WEBHOOK_SECRET;
const BODY_BYTES_MAX = 512 * 1024;

const stripe = new Stripe('sk_test_the_signature_needs_none');
const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  max: Number(process.env.DATABASE_MAX_CONNECTIONS),
});

const INSERT = {
  name: 'take-in',
  text: `INSERT INTO stripe_webhook_events (
           tenant, stripe_event_id, event_type, event_data, kind, stripe_created_at, livemode,
           account, api_version, object_id)
         VALUES ($1, $2, $3, $4, 'snapshot', to_timestamp($5), $6, $7, $8, $9)
         ON CONFLICT DO NOTHING`,
};

function takeIn(event, raw) {
  return pool.query({
    ...INSERT,
    values: [
      MASTER, event.id, event.type, raw, event.created, event.livemode,
      event.account ?? null, event.api_version, event.data.object.id,
    ],
  });
}

function readBody(request) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let length = 0;
    request.on('data', (chunk) => {
      length += chunk.length;
      if (length > BODY_BYTES_MAX) request.destroy();
      chunks.push(chunk);
    });
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length)));
    request.on('error', reject);
  });
}

function answer(response, status, body) {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

async function receive(request, response) {
  const raw = await readBody(request);
  let event;
  try {
    event = stripe.webhooks.constructEvent(raw, request.headers['stripe-signature'], SECRET);
  } catch (error) {
    return answer(response, 400, { error: error.message });
  }
  console.log(`Webhook received: ${event.type} ${event.id}`);
  try {
    await takeIn(event, raw);
  } catch (error) {
    console.error(error);
    return answer(response, 503, { error: 'try again' });
  }
  return answer(response, 200, { received: true });
}

const server = http.createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/api/webhooks/stripe') {
    receive(request, response).catch((error) => {
      console.error(error);
      response.destroy();
    });
  } else {
    answer(response, request.url === '/readyz' ? 200 : 404, {});
  }
});

server.listen(Number(process.env.PORT), '127.0.0.1');
