-- no-transaction
-- The catalog's words find the intents that they are about by the hashes of transactions.
create index concurrently if not exists tx_candidates_chain_id_tx_hash_idx on tx_candidates (chain_id, tx_hash)
    where state <> 'REFUSED';
