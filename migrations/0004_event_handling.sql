-- What the relay and the operators need to know of an event beside its status, and how many
-- events were taken in, counted apart from them: so that an event which is gone is missed.

ALTER TABLE stripe_webhook_events
    -- The Temporal run that gave it its status; the run's workflow is that of `object_id`.
    ADD COLUMN settled_by_run text,
    -- Of a parked event: the onboarding to start if the store never does, as
    -- `createTenantWorkflow` takes it. NULL once it was started, or where there is none.
    ADD COLUMN stranded_purchase jsonb,
    -- Whether a parked event was tried once more after its customer should have had a tenant.
    ADD COLUMN looked_again boolean NOT NULL DEFAULT false,
    -- `object_id` is the subscription that it speaks of. Without one it can be ignored only.
    ADD CONSTRAINT an_event_without_a_subscription_is_ignored CHECK (
        object_id IS NOT NULL OR processing_status = 'ignored');
CREATE INDEX stripe_webhook_events_object ON stripe_webhook_events (object_id, created_at);
CREATE INDEX stripe_webhook_events_twin ON stripe_webhook_events (snapshot_event_id) WHERE snapshot_event_id IS NOT NULL;
CREATE INDEX stripe_webhook_events_not_looked_at ON stripe_webhook_events (created_at)
    WHERE processing_status = 'parked' AND NOT looked_again;
CREATE INDEX stripe_webhook_events_stranded ON stripe_webhook_events (created_at)
    WHERE processing_status = 'parked' AND stranded_purchase IS NOT NULL;
-- "What came lately, and what failed?" A whole index costs each insert something, a partial one not.
CREATE INDEX stripe_webhook_events_received ON stripe_webhook_events (created_at);
CREATE INDEX stripe_webhook_events_failed ON stripe_webhook_events (created_at) WHERE processing_status = 'failed';

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

-- Compressing an event's bytes is the dearest part of storing it, and lz4 does it several times as
-- fast. A server built without lz4 goes on with its own.
DO $$
BEGIN
    ALTER TABLE stripe_webhook_events ALTER COLUMN event_data SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN NULL;
END
$$;
