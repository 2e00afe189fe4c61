-- An intent may be about an order, and may be done without the catalog's word: of a contract that nobody follows here
-- there will be none.
alter table tx_intents
    add column order_id uuid,
    add column awaits_catalog boolean not null default true;

-- Each step has a state of its own; the last one's decides the intent.
alter table tx_intent_steps
    add column status text not null default 'PREPARED',
    add column tx_hash text,
    add column error text,
    add column error_code text,
    -- What the wallet signed, for a message.
    add column signature bytea,
    add constraint tx_intent_steps_status_check check (status in ('PREPARED', 'SUBMITTED', 'MINED', 'DONE', 'FAILED'))
        not valid;

-- NONCE: found in the chain under the nonce of one that was known. The rows that are there are checked by a later file,
-- which does not hold up who writes.
alter table tx_candidates
    drop constraint tx_candidates_source_check,
    add constraint tx_candidates_source_check check (source in ('REPORTED', 'SALT', 'NONCE')) not valid;
