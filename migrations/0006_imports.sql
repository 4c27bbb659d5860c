-- Walks of Stripe's lists, what they staged, and what an import of customers made of each tenant.

-- A walk reads lists by the page. It remembers where it is, so that one that was killed or stopped
-- goes on from there.
CREATE TABLE walks (
    walk        uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    kind        text        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('import', 'reconcile')),
    -- Only what may concern this tenant; NULL is everything.
    tenant      uuid        REFERENCES tenants,
    dry_run     boolean     NOT NULL,
    page_size   smallint    NOT NULL CONSTRAINT page_size_is_stripes CHECK (page_size BETWEEN 1 AND 100),
    -- The run that opened it, or took it up last: a repeated step finds its own.
    workflow_id text        NOT NULL,
    run_id      text        NOT NULL,
    -- Whether a later run took it up.
    resumed     boolean     NOT NULL DEFAULT false,
    phase       text        NOT NULL CONSTRAINT phase_is_known CHECK (
        phase IN ('customers', 'search', 'owner', 'subscriptions', 'products', 'walked')),
    -- Where the next page of the phase begins; NULL is its first.
    cursor      text,
    pages       bigint      NOT NULL DEFAULT 0,
    rows        bigint      NOT NULL DEFAULT 0,
    started_at  timestamptz NOT NULL DEFAULT now(),
    -- When every tenant had been judged.
    judged_at   timestamptz,
    -- NULL while it can be taken up again.
    ended_at    timestamptz
);
CREATE UNIQUE INDEX a_run_has_one_walk_of_a_kind ON walks (kind, run_id);
CREATE INDEX walks_of_a_kind ON walks (kind, tenant, started_at);

-- What the pages said, under the ticket that was taken before each was asked for. It is kept until
-- the next walk of the same kind.
CREATE TABLE staged_customers (
    walk                        uuid   NOT NULL REFERENCES walks ON DELETE CASCADE,
    stripe_customer_external_id text   NOT NULL,
    -- What two spellings of one address have in common; NULL where the customer has none.
    email_key                   text,
    body                        jsonb  NOT NULL,
    read_ticket                 bigint NOT NULL,
    PRIMARY KEY (walk, stripe_customer_external_id)
);
CREATE INDEX staged_customers_email ON staged_customers (walk, email_key);

CREATE TABLE staged_subscriptions (
    walk                            uuid   NOT NULL REFERENCES walks ON DELETE CASCADE,
    stripe_subscription_external_id text   NOT NULL,
    stripe_customer_external_id     text   NOT NULL GENERATED ALWAYS AS (body ->> 'customer') STORED,
    status                          text   NOT NULL GENERATED ALWAYS AS (body ->> 'status') STORED,
    is_add_on                       boolean NOT NULL GENERATED ALWAYS AS (body -> 'metadata' ? 'addon_key') STORED,
    body                            jsonb  NOT NULL,
    read_ticket                     bigint NOT NULL,
    PRIMARY KEY (walk, stripe_subscription_external_id)
);
CREATE INDEX staged_subscriptions_customer ON staged_subscriptions (walk, stripe_customer_external_id);

CREATE TABLE staged_products (
    walk                       uuid   NOT NULL REFERENCES walks ON DELETE CASCADE,
    stripe_product_external_id text   NOT NULL,
    body                       jsonb  NOT NULL,
    read_ticket                bigint NOT NULL,
    PRIMARY KEY (walk, stripe_product_external_id)
);

-- What became of each tenant in an import, and what is left to do for it.
CREATE TABLE import_outcomes (
    tenant                           uuid        NOT NULL REFERENCES tenants,
    walk                             uuid        NOT NULL REFERENCES walks ON DELETE CASCADE,
    -- What is to become of it, as far as the lists tell.
    judged                           text        NOT NULL CONSTRAINT judged_is_an_outcome CHECK (judged IN (
        'imported', 'already', 'no_customer', 'ambiguous', 'no_live_subscription', 'failed')),
    -- What became of it; NULL until it was written.
    outcome                          text        CONSTRAINT outcome_is_known CHECK (outcome IN (
        'imported', 'already', 'no_customer', 'ambiguous', 'no_live_subscription', 'failed')),
    reason                           text,
    stripe_customer_external_id      text,
    stripe_subscription_external_ids text[]      NOT NULL DEFAULT '{}',
    -- Subscriptions that are still to be tagged at Stripe, and to be read once more.
    untagged                         text[]      NOT NULL DEFAULT '{}',
    unread                           text[]      NOT NULL DEFAULT '{}',
    tagged                           integer     NOT NULL DEFAULT 0,
    read_again                       integer     NOT NULL DEFAULT 0,
    dry_run                          boolean     NOT NULL,
    settled_at                       timestamptz,
    created_at                       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, walk),
    CONSTRAINT what_did_not_work_has_a_reason CHECK (outcome NOT IN ('ambiguous', 'failed') OR reason IS NOT NULL)
);
CREATE INDEX import_outcomes_to_settle ON import_outcomes (walk, tenant) WHERE outcome IS NULL;
CREATE INDEX import_outcomes_to_follow_up ON import_outcomes (walk, tenant)
    WHERE untagged <> '{}' OR unread <> '{}';
CREATE INDEX import_outcomes_of_a_walk ON import_outcomes (walk, outcome);
