-- no-transaction
-- A transaction verifies for each act once. It takes the place of the key without the act in 0011.
create unique index concurrently if not exists tx_candidates_verified_act_key on tx_candidates (chain_id, tx_hash, act)
    where state = 'VERIFIED';
