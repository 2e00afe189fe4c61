-- The outbox: what happened, written in the transaction in which it happened. See crates/bus/src/outbox.rs.
create table outbox (
    id bigint generated always as identity primary key,
    message_id text not null,
    exchange text not null,
    routing_key text not null,
    body jsonb not null,
    created_at timestamptz not null default now(),
    claimed_until timestamptz,
    sent_at timestamptz,
    attempts integer not null default 0,
    last_error text,
    constraint outbox_message_id_key unique (message_id, exchange)
);
-- The relay looks only at what is unsent; the index holds nothing else.
create index outbox_unsent_idx on outbox (id) where sent_at is null;
create index outbox_sent_at_idx on outbox (sent_at) where sent_at is not null;

-- The inbox: which messages have had their effect, written in the transaction of the effect.
create table processed_events (
    event_id text primary key,
    processed_at timestamptz not null default now()
);
create index processed_events_processed_at_idx on processed_events (processed_at);
