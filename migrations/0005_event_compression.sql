-- Compressing an event's bytes is the dearest part of storing it, and lz4 does it several times as
-- fast. A server built without lz4 goes on with its own.

DO $$
BEGIN
    ALTER TABLE stripe_webhook_events ALTER COLUMN event_data SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN NULL;
END
$$;
