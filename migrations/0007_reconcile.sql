-- What a comparison with Stripe found, and how far the walk over Stripe's events is.

-- One row for each thing that differs, with both values. A finding is kept as it was found; a repair
-- adds when. Findings go with the walk that they were found in.
CREATE TABLE reconcile_findings (
    walk                            uuid        NOT NULL REFERENCES walks ON DELETE CASCADE,
    kind                            text        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN (
        'missing_row', 'stale_row', 'wrong_count', 'not_at_stripe', 'orphan', 'untagged')),
    -- The subscription, or the tenant of a count: found twice, it is one finding.
    subject                         text        NOT NULL,
    tenant                          uuid        REFERENCES tenants,
    stripe_customer_external_id     text,
    stripe_subscription_external_id text,
    ours                            jsonb,
    stripes                         jsonb,
    -- Why it is left to a person. NULL where a repair may try.
    reason                          text,
    found_at                        timestamptz NOT NULL DEFAULT now(),
    repaired_at                     timestamptz,
    PRIMARY KEY (walk, kind, subject)
);
CREATE INDEX reconcile_findings_tenant ON reconcile_findings (walk, tenant);

-- What a comparison did beside repairing, counted in the transaction that did it.
ALTER TABLE walks
    -- Events that the inbox lacked,
    ADD COLUMN events_fed    integer NOT NULL DEFAULT 0,
    -- and settled ones that were too old to keep.
    ADD COLUMN events_pruned integer NOT NULL DEFAULT 0;

-- Places in lists of Stripe's that are gone through again and again.
CREATE TABLE cursors (
    name     text        PRIMARY KEY,
    -- Everything up to this event was gone through,
    newest   text        NOT NULL,
    -- but for what is older than this one, while the walk still goes back to the horizon.
    oldest   text,
    moved_at timestamptz NOT NULL DEFAULT now()
);
