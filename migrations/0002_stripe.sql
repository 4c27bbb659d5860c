-- What Stripe says, as far as licences need it. The names are those of the application's tables.

-- One database, one Stripe account, one mode. The row is written at the first start; a process
-- that finds another account or mode stops.
CREATE TABLE stripe_accounts (
    tenant                     uuid        NOT NULL REFERENCES tenants,
    stripe_account_id          uuid        NOT NULL DEFAULT gen_random_uuid(),
    stripe_account_external_id text        NOT NULL,
    livemode                   boolean     NOT NULL,
    is_master_billing_account  boolean     NOT NULL DEFAULT true,
    is_active                  boolean     NOT NULL DEFAULT true,
    created_at                 timestamptz NOT NULL DEFAULT now(),
    updated_at                 timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, stripe_account_id),
    CONSTRAINT stripe_accounts_external_id UNIQUE (tenant, stripe_account_external_id)
);
CREATE UNIQUE INDEX there_is_one_stripe_account ON stripe_accounts ((true));

CREATE TABLE stripe_customers (
    tenant                      uuid        NOT NULL REFERENCES tenants,
    stripe_customer_id          uuid        NOT NULL DEFAULT gen_random_uuid(),
    stripe_customer_external_id text        NOT NULL,
    billing_tenant              uuid        NOT NULL REFERENCES tenants,
    -- NULL between the claim of the customer and the step that completes the row.
    email                       text,
    name                        text,
    metadata                    jsonb       NOT NULL DEFAULT '{}',
    created_at                  timestamptz NOT NULL DEFAULT now(),
    updated_at                  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, stripe_customer_id),
    CONSTRAINT stripe_customers_external_id UNIQUE (tenant, stripe_customer_external_id)
);
-- One tenant per Stripe customer, ever. Onboarding intends it; this index guarantees it.
CREATE UNIQUE INDEX stripe_customers_external_id_is_unique ON stripe_customers (stripe_customer_external_id);
CREATE UNIQUE INDEX a_tenant_has_one_stripe_customer ON stripe_customers (tenant);

-- Products and prices belong to the master billing tenant and are shared by all subscriptions.
CREATE TABLE stripe_products (
    tenant                     uuid        NOT NULL REFERENCES tenants,
    stripe_product_id          uuid        NOT NULL DEFAULT gen_random_uuid(),
    stripe_product_external_id text        NOT NULL,
    name                       text        NOT NULL,
    description                text,
    product_type               text        NOT NULL DEFAULT 'license',
    is_active                  boolean     NOT NULL,
    metadata                   jsonb       NOT NULL DEFAULT '{}',
    read_ticket                bigint      NOT NULL,
    created_at                 timestamptz NOT NULL DEFAULT now(),
    updated_at                 timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, stripe_product_id),
    CONSTRAINT stripe_products_external_id UNIQUE (tenant, stripe_product_external_id)
);

CREATE TABLE stripe_prices (
    tenant                   uuid        NOT NULL REFERENCES tenants,
    stripe_price_id          uuid        NOT NULL DEFAULT gen_random_uuid(),
    stripe_price_external_id text        NOT NULL,
    stripe_product_id        uuid        NOT NULL,
    -- In the currency's smallest unit; NULL for tiers.
    unit_amount              bigint,
    currency                 text        NOT NULL,
    recurring_interval       text,
    recurring_interval_count integer,
    is_active                boolean     NOT NULL,
    metadata                 jsonb       NOT NULL DEFAULT '{}',
    read_ticket              bigint      NOT NULL,
    created_at               timestamptz NOT NULL DEFAULT now(),
    updated_at               timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, stripe_price_id),
    FOREIGN KEY (tenant, stripe_product_id) REFERENCES stripe_products,
    CONSTRAINT stripe_prices_external_id UNIQUE (tenant, stripe_price_external_id),
    -- A subscription of any tenant refers to a price of the master billing tenant.
    CONSTRAINT stripe_prices_id_is_unique UNIQUE (stripe_price_id)
);

CREATE TABLE stripe_subscriptions (
    tenant                          uuid        NOT NULL REFERENCES tenants,
    stripe_subscription_id          uuid        NOT NULL DEFAULT gen_random_uuid(),
    stripe_subscription_external_id text        NOT NULL,
    stripe_customer_id              uuid        NOT NULL,
    -- The licence item: none where it cannot be told which one it is.
    stripe_subscription_item_id     text,
    stripe_price_id                 uuid        REFERENCES stripe_prices (stripe_price_id),
    -- NULL where there is no licence item, or where it is metered.
    quantity                        integer     CONSTRAINT quantity_is_not_negative CHECK (quantity >= 0),
    status                          text        NOT NULL CONSTRAINT status_is_stripes CHECK (status IN (
        'incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled', 'unpaid', 'paused')),
    billing_interval                text,
    current_period_start            timestamptz,
    current_period_end              timestamptz,
    cancel_at                       timestamptz,
    cancel_at_period_end            boolean     NOT NULL,
    canceled_at                     timestamptz,
    metadata                        jsonb       NOT NULL DEFAULT '{}',
    -- An add-on licenses nobody: what asks about licences leaves it out.
    is_add_on                       boolean     NOT NULL GENERATED ALWAYS AS (metadata ? 'addon_key') STORED,
    stripe_created_at               timestamptz NOT NULL,
    read_ticket                     bigint      NOT NULL,
    -- A decrease that waits for the period's end.
    scheduled_quantity              integer     CONSTRAINT scheduled_quantity_is_not_negative CHECK (scheduled_quantity >= 0),
    scheduled_at                    timestamptz,
    stripe_schedule_external_id     text,
    created_at                      timestamptz NOT NULL DEFAULT now(),
    updated_at                      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, stripe_subscription_id),
    FOREIGN KEY (tenant, stripe_customer_id) REFERENCES stripe_customers,
    CONSTRAINT stripe_subscriptions_external_id UNIQUE (tenant, stripe_subscription_external_id),
    CONSTRAINT a_licence_item_has_a_price CHECK ((stripe_subscription_item_id IS NULL) = (stripe_price_id IS NULL)),
    CONSTRAINT a_quantity_has_an_item CHECK (quantity IS NULL OR stripe_subscription_item_id IS NOT NULL)
);
CREATE UNIQUE INDEX stripe_subscriptions_external_id_is_unique
    ON stripe_subscriptions (stripe_subscription_external_id);
