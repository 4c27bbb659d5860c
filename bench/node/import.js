// What an import is compared to: the script that one would write, with the official `stripe` package
// and `pg`. For each tenant it asks Stripe for the customer with its e-mail and for that customer's
// subscriptions, and writes both.
//
// Chosen in its favour: prepared statements, one connection that is kept to each side, the catalogue
// written once, no ticket, no lock, no audit, no tag, and the first customer is taken to be the one.
'use strict';

const { Client } = require('pg');
const Stripe = require('stripe');

const MASTER = process.env.MASTER_BILLING_TENANT_ID;
const base = new URL(process.env.STRIPE_API_BASE);
const stripe = new Stripe(process.env.STRIPE_SECRET_KEY, {
  host: base.hostname,
  port: base.port,
  protocol: 'http',
});
const db = new Client({ connectionString: process.env.DATABASE_URL });
const prices = new Map();

function query(name, text, values) {
  return db.query({ name, text, values });
}

async function priceRow(price) {
  if (prices.has(price.id)) return prices.get(price.id);
  const product = await stripe.products.retrieve(price.product);
  const { rows: [{ stripe_product_id: productRow }] } = await query('product',
    `INSERT INTO stripe_products (tenant, stripe_product_external_id, name, is_active, read_ticket)
     VALUES ($1, $2, $3, $4, 0)
     ON CONFLICT (tenant, stripe_product_external_id) DO UPDATE SET name = excluded.name
     RETURNING stripe_product_id`,
    [MASTER, product.id, product.name, product.active]);
  const { rows: [{ stripe_price_id: row }] } = await query('price',
    `INSERT INTO stripe_prices (tenant, stripe_price_external_id, stripe_product_id, unit_amount, currency,
                                recurring_interval, recurring_interval_count, is_active, read_ticket)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
     ON CONFLICT (tenant, stripe_price_external_id) DO UPDATE SET unit_amount = excluded.unit_amount
     RETURNING stripe_price_id`,
    [MASTER, price.id, productRow, price.unit_amount, price.currency, price.recurring?.interval,
      price.recurring?.interval_count, price.active]);
  prices.set(price.id, row);
  return row;
}

async function writeSubscription(tenant, customerRow, subscription) {
  const item = subscription.items.data[0];
  await query('subscription',
    `INSERT INTO stripe_subscriptions (tenant, stripe_subscription_external_id, stripe_customer_id,
       stripe_subscription_item_id, stripe_price_id, quantity, status, billing_interval, current_period_start,
       current_period_end, cancel_at_period_end, metadata, stripe_created_at, read_ticket)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, to_timestamp($9), to_timestamp($10), $11, $12, to_timestamp($13), 0)
     ON CONFLICT (tenant, stripe_subscription_external_id) DO UPDATE
       SET quantity = excluded.quantity, status = excluded.status, updated_at = now()`,
    [tenant, subscription.id, customerRow, item.id, await priceRow(item.price), item.quantity, subscription.status,
      item.price.recurring?.interval, item.current_period_start, item.current_period_end,
      subscription.cancel_at_period_end, subscription.metadata, subscription.created]);
  await query('count', 'UPDATE tenants SET licensed_user_count = $2, updated_at = now() WHERE tenant = $1',
    [tenant, item.quantity]);
}

async function importTenant({ tenant, email }) {
  const { data: [customer] } = await stripe.customers.list({ email, limit: 1 });
  if (!customer) return false;
  const { rows: [{ stripe_customer_id: customerRow }] } = await query('customer',
    `INSERT INTO stripe_customers (tenant, stripe_customer_external_id, billing_tenant, email, name)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (tenant, stripe_customer_external_id) DO UPDATE SET email = excluded.email, updated_at = now()
     RETURNING stripe_customer_id`,
    [tenant, customer.id, MASTER, customer.email, customer.name]);
  const { data: [subscription] } = await stripe.subscriptions.list({ customer: customer.id, status: 'active', limit: 1 });
  if (!subscription) return false;
  await writeSubscription(tenant, customerRow, subscription);
  return true;
}

async function main() {
  await db.connect();
  const { rows: tenants } = await db.query(
    `SELECT tenant, email FROM tenants WHERE email LIKE 'owner-%' ORDER BY tenant LIMIT $1`,
    [Number(process.env.TENANTS)]);
  const began = process.hrtime.bigint();
  let imported = 0;
  for (const tenant of tenants) {
    if (await importTenant(tenant)) imported += 1;
  }
  const secs = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(JSON.stringify({ imported, secs }));
  await db.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
