-- "Who asked for it, and what came of it?" One row for each run that is to change a tenant's
-- licences: written when the run looks at Stripe first, closed when it ends, also when it fails.
-- `license_changes` says what became of the count; this says what was wanted.

CREATE TABLE license_requests (
    tenant             uuid        NOT NULL REFERENCES tenants,
    license_request_id bigint      GENERATED ALWAYS AS IDENTITY,
    -- What it was decided on; NULL where Stripe was not read.
    from_count         integer,
    to_count           integer     NOT NULL CONSTRAINT to_count_can_be_asked_for CHECK (to_count BETWEEN 1 AND 100000),
    -- As it was asked for; NULL leaves it to the direction.
    effective          text        CONSTRAINT effective_is_known CHECK (effective IN ('now', 'period_end')),
    requested_by       text,
    outcome            text        CONSTRAINT outcome_is_known CHECK (outcome IN ('changed', 'scheduled', 'unchanged')),
    -- When the new number holds; NULL where nothing changes.
    effective_at       timestamptz,
    -- The number of a waiting change that was taken back on the way.
    taken_back_count   integer,
    failure_kind       text,
    failure_message    text,
    workflow_id        text        NOT NULL,
    run_id             text        NOT NULL,
    requested_at       timestamptz NOT NULL DEFAULT now(),
    ended_at           timestamptz,
    PRIMARY KEY (tenant, license_request_id),
    CONSTRAINT a_failure_has_a_kind_and_a_message CHECK ((failure_kind IS NULL) = (failure_message IS NULL)),
    CONSTRAINT an_end_has_an_outcome_or_a_failure CHECK (
        (ended_at IS NOT NULL) = (outcome IS NOT NULL OR failure_kind IS NOT NULL)),
    CONSTRAINT there_is_one_end CHECK (outcome IS NULL OR failure_kind IS NULL)
);
-- A step that runs twice writes one row.
CREATE UNIQUE INDEX a_run_has_one_license_request ON license_requests (run_id);
