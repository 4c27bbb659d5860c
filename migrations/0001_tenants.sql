-- The tenants, and why each has as many licences as it has.
-- Keys lead with `tenant` throughout, as in the application's own database.

-- A read of Stripe takes a ticket before its request goes out; a row is overwritten only by a
-- later ticket. So a slow answer can never undo a newer one.
CREATE SEQUENCE read_tickets AS bigint;

CREATE TABLE tenants (
    tenant              uuid        PRIMARY KEY,
    client_name         text        NOT NULL CONSTRAINT client_name_is_not_empty CHECK (client_name <> ''),
    email               text        NOT NULL CONSTRAINT email_is_lower_case CHECK (email = lower(email)),
    -- NULL is no limit: only a tenant that never had a licence subscription has it.
    licensed_user_count integer     CONSTRAINT licensed_user_count_is_not_negative CHECK (licensed_user_count >= 0),
    -- The Temporal run that made it, so that a repeated step answers what it answered before, and
    -- its workflow id, so that a corrected replay goes on with the tenant that is there.
    created_by_run      text,
    created_by_workflow text,
    -- The tenant that owns the Stripe account, its catalogue and its events. Nobody buys it.
    is_master_billing   boolean     NOT NULL DEFAULT false,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX there_is_one_master_billing_tenant ON tenants ((true)) WHERE is_master_billing;

-- "Another tenant has this e-mail" is asked at every onboarding.
CREATE INDEX tenants_email ON tenants (email);

-- A workflow makes one tenant, ever: also when an attempt of a run that is long gone comes late.
CREATE UNIQUE INDEX a_workflow_makes_one_tenant ON tenants (created_by_workflow);

-- "Why does this tenant have 12 licences?" has an answer. Written in the transaction that
-- changes the count, never later.
CREATE TABLE license_changes (
    tenant                          uuid        NOT NULL REFERENCES tenants,
    license_change_id               bigint      GENERATED ALWAYS AS IDENTITY,
    from_count                      integer,
    to_count                        integer     NOT NULL CONSTRAINT to_count_is_not_negative CHECK (to_count >= 0),
    cause                           text        NOT NULL,
    stripe_subscription_external_id text,
    event_ids                       text[]      NOT NULL DEFAULT '{}',
    workflow_id                     text        NOT NULL,
    run_id                          text        NOT NULL,
    changed_at                      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, license_change_id)
);
