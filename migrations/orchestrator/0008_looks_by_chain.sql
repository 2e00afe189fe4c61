-- no-transaction
-- The tracker takes what is due a chain at a time, so that one that does not answer delays no other.
create index concurrently if not exists tx_intents_chain_id_next_look_at_idx on tx_intents (chain_id, next_look_at)
    where next_look_at is not null;
