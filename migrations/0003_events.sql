-- The inbox of Stripe's events. The shim inserts, the sync settles, onboarding releases what was
-- parked because its customer had no tenant yet.

CREATE TABLE stripe_webhook_events (
    -- The master billing tenant, which owns the account: an event of an unknown tenant has a place too.
    tenant                      uuid        NOT NULL REFERENCES tenants,
    stripe_event_id             text        NOT NULL,
    event_type                  text        NOT NULL,
    -- The bytes as received, so that no byte of them can make the insert fail.
    event_data                  bytea       NOT NULL,
    processing_status           text        NOT NULL DEFAULT 'pending' CONSTRAINT processing_status_is_known CHECK (
        processing_status IN ('pending', 'completed', 'superseded', 'ignored', 'parked', 'failed')),
    processed                   boolean     NOT NULL GENERATED ALWAYS AS (
        processing_status IN ('completed', 'superseded', 'ignored')) STORED,
    processing_error            text,
    processed_at                timestamptz,
    subject_tenant              uuid        REFERENCES tenants,
    object_id                   text,
    -- What it is parked under.
    stripe_customer_external_id text,
    account                     text,
    kind                        text        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('snapshot', 'thin')),
    snapshot_event_id           text,
    livemode                    boolean     NOT NULL,
    api_version                 text,
    stripe_created_at           timestamptz NOT NULL,
    attempts                    integer     NOT NULL DEFAULT 0,
    dispatched_at               timestamptz,
    next_attempt_at             timestamptz NOT NULL DEFAULT now(),
    created_at                  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, stripe_event_id),
    CONSTRAINT a_parked_event_has_a_customer CHECK (
        processing_status <> 'parked' OR stripe_customer_external_id IS NOT NULL)
);
CREATE UNIQUE INDEX stripe_webhook_events_id_is_unique ON stripe_webhook_events (stripe_event_id);
CREATE INDEX stripe_webhook_events_parked ON stripe_webhook_events (stripe_customer_external_id)
    WHERE processing_status = 'parked';
CREATE INDEX stripe_webhook_events_due ON stripe_webhook_events (next_attempt_at)
    WHERE processing_status = 'pending';
