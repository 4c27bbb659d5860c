-- What the relay and the operators need to know of an event beside its status, and how many
-- events were taken in, counted apart from them: so that an event which is gone is missed.

ALTER TABLE stripe_webhook_events
    -- The Temporal run that gave it its status; the run's workflow is that of `object_id`.
    ADD COLUMN settled_by_run text,
    -- Of a parked event: the onboarding to start if the store never does, as
    -- `createTenantWorkflow` takes it. NULL once it was started, or where there is none.
    ADD COLUMN stranded_purchase jsonb,
    -- `object_id` is the subscription that it speaks of. Without one it can be ignored only.
    ADD CONSTRAINT an_event_without_a_subscription_is_ignored CHECK (
        object_id IS NOT NULL OR processing_status = 'ignored');
CREATE INDEX stripe_webhook_events_object ON stripe_webhook_events (object_id, created_at);
CREATE INDEX stripe_webhook_events_twin ON stripe_webhook_events (snapshot_event_id) WHERE snapshot_event_id IS NOT NULL;
CREATE INDEX stripe_webhook_events_stranded ON stripe_webhook_events (created_at)
    WHERE processing_status = 'parked' AND stranded_purchase IS NOT NULL;
-- "What came lately, and what failed?"
CREATE INDEX stripe_webhook_events_status ON stripe_webhook_events (processing_status, created_at);

CREATE TABLE stripe_webhook_receipts (
    -- The master billing tenant, as of the events.
    tenant     uuid     NOT NULL REFERENCES tenants,
    event_type text     NOT NULL,
    -- Each batch adds to a slot taken at random, so that batches do not wait for each other's commit.
    slot       smallint NOT NULL,
    received   bigint   NOT NULL CONSTRAINT received_is_positive CHECK (received > 0),
    PRIMARY KEY (tenant, event_type, slot)
);
INSERT INTO stripe_webhook_receipts (tenant, event_type, slot, received)
    SELECT tenant, event_type, 0, count(*) FROM stripe_webhook_events GROUP BY tenant, event_type;
